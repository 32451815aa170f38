"""What docs/deploy.md says to run is run: on a folder whose mapping stops a refresh early, with the same words."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from orchestration.cli import cli
from orchestration.defs.run_history import run_history

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
CHURN = Path(sys.executable).with_name("churn")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def of_cron() -> list[str]:
    return [line.split(maxsplit=5)[5] for block in blocks("cron") for line in block.splitlines() if line[:1].isdigit()]


def of_systemd() -> list[str]:
    return re.findall(r"^ExecStart(?:Pre)?=(.*)$", PAGE, re.MULTILINE)


def of_containers() -> list[str]:
    [entrypoint] = re.findall(r'^ENTRYPOINT \["(.*)"\]$', PAGE, re.MULTILINE)
    return [
        f"{entrypoint} {line.split(' churn ', 1)[1]}" for line in PAGE.splitlines() if line.startswith("podman run")
    ]


@pytest.fixture
def place(tmp_path) -> Path:
    """/srv/churn of the page, with an extracts.yml that no refresh can use."""
    for name in ("extracts", "warehouse"):
        (tmp_path / name).mkdir()
    (tmp_path / "extracts" / "extracts.yml").write_text("currency_of_ann: EUR\n")
    (tmp_path / "churn.env").write_text("CHURN_ALERT_URLS=json://127.0.0.1:9/nobody\n")
    return tmp_path


def here(text: str, place: Path) -> str:
    return text.replace("/srv/churn/project/.venv/bin/churn", str(CHURN)).replace("/srv/churn", str(place))


def run(command: str, place: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(["sh", "-c", here(command, place)], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    "command",
    [one for one in (*of_cron(), *of_systemd(), *of_containers()) if re.search(" (pull|refresh) ", one)],
)
def test_a_pull_or_refresh_of_the_page_says_where_to_look_and_nothing_else(place, command):
    done = run(command, place)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith(
        "the extracts must be corrected first: mapping (extracts.yml, line 1)."
    )
    assert "ann" not in done.stderr.replace(str(place), "")
    assert (place / "warehouse" / "refresh.json").exists()


def test_a_refresh_of_cron_that_succeeds_sends_no_mail(place):
    (place / "extracts" / "extracts.yml").unlink()
    (place / "churn.env").write_text("")
    (place / "extracts" / "billing").mkdir()
    rows = "".join(f"i{number},c{number % 5},2024-0{1 + number % 6}-10,20,EUR\n" for number in range(60))
    (place / "extracts" / "billing" / "invoices.csv").write_text(
        f"invoice_id,customer_id,issued_at,amount,currency\n{rows}"
    )
    done = run(of_cron()[0], place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (place / "warehouse" / "churn.duckdb").exists()


def test_the_alert_of_cron_reaches_for_whom_the_file_names(place):
    [refresh, alert, _] = of_cron()
    run(refresh, place)
    done = run(alert, place)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("1 JSON of CHURN_ALERT_URLS did not take the alert")


def test_every_other_command_takes_its_options(tmp_path):
    commands = [one for line in of_cron() for one in line.split("; ")[-1].split(" && ")]
    for command in (*commands, *of_systemd(), *of_containers()):
        program, name, *arguments = shlex.split(command.split(" >")[0])
        assert program == "/srv/churn/project/.venv/bin/churn"
        cli.commands[name].make_context(name, [one.replace("/srv/churn/warehouse", str(tmp_path)) for one in arguments])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
def test_the_units_are_valid(place):
    names = re.findall(r"`/etc/systemd/system/(.*?)`", PAGE)
    units = dict(zip(names, blocks("ini"), strict=True))
    units["churn-refresh.service"] += units.pop("churn-refresh.service.d/pull.conf")
    for name, unit in units.items():
        (place / name).write_text(here(unit, place).replace("User=churn\n", ""))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *[place / name for name in units]], capture_output=True, text=True
    )
    about_ours = [line for line in done.stderr.splitlines() if str(place) in line or "churn" in line]
    assert about_ours == []


def test_the_container_copies_what_is_there_and_all_that_the_manifest_is_made_of():
    from orchestration.transform.project import _CODE, _INPUTS

    copied = {name for line in re.findall(r"^COPY (.*) \S+$", PAGE, re.MULTILINE) for name in line.split()}
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert {*_INPUTS, *_CODE, "requirements-uv.lock"} <= copied


@pytest.fixture
def by_hand(tmp_path) -> dict[str, str]:
    """The environment of Dagster's processes, of a company with a source to pull."""
    with run_history(tmp_path / "warehouse" / "dagster"):
        (tmp_path / "extracts.yml").write_text("pull: {stripe: }\n")
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CHURN_EXTRACTS": str(tmp_path),
        "CHURN_WAREHOUSE": str(tmp_path / "warehouse"),
        "DAGSTER_HOME": str(tmp_path / "warehouse" / "dagster"),
    }


def commands_by_hand(first: str) -> list[str]:
    [command] = [line for line in PAGE.splitlines() if line.startswith(f".venv/bin/{first}")]
    return command.replace(".venv/bin", str(CHURN.parent)).split()


def test_dagster_finds_the_code_location_by_itself(by_hand):
    command = commands_by_hand("dagster definitions")
    done = subprocess.run(command, cwd=ROOT, env=by_hand, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "orchestration.definitions" in done.stdout + done.stderr


def wait_until_it_answers(address: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with suppress(URLError), urlopen(address, timeout=60):
            return
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("dagster-daemon run", "Checking for new runs for sensor: left_runs"),
        ("dagster dev", "Serving dagster-webserver on http://127.0.0.1:"),
    ],
)
def test_dagsters_processes_start_and_end_by_hand(by_hand, command, says):
    port = ["--port", "0"] if command == "dagster dev" else []
    with subprocess.Popen(
        [*commands_by_hand(command), *port],
        cwd=ROOT,
        env=by_hand,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        late = threading.Timer(180, process.kill)
        late.start()
        said = []
        for line in process.stdout:
            said.append(line)
            if says in line:
                if served := re.search(r"http://\S+", line):
                    wait_until_it_answers(served[0])  # what is interrupted while it starts ends with a traceback
                process.send_signal(signal.SIGINT)
                break
        said += process.stdout
        late.cancel()
    assert says in "".join(said)
    assert "Traceback" not in "".join(said)
