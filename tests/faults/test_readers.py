"""Readers never wait and never meet a half or an empty version, however often the version changes under them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import duckdb
import pytest

from orchestration.warehouse import publishing
from orchestration.warehouse.folder import Warehouse
from tests.churn import churn
from tests.faults.test_publishing import publish
from tests.faults.test_refresh import extracts, publish_as_built, refresh, undisturbed

__all__ = ["extracts", "undisturbed"]  # fixtures

# `make test-faults` reads with eight through twenty publishes and five rollbacks.
READERS, PUBLISHES, ROLLBACKS = (8, 20, 5) if "FAULTS" in os.environ else (3, 5, 2)
# Opens each file anew until the flag is there; a version is whole if all its tables say the same.
READER = """
import json, sys, time, duckdb
from pathlib import Path
folder, seen, reads, failed = Path(sys.argv[1]), set(), 0, []
while reads == 0 or not (folder / "enough").exists():
    try:
        with duckdb.connect(str(folder / "churn.duckdb"), read_only=True) as con:
            versions = con.execute("select version, count(*) from marts.rates group by all").fetchall()
            versions += con.execute("select version, 6 from quality.load_audit").fetchall()
        exported = duckdb.sql(f"select distinct version from '{folder}/exports/*.parquet'").fetchall()
        if len(set(versions)) != 1 or versions[0][1] != 6 or len(exported) != 1:
            failed.append(f"{versions} {exported}")
        seen.add(versions[0][0])
    except Exception as error:
        failed.append(str(error))
    reads += 1
    time.sleep(0.02)  # or the machine does nothing else
print(json.dumps([reads, failed, sorted(seen)]))
"""


def test_readers_see_one_whole_version_through_publishes_and_rollbacks(tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse")
    publish(warehouse, "v000")
    readers = [
        subprocess.Popen([sys.executable, "-c", READER, str(warehouse.folder)], stdout=subprocess.PIPE, text=True)
        for _ in range(READERS)
    ]
    for number in range(1, PUBLISHES + 1):
        publish(warehouse, f"v{number:03}")
        if number % (PUBLISHES // ROLLBACKS) == 0:
            publishing.rollback(warehouse)
    Path(warehouse.folder, "enough").touch()
    for reader in readers:
        reads, failed, seen = json.loads(reader.communicate()[0])
        assert failed == []
        assert reads >= len(seen) >= 1


# The numbers of the company, and the refresh that every table and file must be of.
WATCHER = """
import json, sys, time, duckdb
from pathlib import Path
folder, seen, reads, failed = Path(sys.argv[1]), set(), 0, []
while reads == 0 or not (folder / "enough").exists():
    try:
        with duckdb.connect(str(folder / "churn.duckdb"), read_only=True) as con:
            [found] = con.execute(
                "select (select max(refresh_id) from quality.refresh_history), (select max(refresh_id) from"
                " quality.refresh_profile), (select count(*) from marts.dim_customers),"
                " (select sum(customers_lost) from marts.churn_rates)"
            ).fetchall()
        [(exported,)] = duckdb.sql(f"select count(*) from '{folder}/exports/dim_customers.parquet'").fetchall()
        if found[0] != found[1] or found[2:] != EXPECTED or exported != EXPECTED[0]:
            failed.append(f"{found} {exported}")
        seen.add(found[0])
    except Exception as error:
        failed.append(str(error))
    reads += 1
    time.sleep(1)
print(json.dumps([reads, failed, sorted(seen)]))
"""


@pytest.mark.skipif("FAULTS" not in os.environ, reason="twenty refreshes: make test-faults")
def test_readers_of_a_company_see_its_numbers_through_twenty_refreshes_and_five_rollbacks(
    tmp_path, undisturbed, extracts
):
    warehouse = Path(shutil.copytree(undisturbed, tmp_path / "warehouse", symlinks=True))
    with duckdb.connect(str(warehouse / "churn.duckdb"), read_only=True) as con:
        [(customers, lost)] = con.execute(
            "select (select count(*) from marts.dim_customers), sum(customers_lost) from marts.churn_rates"
        ).fetchall()
    code = WATCHER.replace("EXPECTED", f"({customers}, {lost})")
    readers = [
        subprocess.Popen([sys.executable, "-c", code, warehouse], stdout=subprocess.PIPE, text=True) for _ in range(8)
    ]
    for number in range(1, 21):
        done = refresh(extracts, warehouse, partial(publish_as_built, int))
        assert done.code == 0, done.err
        if number % 4 == 0:
            assert churn("rollback", "--warehouse", warehouse).code == 0
    Path(warehouse, "enough").touch()
    for reader in readers:
        reads, failed, seen = json.loads(reader.communicate()[0])
        assert failed == []
        assert reads >= len(seen) >= 1
