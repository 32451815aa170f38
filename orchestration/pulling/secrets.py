"""The secrets of a source: from the environment or dlt's secrets.toml, never from extracts.yml."""

from __future__ import annotations

import os

import dlt

from orchestration.contract.pulls import Pull
from orchestration.errors import UserError


class Secrets:
    """What is secret of one source, by the name of the secret."""

    def __init__(self, pull: Pull) -> None:
        self._source = pull.name

    def get(self, name: str) -> str | None:
        """The secret, if it is set."""
        value: str | None = dlt.secrets.get(f"sources.{self._source}.{name}")
        return str(value).strip() or None if value is not None else None

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise UserError(f"its {name} isn't set. {self.places(name)}")
        return value

    def places(self, name: str) -> str:
        """Where a secret is looked for."""
        files = [os.path.join(folder, ".dlt", "secrets.toml") for folder in (os.getcwd(), os.path.expanduser("~"))]
        return (
            f"It was looked for as {f'SOURCES__{self._source}__{name}'.upper()} in the environment, and as {name}"
            f" under [sources.{self._source}] in {' and '.join(files)}."
        )
