"""A Postgres server of the moment, on 127.0.0.1 and a free port, as a user who is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path

PASSWORD = "not-to-be-shown"


def binaries() -> Path | None:
    """Where Postgres's server is installed, the newest."""
    found = sorted(glob("/usr/lib/postgresql/*/bin/initdb")) or [path for path in [shutil.which("initdb")] if path]
    return Path(found[-1]).parent if found else None


@contextmanager
def serving() -> Iterator[str]:
    """The address of a database, with the password of its owner."""
    programs = binaries()
    assert programs
    is_root = os.geteuid() == 0
    owner = pwd.getpwnam("postgres" if is_root else pwd.getpwuid(os.geteuid()).pw_name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="churn-postgres-"))
    try:
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        for path in (folder, folder / "password"):
            os.chown(path, owner.pw_uid, owner.pw_gid)

        def run(*command: object) -> None:
            done = subprocess.run(
                list(map(str, command)),
                cwd=folder,
                user=owner.pw_uid if is_root else None,
                group=owner.pw_gid if is_root else None,
                stdout=(log := (folder.parent / f"{folder.name}.log").open("ab")),
                stderr=subprocess.STDOUT,
            )
            log.close()
            assert done.returncode == 0, (folder.parent / f"{folder.name}.log").read_text(encoding="utf-8")

        options = ["--username=churn", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
        run(programs / "initdb", f"--pgdata={folder}/data", f"--pwfile={folder}/password", *options)
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        run(programs / "pg_ctl", f"--pgdata={folder}/data", "--wait", f"--log={folder}/log", f"-o{settings}", "start")
        try:
            yield f"postgresql://churn:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            run(programs / "pg_ctl", f"--pgdata={folder}/data", "--mode=immediate", "stop")
    finally:
        shutil.rmtree(folder)
        (folder.parent / f"{folder.name}.log").unlink(missing_ok=True)
