"""The secrets of a source: from the environment or secrets.toml, by the names that dlt gives them; never from
extracts.yml."""

from __future__ import annotations

import os
from typing import Any

from orchestration.contract.pulls import Pull
from orchestration.errors import UserError
from orchestration.warehouse.dlt_settings import read_secrets, secrets_files


class Secrets:
    """What is secret of one source, by the name of the secret."""

    def __init__(self, pull: Pull) -> None:
        self._source = pull.name
        self._files = secrets_files()

    def get(self, name: str) -> str | None:
        """The secret, if it is set."""
        value: Any = os.environ.get(self._variable(name))
        for file in self._files:
            found: Any = read_secrets(file)
            for key in ("sources", self._source, name):
                found = found.get(key) if isinstance(found, dict) else None
            value = value or found
        return str(value).strip() or None if value is not None else None

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise UserError(f"its {name} isn't set. {self.places(name)}")
        return value

    def _variable(self, name: str) -> str:
        return f"SOURCES__{self._source}__{name}".upper()

    def places(self, name: str) -> str:
        """Where a secret is looked for."""
        return (
            f"It was looked for as {self._variable(name)} in the environment, and as {name}"
            f" under [sources.{self._source}] in {' and '.join(map(str, self._files))}."
        )
