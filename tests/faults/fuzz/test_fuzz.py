"""Whatever is delivered is accounted for row by row, or rejected in a sentence: never a traceback, never for ever.

`make test-faults` tries FUZZ_INPUTS seeds from FUZZ_FIRST on; `make test` a few, and what broke the loader once."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import time
from pathlib import Path

import pytest

from orchestration.contract.tables import contract
from orchestration.errors import UserError
from tests.faults.fuzz.inputs import INVOICES, Shape, shape_of, write_extracts
from tests.unit.delivered import Delivered

# Extracts that broke the loader once, a folder each. Files, because another generator makes others of the same seed.
CORPUS = sorted(Path(__file__).with_name("corpus").iterdir())
A_FEW = range(1, 30)
FIRST, INPUTS = int(os.environ.get("FUZZ_FIRST", 1_000)), int(os.environ.get("FUZZ_INPUTS", 0))
PARTS = 20  # of the many seeds, for as many cores as there are
LONGEST = 60  # seconds
MOST = 2**31 if sys.platform == "darwin" else 2**21  # of memory, in bytes there and in kB elsewhere: 2 GB


def outcome(folder: Path, seed: int, shape: Shape = INVOICES) -> str:
    """What becomes of the extracts of a seed."""
    folder.mkdir()
    delivered = Delivered(folder, in_memory=True)
    write_extracts(delivered.folder, seed, shape)
    return outcome_of(delivered, shape)


def outcome_of(delivered: Delivered, shape: Shape = INVOICES) -> str:
    """'accounted' or 'rejected'; AssertionError, or whatever the loader raised, where it is neither."""
    if not contract()[shape.table].activity:  # which alone is no delivery
        delivered.write("billing/invoices.csv", "invoice_id,customer_id,issued_at,amount\n1,c,2024-01-31,1\n")
    started = time.process_time()
    try:
        report = delivered.load()
    except UserError as error:
        assert str(error).strip()
        return "rejected"
    finally:
        assert time.process_time() - started < LONGEST
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < MOST
        stored = dict(_stored(delivered))
        delivered.con.close()
    for file in report.files:
        assert stored.get(file.load_id, 0) == file.rows_read - file.rows_filtered, file
    return "accounted"


def _stored(delivered: Delivered) -> list[tuple[str, int]]:
    tables = (
        "select table_name from duckdb_tables() where schema_name = 'raw' and table_name like '%\\_rows' escape '\\'"
    )
    return [
        row
        for (table,) in delivered.con.execute(tables).fetchall()
        for row in delivered.con.execute(f"select load_id, count(*) from raw.{table} group by all").fetchall()
    ]


@pytest.mark.parametrize("found", CORPUS, ids=lambda found: found.name)
def test_what_broke_the_loader_once(tmp_path, found):
    delivered = Delivered(tmp_path, in_memory=True)
    shutil.copytree(found, delivered.folder, dirs_exist_ok=True)
    outcome_of(delivered)


def test_a_few_seeds(tmp_path):
    assert {outcome(tmp_path / str(seed), seed) for seed in A_FEW} == {"accounted", "rejected"}


@pytest.mark.parametrize("table", sorted({*contract()} - {INVOICES.table}))
def test_each_other_table(tmp_path, table):
    for seed in range(1, 3 + INPUTS // 100):
        outcome(tmp_path / str(seed), seed, shape_of(table))
        shutil.rmtree(tmp_path / str(seed))


@pytest.mark.skipif(not INPUTS, reason="`make test-faults` tries many")
@pytest.mark.parametrize("part", range(PARTS))
def test_many_seeds(tmp_path, part):
    for seed in range(FIRST + part, FIRST + INPUTS, PARTS):
        outcome(tmp_path / str(seed), seed)
        shutil.rmtree(tmp_path / str(seed))
