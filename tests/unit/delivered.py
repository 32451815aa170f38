"""A folder of extracts and a build database for tests of the loader."""

from datetime import date
from pathlib import Path

import pytest

from orchestration.contract.mapping import load_mapping
from orchestration.errors import UserError
from orchestration.loading import LoadReport, read_extracts
from orchestration.loading.discovery import find_extracts
from orchestration.warehouse.connection import connect


class Delivered:
    """Write files into `folder`, `load` them, look at what `raw` holds."""

    def __init__(self, root: Path, in_memory: bool = False) -> None:
        self.folder = root / "extracts"
        self.folder.mkdir()
        self.root = root
        self.con = connect(Path(":memory:") if in_memory else root / "build.duckdb", root / "temp")
        self.loads = 0

    def write(self, file: str, content: str | bytes) -> Path:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def load(self, mapping: str | None = None, full_refresh: bool = False, copies: Path | None = None) -> LoadReport:
        if mapping is not None:
            self.write("extracts.yml", mapping)
        self.loads += 1
        scratch = self.root / f"scratch_{self.loads}"
        scratch.mkdir()
        return read_extracts(
            find_extracts(self.folder, load_mapping(self.folder)),
            self.con,
            scratch,
            self.root / "pseudonym.key",
            as_of=date(2025, 12, 31),
            full_refresh=full_refresh,
            delivered=copies,
        )

    def refused(self, mapping: str | None = None) -> str:
        """The message with which these extracts are refused; nothing is loaded by them."""
        before = self.snapshot()
        with pytest.raises(UserError) as refusal:
            self.load(mapping)
        assert self.snapshot() == before
        return str(refusal.value)

    def snapshot(self) -> list:
        tables = [
            name
            for (name,) in self.con.execute(
                "select table_name from duckdb_tables() where schema_name = 'raw'"
            ).fetchall()
        ]
        return [
            (name, rows)
            for name in sorted(tables)
            if (rows := self.con.execute(f"from raw.{name} order by all").fetchall())
        ]

    def rows(self, table: str, columns: str) -> list[tuple]:
        """Rows of a contract table in the order of their delivery."""
        name = table.replace(".", "__")
        return self.con.execute(
            f"select {columns} from raw.{name} order by file_order, load_order, row_number"
        ).fetchall()

    def column(self, table: str, column: str) -> list:
        return [value for (value,) in self.rows(table, column)]


@pytest.fixture
def delivered(tmp_path: Path) -> Delivered:
    return Delivered(tmp_path)
