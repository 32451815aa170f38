"""The demo company on a Spark cluster of this machine: start the cluster, refresh, print the result, stop the cluster.

Run by the Python of `.venv-spark` for `make spark`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from orchestration.errors import ChurnError
from spark.cluster import cluster, missing


def main(folder: Path) -> int:
    """The exit code of the refresh; everything lies in `folder`."""
    if lack := missing():
        print(f"make spark: {lack}. Nothing was started.", file=sys.stderr)
        return 4
    print(f"Starting a Spark cluster of two workers on 127.0.0.1, logs in {folder / 'cluster'}", file=sys.stderr)
    with cluster(folder / "cluster") as running:
        engine = ["--engine", "spark", "--spark-url", running.url, "--spark-storage", folder / "storage"]
        demo = ["demo", "--extracts", folder / "extracts", "--warehouse", folder / "warehouse", *engine]
        return subprocess.run([Path(sys.executable).with_name("churn"), *demo], check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]).absolute()))
    except ChurnError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit("Interrupted; the cluster was stopped.")
