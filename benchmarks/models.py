"""The seconds that dbt on DuckDB needs for some models of a refreshed warehouse and all that they read after staging,
built anew in a copy of its tables:

python -m benchmarks.models WAREHOUSE MODEL …
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.extracts import AS_OF
from orchestration import ROOT
from orchestration.transform.project import load_manifest


def main(warehouse: Path, models: list[str]) -> None:
    from dbt.cli.main import dbtRunner

    with TemporaryDirectory(dir=warehouse.parent) as work:
        os.environ["CHURN_BUILD_DB"] = shutil.copy(warehouse / "build.duckdb", work)
        dbt = dbtRunner(load_manifest())
        started = time.perf_counter()
        ran = dbt.invoke(
            [
                # without --full-refresh nothing would be built: all of it is there, from the same tables
                *("run", "--full-refresh", "--select", *(f"+{model}" for model in models)),
                *("--exclude", "path:models/staging", "--vars", json.dumps({"as_of": AS_OF})),
                *("--project-dir", str(ROOT), "--profiles-dir", str(ROOT)),
                *("--target-path", work, "--log-path", work, "--no-write-json", "--quiet", "--log-level-file", "none"),
            ]
        )
        seconds = time.perf_counter() - started
    if not ran.success:
        sys.exit(f"{', '.join(models)} could not be built: {ran.exception or 'see above'}")
    for result in sorted(ran.result, key=lambda result: result.execution_time):
        print(f"{result.execution_time:8.2f}  {result.node.name}")
    print(seconds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
