"""Dagster's view of the warehouse: what there is (assets), what must hold (checks), when it is made (schedule, sensor).

Asset keys equal schema.table, groups equal layers.
"""

import os
from pathlib import Path

from orchestration.errors import UserError

# Whom an asset's page names; the exposures of the project say the same.
OWNERS = ["team:analytics"]


def folder(variable: str) -> Path:
    """The folder that a variable of the environment names: whoever starts Dagster says which ones are used, no run."""
    if not (value := os.environ.get(variable)):
        raise UserError(f"{variable} is not set. Start Dagster with `churn ui`, or as docs/deploy.md says.")
    return Path(value)
