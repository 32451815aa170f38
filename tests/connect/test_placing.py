"""The folders of pulls appear whole or not at all."""

from datetime import date
from glob import glob
from pathlib import Path

import pytest

from orchestration.errors import Busy, EnvironmentFailure, PullRefused
from orchestration.pulling.placing import placing

DAY = date(2026, 3, 1)


def pulled(extracts: Path, text: str, day: date = DAY) -> None:
    with placing(extracts, "erp", day) as (folder, _):
        (folder / "rows.csv").write_text(text, encoding="utf-8")


def visible(extracts: Path) -> dict[str, str]:
    found = sorted(glob("pulls/erp/*/*", root_dir=extracts))  # as the loader looks for files
    return {Path(name).parent.name: (extracts / name).read_text(encoding="utf-8") for name in found}


def test_a_folder_appears_when_it_is_whole_and_is_its_owners(tmp_path):
    with placing(tmp_path, "erp", DAY) as (folder, earlier):
        (folder / "rows.csv").write_text("a", encoding="utf-8")
        assert (visible(tmp_path), earlier) == ({}, [])
    assert visible(tmp_path) == {"2026-03-01": "a"}
    assert {oct(path.stat().st_mode & 0o077) for path in tmp_path.glob("pulls/erp/**/*")} == {"0o0"}


def test_one_of_the_same_day_replaces_it_and_earlier_days_stay(tmp_path):
    pulled(tmp_path, "a", date(2026, 2, 28))
    pulled(tmp_path, "b")
    with placing(tmp_path, "erp", DAY) as (folder, earlier):
        (folder / "rows.csv").write_text("c", encoding="utf-8")
        assert [path.name for path in earlier] == ["2026-02-28"]
        assert visible(tmp_path) == {"2026-02-28": "a", "2026-03-01": "b"}
    assert visible(tmp_path) == {"2026-02-28": "a", "2026-03-01": "c"}


def test_a_folder_dated_after_today_refuses_the_pull_before_anything_is_asked_for(tmp_path):
    pulled(tmp_path, "a", date(2026, 3, 2))
    (tmp_path / "pulls" / "erp" / "2027_copy").mkdir()
    with pytest.raises(PullRefused, match=r"^pulls/erp/2026-03-02: dated after today \(2026-03-01\)"):
        pulled(tmp_path, "b")
    assert visible(tmp_path) == {"2026-03-02": "a"}
    (tmp_path / "pulls" / "erp" / "2026-03-02").rename(tmp_path / "pulls" / "erp" / "2026-02-28")
    pulled(tmp_path, "b")
    assert visible(tmp_path) == {"2026-02-28": "a", "2026-03-01": "b"}


def test_what_fails_leaves_the_earlier_one(tmp_path):
    pulled(tmp_path, "a")
    with (
        pytest.raises(EnvironmentFailure, match="No such file or directory"),
        placing(tmp_path, "erp", DAY) as (new, _),
    ):
        (new / "rows.csv").write_text("half", encoding="utf-8")
        (new / "missing" / "rows.csv").write_text("", encoding="utf-8")
    assert visible(tmp_path) == {"2026-03-01": "a"}
    assert [path.name for path in (tmp_path / "pulls" / "erp").iterdir() if path.is_dir()] == ["2026-03-01"]


@pytest.mark.parametrize(
    ("left", "expected"), [([".2026-03-01.new"], {}), ([".2026-03-01.old"], {"2026-03-01": "old"})]
)
def test_what_a_killed_process_left_is_settled_by_the_next(tmp_path, left, expected):
    for name in left:
        folder = tmp_path / "pulls" / "erp" / name
        folder.mkdir(parents=True)
        (folder / "rows.csv").write_text("old", encoding="utf-8")
    assert visible(tmp_path) == {}
    pulled(tmp_path, "next", date(2026, 3, 2))
    assert visible(tmp_path) == expected | {"2026-03-02": "next"}


def test_two_at_once_are_not_possible(tmp_path):
    with placing(tmp_path, "erp", DAY), pytest.raises(Busy, match="another process"), placing(tmp_path, "erp", DAY):
        pass
