"""The report's file: what is in it and what is not. How it looks and behaves is tested in a browser."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from orchestration.readers.report import page as report
from orchestration.refresh.steps import manifest
from orchestration.warehouse.folder import JOURNALS

CYRILLIC = re.compile("[а-яА-Я]")
COUNTRIES = ["BG", "</script><script>alert(1)</script>", "<!--"]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A published churn.duckdb whose marts are empty, but for the churn of a few countries in one month."""
    file = tmp_path / "churn.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute("create schema marts; create schema quality")
        for node in manifest()["nodes"].values():
            if node["resource_type"] == "model" and node["schema"] in ("marts", "quality"):
                columns = ", ".join(f'"{column["name"]}" {column["data_type"]}' for column in node["columns"].values())
                con.execute(f"create table {node['schema']}.{node['alias']} ({columns})")
        for journal in JOURNALS:
            journal.create(con)
        con.execute(
            "insert into quality.refresh_history values ('r1', now(), now(), date '2025-01-31', 'published',"
            " '{\"fiscal_year_start_month\": 1}', 'v', null)"
        )
        for kind, value in (("all", "all"), *(("country", country) for country in COUNTRIES)):
            con.execute(
                "insert into marts.churn_rates by name select 'month' as period_grain,"
                " date '2025-01-01' as period_start, date '2025-02-01' as period_end, "
                "true as is_complete, ? as segment_type, ? as segment, 10 as customers_at_start, 1 as customers_lost,"
                " 0 as customers_new, 0.1 as churn_rate",
                [kind, value],
            )
    return file


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))


def data_of(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_points_nowhere_outside_itself(published, tmp_path):
    text = report.write_report(published, tmp_path / "report", "EUR").read_text(encoding="utf-8")
    elements = Elements()
    elements.feed(text)
    targets = [attributes[name] for _, attributes in elements.found for name in ("src", "href") if name in attributes]
    assert targets
    assert [target for target in targets if not target.startswith(("#", "data:"))] == []
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", report._file("style.css"))
    [policy] = [
        attributes["content"]
        for tag, attributes in elements.found
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in policy
    assert "eval" not in policy


def test_data_can_not_end_its_element(published, tmp_path):
    text = report.write_report(published, tmp_path / "report").read_text(encoding="utf-8")
    assert "alert(1)</script>" not in text
    assert {value for kind, value in data_of(text)["segments"] if kind == "country"} == set(COUNTRIES)


def test_leaves_out_segments_rather_than_grow(published, tmp_path, monkeypatch):
    whole = report.write_report(published, tmp_path / "report").stat().st_size
    assert whole < 5_000_000
    monkeypatch.setattr(report, "MAX_BYTES", whole - 1)
    page = report.write_report(published, tmp_path / "report")
    assert data_of(page.read_text(encoding="utf-8"))["segments"] == [["all", "all"]]
    assert [file.name for file in page.parent.iterdir()] == ["index.html"]


@pytest.mark.parametrize(
    ("as_of", "newest_row_on", "told"),
    [
        ("2025-03-31", None, (None, None)),
        ("2025-03-31", "2025-03-24", (None, None)),
        ("2025-03-31", "2025-03-23", ("2025-03-23", 9)),
        ("2025-03-20", None, ("2025-03-20", 12)),
        ("2025-03-20", "2025-03-31", (None, None)),  # new extracts, told as of an earlier day
    ],
)
def test_tells_of_stale_extracts(published, tmp_path, as_of, newest_row_on, told):
    with duckdb.connect(str(published)) as con:
        con.execute(
            "update quality.refresh_history set started_at = '2025-04-01 09:00:00', as_of = ?, newest_row_on = ?",
            [as_of, newest_row_on],
        )
    data = data_of(report.write_report(published, tmp_path / "report").read_text(encoding="utf-8"))
    assert (data["data_ends_on"], data["days_behind"]) == told


# The plural categories that whole numbers have in a language by CLDR; `other` stands for those that a text leaves out.
PLURALS = {
    "en": {"one", "other"},
    "bg": {"one", "other"},
    "ru": {"one", "few", "many", "other"},
    "fil": {"one", "other"},
}


def forms(text: str | dict) -> list[str]:
    """All the plural forms of a text, its only one if it has none."""
    if isinstance(text, str):
        return [text]
    return [form for name, forms_ in text.items() if name != "count" for form in forms(forms_)]


def plurals(text: str | dict) -> list[dict]:
    """The choices of plural form in a text, also those inside another."""
    if isinstance(text, str):
        return []
    return [text, *(inner for form in text.values() for inner in plurals(form))]


def test_speaks_four_languages_in_full():
    texts = {language: json.loads(report._file(f"../text/{language}.json")) for language in report.LANGUAGES}
    holes = re.compile(r"{\w+}")
    for language, text in texts.items():
        assert text.keys() == texts["en"].keys()
        for name, words in text.items():
            wanted = set(holes.findall(forms(texts["en"][name])[0]))
            assert all(set(holes.findall(form)) == wanted for form in forms(words)), (language, name)
            for plural in plurals(words):
                assert {"count", "other"} < plural.keys() <= {"count", *PLURALS[language]}, (language, name)
                assert "{" + plural["count"] + "}" in wanted, (language, name)
    for language in ("bg", "ru"):
        texts_ = texts[language].values()
        assert sum(all(map(CYRILLIC.search, forms(words))) for words in texts_) > 0.9 * len(texts_)


def test_every_text_that_the_page_asks_for_exists():
    texts = json.loads(report._file("../text/en.json"))
    asked = {name for script in report._scripts() for name in re.findall(r'\bt\("(\w+)"[,)]', report._file(script))}
    assert len(asked) > 80
    assert asked - texts.keys() == set()
