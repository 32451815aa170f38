"""A real Superset of `.venv-superset` on a published warehouse of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import requests

from tests.browser.conftest import write_company
from tests.churn import published

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-superset" / "bin" / "python"


class Superset:
    """The server that `make superset` starts."""

    def __init__(self, warehouse: Path, *database: str, password: str = "") -> None:
        self.warehouse, self.home = warehouse, warehouse / "superset"
        self.database, self.environment = database, os.environ | {"PGPASSWORD": password}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        # To pytest's captured output: what it says is shown when a test fails.
        command = [PYTHON, "superset/serve.py", self.warehouse, str(self.port), *self.database]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment)
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "Superset ended by itself"
            try:
                if requests.get(f"{self.url}/health", timeout=5).ok:
                    return
            except requests.ConnectionError:
                time.sleep(0.5)
        raise AssertionError("Superset did not start in five minutes")

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self.process.terminate()
        self.process.wait(60)

    @property
    def password(self) -> str:
        return (self.home / "admin_password").read_text(encoding="ascii")

    def client(self) -> Client:
        return Client(self)


class Client:
    """The admin at the REST API."""

    def __init__(self, superset: Superset) -> None:
        self.api = f"{superset.url}/api/v1"
        self.session = requests.Session()
        login = {"username": "admin", "password": superset.password, "provider": "db"}
        self.session.headers["Authorization"] = (
            f"Bearer {self.call('post', 'security/login', json=login)['access_token']}"
        )
        self.session.headers.update(
            {"X-CSRFToken": self.call("get", "security/csrf_token/")["result"], "Referer": superset.url}
        )

    def request(self, method: str, path: str, **options: object) -> requests.Response:
        return self.session.request(method, f"{self.api}/{path}", timeout=120, **options)

    def call(self, method: str, path: str, **options: object) -> dict:
        response = self.request(method, path, **options)
        assert response.ok, response.text
        return response.json()

    def charts(self) -> dict[str, int]:
        """The id of each chart by its UUID."""
        return {chart["uuid"]: chart["id"] for chart in self.call("get", "chart/?q=(page_size:100)")["result"]}

    def rows(self, chart: int) -> list[dict]:
        """What the chart shows."""
        [result] = self.call("get", f"chart/{chart}/data/")["result"]
        assert result["status"] == "success", result["error"]
        return result["data"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("company")
    write_company(folder / "extracts")
    return folder


@pytest.fixture(scope="session")
def superset(folder: Path) -> Iterator[Superset]:
    # In the middle of a month: the running one has to stay out of the trends.
    server = Superset(published(folder, date(2025, 9, 20)))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def client(superset: Superset) -> Client:
    return superset.client()


@pytest.fixture(scope="session")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("there is no chromium on the PATH")
    return found
