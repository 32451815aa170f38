"""The lock files: `make audit` never takes the lack of an answer for a good one, and locks of one environment agree."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from orchestration import ROOT

spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
audit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(audit)

NOTHING_KNOWN = '{"dependencies": [{"name": "duckdb", "version": "1.5.0", "vulns": []}]}'
KNOWN = (
    '{"dependencies": [{"name": "duckdb", "version": "1.5.0", "vulns": [{"id": "X-1", "fix_versions": ["1.5.1"]}]}]}'
)


def lock(*hashes: str) -> str:
    return " \\\n    ".join(["duckdb==1.5.0", *(f"--hash=sha256:{value}" for value in hashes)]) + "\n    # via us\n"


@pytest.fixture
def audited(tmp_path, monkeypatch, capsys):
    """The exit code and what is said about a lock, if the two tools end with this and say this."""

    def audited(text: str, index: tuple[int, str, str], database: tuple[int, str, str]) -> tuple[int, str]:
        for name, (code, out, err) in (("UV", index), ("PIP_AUDIT", database)):
            tool = tmp_path / name
            tool.write_text(f"#!/bin/sh\ncat <<'END'\n{out}\nEND\ncat >&2 <<'END'\n{err}\nEND\nexit {code}\n")
            tool.chmod(0o755)
            monkeypatch.setattr(audit, name, tool)
        file = Path(tmp_path, "requirements.lock")
        file.write_text(text)
        code = audit.main([file])
        return code, "".join(capsys.readouterr())

    return audited


def test_passes_what_the_index_offers_and_no_one_warns_of(audited):
    code, said = audited(lock("a1"), (0, lock("a1", "b2"), ""), (0, NOTHING_KNOWN, ""))
    assert (code, said) == (0, "requirements.lock: all hashes are the index's, no known vulnerabilities\n")


def test_names_what_is_known_and_what_fixes_it(audited):
    code, said = audited(lock("a1"), (0, lock("a1"), ""), (1, KNOWN, "Found 1 known vulnerability"))
    assert (code, said) == (1, "requirements.lock: duckdb 1.5.0: X-1, fixed in 1.5.1\n")


@pytest.mark.parametrize(
    ("locked", "said"),
    [(("a1", "c3"), "the index has no file with the hash sha256:c3"), ((), "duckdb==1.5.0 has no hash")],
)
def test_names_a_hash_that_is_missing_or_foreign(audited, locked, said):
    code, all_said = audited(lock(*locked), (0, lock("a1", "b2"), ""), (0, NOTHING_KNOWN, ""))
    assert code == 1
    assert said in all_said
    assert "no known vulnerabilities" not in all_said


NOT_FOUND = "ERROR:pip_audit._cli:duckdb: Dependency not found on PyPI and could not be audited: duckdb (1.5.0)"


@pytest.mark.parametrize("answer", [(1, "", NOT_FOUND), (1, "", "Traceback …\nConnectionError: no route"), (0, "", "")])
def test_says_that_the_database_could_not_be_asked(audited, answer):
    code, said = audited(lock("a1"), (0, lock("a1"), ""), answer)
    assert code == 1
    assert "not audited: the database of vulnerabilities could not be asked" in said
    assert "no known vulnerabilities" not in said


def test_says_that_the_index_could_not_be_asked(audited):
    code, said = audited(lock("a1"), (2, "", "error: no route to host"), (0, NOTHING_KNOWN, ""))
    assert code == 1
    assert "not audited: the package index did not state its hashes (error: no route to host)" in said
    assert "no known vulnerabilities" not in said


@pytest.mark.parametrize("other", ["connect", "spark"])
def test_the_lock_of_a_refresh_with_more_holds_all_of_it_in_the_same_versions(other):
    ours, more = (
        set(
            re.findall(
                r"^[a-z].*?==[^ ;]+", (ROOT / f"requirements{name}.lock").read_text(encoding="utf-8"), re.MULTILINE
            )
        )
        for name in ("", f"-{other}")
    )
    assert len(ours) > 100
    assert ours - more == set()
