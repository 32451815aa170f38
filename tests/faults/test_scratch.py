"""Commands that publish nothing leave nothing, however they end."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from orchestration import ROOT
from orchestration.cli import _showing
from orchestration.errors import EnvironmentFailure
from orchestration.warehouse.scratch import scratch_folder

WAITS = """
import sys, time
from orchestration.warehouse.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "copy of the extracts").touch()
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # of the tests' own process
    return tmp_path


def waiting() -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


def test_a_folder_goes_with_a_process_that_is_told_to_end(temporary):
    process = waiting()
    process.terminate()
    process.wait()
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_and_what_is_in_use_stays(temporary):
    killed, living = waiting(), waiting()
    killed.kill()
    killed.wait()
    assert len(list(temporary.iterdir())) == 2
    (temporary / "churn-notes").mkdir()  # somebody else's
    with scratch_folder():
        assert len(list(temporary.iterdir())) == 3
    assert living.poll() is None
    living.terminate()
    living.wait()
    assert [path.name for path in temporary.iterdir()] == ["churn-notes"]


def test_details_are_shown_where_their_log_goes_with_its_folder(tmp_path):
    log = tmp_path / "refresh.log"
    log.write_text("what the engine said\n")
    with pytest.raises(EnvironmentFailure) as failure, _showing(log):
        raise EnvironmentFailure(f"load: no memory; details in {log}.")
    assert str(failure.value) == "load: no memory; details follow.\nwhat the engine said"
