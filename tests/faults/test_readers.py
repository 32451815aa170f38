"""Readers never wait and never meet a half or an empty version, however often the version changes under them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from orchestration.warehouse import publishing
from orchestration.warehouse.folder import Warehouse
from tests.faults.test_publishing import publish

# `make test-faults` reads with eight through twenty publishes and five rollbacks.
READERS, PUBLISHES, ROLLBACKS = (8, 20, 5) if "FAULTS" in os.environ else (3, 5, 2)
# Opens each file anew until the flag is there; a version is whole if all its tables say the same.
READER = """
import json, sys, duckdb
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
    for _ in range(min(ROLLBACKS, publishing.KEPT_VERSIONS - 1)):
        publishing.rollback(warehouse)
    Path(warehouse.folder, "enough").touch()
    for reader in readers:
        reads, failed, seen = json.loads(reader.communicate()[0])
        assert failed == []
        assert reads >= len(seen) >= 1
