"""A refresh works wherever its folders are and whoever runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration import ROOT
from orchestration.transform.project import prepare_manifest
from tests.faults.test_refresh import AS_OF, exports, extracts, refresh, undisturbed, write_extracts

__all__ = ["extracts", "undisturbed"]  # fixtures
all_faults = pytest.mark.skipif("FAULTS" not in os.environ, reason="a whole refresh: make test-faults")
NOBODY = "65534"
PLACES = (Path("/dev/shm"), Path("/var/tmp"))


@pytest.fixture
def elsewhere(tmp_path) -> Iterator[Path]:
    """A folder on another file system than the extracts and the temporary folder."""
    here = {tmp_path.stat().st_dev, Path(tempfile.gettempdir()).stat().st_dev}
    other = next((place for place in PLACES if place.is_dir() and place.stat().st_dev not in here), None)
    if not other:
        pytest.skip("this machine has no second file system to write to")
    with tempfile.TemporaryDirectory(dir=other) as folder:
        yield Path(folder)


@all_faults
def test_a_warehouse_on_another_file_system_holds_the_same(elsewhere, extracts, undisturbed):
    for _ in range(2):
        code, _, err = refresh(extracts, elsewhere / "warehouse")
        assert code == 0, err
        assert exports(elsewhere / "warehouse") == exports(undisturbed)


def as_nobody(place: Path, *command: object) -> subprocess.CompletedProcess[str]:
    """Run a command as a user who owns `place` and nothing else.
    They may read everything: these tests may run from the home of root, interpreter and all."""
    for name in ("HOME", "TMPDIR"):
        (place / name).mkdir(exist_ok=True)
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", place], check=True)
    reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return subprocess.run(
        ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", *reading, *map(str, command)],
        env=os.environ | {name: str(place / name) for name in ("HOME", "TMPDIR")} | {"PYTHONPATH": str(ROOT)},
        cwd=place,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that another user can reach, which the folders of pytest are not."""
    with tempfile.TemporaryDirectory() as folder:
        if os.getuid() or not shutil.which("setpriv") or as_nobody(Path(folder), sys.executable, "-c", "").returncode:
            pytest.skip("only root can become another user, with setpriv")
        prepare_manifest()  # as `make` has
        yield Path(folder)


def test_another_user_than_the_one_who_installed_it_needs_to_write_nothing_into_the_project(place):
    code = "from orchestration.transform.project import prepare_manifest; print(prepare_manifest())"
    done = as_nobody(place, sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr


def test_a_folder_that_may_not_be_written_to_is_told(place):
    write_extracts(place / "extracts")
    (place / "warehouse").mkdir(0o555)
    for warehouse, told in (("warehouse", "warehouse/.lock"), ("warehouse/inner", "warehouse/inner")):
        folders = ("--extracts", place / "extracts", "--warehouse", place / warehouse)
        done = as_nobody(place, Path(sys.executable).with_name("churn"), "refresh", *folders)
        assert (done.returncode, done.stdout) == (4, "")
        assert done.stderr == f"Permission denied ({place}/{told}). Nothing was changed for readers.\n"
    assert list((place / "warehouse").iterdir()) == []


@all_faults
def test_a_user_without_rights_refreshes_their_own_folders(place, undisturbed):
    write_extracts(place / "extracts")
    for path in (place / "extracts").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    churn = Path(sys.executable).with_name("churn")
    folders = ("--extracts", place / "extracts", "--warehouse", place / "warehouse")
    done = as_nobody(place, churn, "refresh", *folders, "--as-of", AS_OF)
    assert done.returncode == 0, done.stderr
    assert exports(place / "warehouse") == exports(undisturbed)
    assert {path.stat().st_uid for path in place.rglob("*") if not path.is_symlink()} == {int(NOBODY)}
