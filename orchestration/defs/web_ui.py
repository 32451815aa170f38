"""Dagster's web UI for one person on one machine: its server, its daemon, and a guard against other web pages.

There is no login, so a browser must not lend its user's place to a page from elsewhere: whatever such a page could send
is refused before Dagster sees it. And no code is taken from the folder in which the command was called.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._serdes import serialize_value
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestration import ROOT
from orchestration.errors import UserError

HOST = "127.0.0.1"
DEFINITIONS = "orchestration.definitions"
# A name that another page gives to this machine (DNS rebinding) is none of these.
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)
# Dagster's defaults for its server: milliseconds of a statement, seconds of a connection, connections.
_DATABASE = (15_000, 3_600, 20)


class OwnPagesOnly:
    """An ASGI application that passes on what the server's own pages send, and what no browser sends."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):  # start and end of the server
            return await self.app(scope, receive, send)
        if refusal := _refusal(scope):
            status, text = refusal
            if scope["type"] == "websocket":
                return await send({"type": "websocket.close", "code": 1008, "reason": text})
            return await PlainTextResponse(text, status)(scope, receive, send)

        async def unframed(message: Message) -> None:
            if message["type"] == "http.response.start":  # another page could have its visitors click in a hidden frame
                message = {**message, "headers": [*message.get("headers", ()), (b"x-frame-options", b"DENY")]}
            await send(message)

        return await self.app(scope, receive, unframed)


def _refusal(scope: Scope) -> tuple[int, str] | None:
    """Status and reason with which a request is refused; None for one of the server's own pages."""

    def header(name: bytes) -> list[str]:
        return [value.decode("latin-1") for key, value in scope["headers"] if key == name]

    hosts, origins = header(b"host"), header(b"origin")
    if len(hosts) != 1 or not _LOOPBACK.fullmatch(hosts[0]):
        return 403, "This server answers on 127.0.0.1 and localhost only."
    if any(origin.lower() != f"http://{hosts[0].lower()}" for origin in origins):
        return 403, "This server answers its own pages only."
    # the page with the query editor is text/html; Dagster would execute any other GET, mutations too
    is_query = scope["type"] == "http" and scope["path"].rstrip("/") == "/graphql" and scope["method"] != "POST"
    if is_query and not any("text/html" in accepted for accepted in header(b"accept")):
        return 405, "Queries are sent with POST."
    return None


def serve(instance: dg.DagsterInstance, port: int) -> None:
    """Serve the UI until the process is told to end, or the daemon has ended."""
    listening = _listening(port)
    os.chdir(ROOT)
    os.environ["PYTHONSAFEPATH"] = "1"  # of the processes that Dagster starts with `python -m`
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the daemon has to end then too
    instance.optimize_for_webserver(*_DATABASE)
    target = ModuleTarget(DEFINITIONS, attribute=None, working_directory=str(ROOT), location_name=None)
    with (
        _daemon(instance) as daemon,
        WorkspaceProcessContext(instance, target, dg.__version__, code_server_log_level="warning") as context,
    ):
        app = OwnPagesOnly(create_app_from_workspace_process_context(context))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))

        def end_with_daemon() -> None:
            daemon.wait()
            server.should_exit = True

        threading.Thread(target=end_with_daemon, daemon=True).start()
        print(f"Serving Dagster on http://{HOST}:{port}", file=sys.stderr, flush=True)
        server.run([listening])


def _listening(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        raise UserError(f"Port {port} cannot be used ({error.strerror}). Name another one with --port.") from None
    return listening


@contextmanager
def _daemon(instance: dg.DagsterInstance) -> Iterator[subprocess.Popen[bytes]]:
    """The process that runs the schedule, the sensors and the queue of runs."""
    run = ["dagster._daemon", "run", "--instance-ref", serialize_value(instance.get_ref()), "--log-level", "warning"]
    daemon = subprocess.Popen([sys.executable, "-m", *run, "-m", DEFINITIONS, "-d", str(ROOT)])
    try:
        yield daemon
    finally:
        daemon.send_signal(signal.SIGINT)
        daemon.wait()
