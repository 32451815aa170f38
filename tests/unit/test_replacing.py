"""A file that is replaced is the old one or the new one, with the permissions it should have."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.readers.replacing import replacing


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
