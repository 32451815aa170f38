"""What came of reading the extracts."""

from dataclasses import dataclass, field
from datetime import date

from orchestration.contract.mapping import Mapping
from orchestration.loading.newest_day import NewestDay


@dataclass(frozen=True)
class FileReport:
    """Accounts of one file of one table: rows_read = rows stored + rows_filtered; malformed rows are stored."""

    table: str
    source: str
    file: str
    content_hash: str
    load_id: str
    rows_read: int
    rows_filtered: int
    rows_malformed: int
    is_new: bool  # read by this refresh; else its content is known, from earlier or from another path


@dataclass
class LoadReport:
    mapping: Mapping
    files: list[FileReport] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unmapped: dict[str, list[str]] = field(default_factory=dict)  # table -> source columns that only the raw row keeps
    notes: list[str] = field(default_factory=list)  # how files were read, for `check`
    as_of: date | None = None  # the last day that the data covers, as given or found
    newest: NewestDay | None = None  # the newest day that the data speaks of
    readings: dict[str, dict[str, str]] = field(
        default_factory=dict
    )  # table -> column -> iso, dmy or mdy, where undeclared
