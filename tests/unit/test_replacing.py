"""A file that is replaced is the old one or the new one, with the permissions it should have."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.warehouse.folder import Warehouse
from orchestration.warehouse.replacing import replacing
from orchestration.warehouse.settings import write_settings


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o644)])
def test_permissions_do_not_depend_on_the_file_before(tmp_path: Path, private: bool, mode: int) -> None:
    file = tmp_path / "list.csv"
    file.write_text("old")
    file.chmod(0o640)
    with replacing(file, private=private) as new:
        assert stat.S_IMODE(new.stat().st_mode) == mode
        new.write_text("new")
        assert file.read_text() == "old"
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", mode)
    assert list(tmp_path.iterdir()) == [file]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(file) as new:
        new.write_text("half")
        raise ZeroDivisionError
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_settings_that_cannot_be_written_stay_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person writes some of them by hand: a full disk in mid-write must not take those."""
    warehouse = Warehouse(tmp_path)
    warehouse.settings.write_text("publish: postgresql://me@db/churn\n")
    write = Path.write_text

    def fill_the_disk(file: Path, text: str, **options: str) -> int:
        write(file, text[:5], **options)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fill_the_disk)
    with pytest.raises(OSError):
        write_settings(warehouse, {"engine": "spark"})
    assert warehouse.settings.read_text() == "publish: postgresql://me@db/churn\n"
