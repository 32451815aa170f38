"""The documents agree with the code: links, quotations, and everything that people can call, set, deliver or query."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from orchestration.cli import cli
from orchestration.contract.mapping_reader import ALERT_KEYS, COLUMN_KEYS, TABLE_KEYS, TOP_KEYS
from orchestration.contract.policies import POLICIES
from orchestration.contract.tables import contract
from tests.marts import described

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
REFERENCE = sorted(ROOT.glob("tests/reference/*.py"))
NORMATIVE = ("definitions.md", "extracts-reference.md")


def text_of(document: str) -> str:
    return (ROOT / "docs" / document).read_text(encoding="utf-8")


def plain(text: str) -> str:
    """Text without markup and line breaks, so that a quotation needs to agree in its words only."""
    return " ".join(re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text).replace("`", "").replace("*", "").split())


def anchor(heading: str) -> str:
    """The fragment that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def quotations(module: Path) -> Iterator[str]:
    """What the docstrings of a module quote, between double quotes."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield from re.findall(r'"([^"]+)"', ast.get_docstring(node) or "")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", document.read_text(encoding="utf-8")):
        path, _, fragment = target.partition("#")
        linked = document.parent / path if path else document
        assert linked.exists(), target
        if fragment:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert fragment in map(anchor, headings), target


@pytest.mark.parametrize("module", REFERENCE, ids=lambda path: path.name)
def test_the_reference_quotes_the_definitions_word_for_word(module):
    definitions = plain(" ".join(map(text_of, NORMATIVE)))
    assert [quoted for quoted in quotations(module) if plain(quoted) not in definitions] == []


def test_the_reference_quotes_at_all():
    assert sum(len(list(quotations(module))) for module in REFERENCE) > 50


def commands(command: click.Command, name: str = "churn") -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from commands(child, f"{name} {child.name}")
    else:
        yield name, command


@pytest.mark.parametrize(("name", "command"), commands(cli), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_and_option_is_documented(name, command):
    sections = dict(re.findall(r"^## `([^`]+)`\n(.*?)(?=^## |\Z)", text_of("commands.md"), re.MULTILINE | re.DOTALL))
    options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
    assert set(options) == set(re.findall(r"^\| `(--[a-z-]+)", sections[name], re.MULTILINE))


def test_every_option_of_churn_itself_is_documented():
    assert [
        option for parameter in cli.params for option in parameter.opts if option not in text_of("commands.md")
    ] == []


def test_no_command_is_documented_that_is_not_there():
    assert set(re.findall(r"^## `([^`]+)`", text_of("commands.md"), re.MULTILINE)) == {
        name for name, _ in commands(cli)
    }


def test_every_policy_is_documented():
    assert set(re.findall(r"^\| `(\w+)`", text_of("policies.md"), re.MULTILINE)) == set(POLICIES)


def codes() -> Iterator[tuple[str, str | None]]:
    """Place and code of every problem that the extracts can have."""
    for package in ("contract", "loading", "engines", "refresh"):
        for module in ROOT.glob(f"orchestration/{package}/*.py"):
            for call in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
                name = call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""
                if name in ("UserError", "Problem") and "problems" not in {key.arg for key in call.keywords}:
                    given = [key.value for key in call.keywords if key.arg == "code"] or call.args[1:2]
                    constant = given and isinstance(given[0], ast.Constant)
                    yield f"{module.name}:{call.lineno}", given[0].value if constant else None


def test_every_problem_has_a_code_that_is_documented():
    found = dict(codes())
    # the blockers of a model are coded there
    model = (ROOT / "models/intermediate/int_blockers.sql").read_text(encoding="utf-8")
    blockers = [name.replace(" ", "_") for name in re.findall(r"'([a-z ]+)' as problem", model)]
    assert [place for place, code in found.items() if code is None] == [
        place for place in found if place.startswith("steps.py")
    ]
    known = {*filter(None, found.values()), "usage"}
    assert len(known) > 20
    assert {code for code in {*known, *blockers} if f"`{code}`" not in text_of("bad-inputs.md")} == set()


@pytest.mark.parametrize("key", sorted({*TOP_KEYS, *TABLE_KEYS, *COLUMN_KEYS}))
@pytest.mark.parametrize("document", ["extracts.md", "extracts-reference.md"])
def test_every_mapping_key_is_documented(document, key):
    assert re.search(rf"`{key}`|^ *(?:- )?{key}:|[{{,] *{key}:|`{key}:", text_of(document), re.MULTILINE)


def test_every_key_of_alerts_is_documented():
    assert [key for key in ALERT_KEYS if f"{key}:" not in text_of("alerts.md")] == []


@pytest.mark.parametrize("document", ["extracts.md", "extracts-reference.md"])
def test_every_yaml_example_can_be_read(document):
    for example in re.findall(r"^```yaml\n(.*?)^```", text_of(document), re.MULTILINE | re.DOTALL):
        assert isinstance(yaml.safe_load(example), dict)


@pytest.mark.parametrize("table", contract().values(), ids=lambda table: table.name)
def test_every_contract_column_is_documented(table):
    [row] = re.findall(rf"^\| `{table.name}` \| (.*) \|$", text_of("extracts-reference.md"), re.MULTILINE)
    assert [name for name in table.columns if not re.search(rf"\b{name}\b", row)] == []


@pytest.mark.parametrize("mart", described())
def test_every_mart_is_defined_with_an_example(mart):
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", text_of("definitions.md"), re.MULTILINE | re.DOTALL))
    assert "One row per " in sections[mart]
    assert re.search(r"Example|Company [SP]|^\| (?:[SP]|customer C) |\| S in ", sections[mart], re.MULTILINE)


def test_the_guide_names_files_that_exist():
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:\w+/)+\w+\.\w+)`", guide)
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", ["SECURITY.md", "docs/operate.md"])
def test_the_tests_of_promises_exist(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    named = re.findall(r"`((?:[\w-]+/)*(?:test_\w+\.py|tests/\w+))`", text)
    assert len(named) > 5
    assert [path for path in named if not ((ROOT / path).exists() or (ROOT / "tests" / "faults" / path).exists())] == []
