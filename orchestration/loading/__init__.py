"""From files as delivered to raw tables in the notation of the contract, all or nothing."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb

from orchestration.contract.tables import BILLING, contract
from orchestration.errors import refuse_if
from orchestration.loading import registry
from orchestration.loading.discovery import Delivery, Extracts
from orchestration.loading.readers import Readers
from orchestration.loading.report import FileReport, LoadReport
from orchestration.loading.table_load import TableLoad

__all__ = ["FileReport", "LoadReport", "read_extracts"]


def read_extracts(
    extracts: Extracts,
    con: duckdb.DuckDBPyConnection,
    scratch: Path,
    *,
    full_refresh: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> LoadReport:
    """Load what is new in the extracts into the schema `raw` of the open build database. `scratch` is a folder for copies.

    Everything is read and validated before the first row is written, in one transaction. Raises UserError with all
    problems found; nothing is loaded then. `full_refresh` reads the files that are present again."""
    mapping, deliveries, problems = extracts.mapping, extracts.deliveries, []
    registry.prepare(con)
    tables = {name for (name,) in con.execute("select distinct table_name from raw.loads").fetchall()}
    tables |= {delivery.table for delivery in deliveries}
    if not tables.intersection(BILLING):
        problems.append(_no_billing(extracts.folder, deliveries))
    refuse_if(problems)

    report = LoadReport(mapping, warnings=list(extracts.warnings))
    with closing(Readers(con, scratch, mapping.time_zone)) as readers:
        loads = []
        for table in contract().values():
            if own := [delivery for delivery in deliveries if delivery.table == table.name]:
                progress(f"{table.name}: {own[0].file if len(own) == 1 else f'{len(own)} files'}")
                load = TableLoad(con, mapping, table, own)
                problems += load.read(readers, full_refresh)
                loads.append(load)
        problems += [
            f"{delivery.file} changed while it was being read. Refresh again when it has been written to its end."
            for delivery in deliveries
            if delivery.changed()
        ]
        refuse_if(problems)
        con.execute("begin")
        try:
            for load in loads:
                load.write(report)
            restored = registry.restored(con, deliveries)
            registry.register(
                con, deliveries, {key: load_id for load in loads for key, load_id in load.load_ids.items()}
            )
            moved = registry.take_back(con, deliveries)
            registry.settle(con, mapping)
            con.execute("commit")
        except BaseException:
            con.execute("rollback")
            raise
    report.warnings += [
        f"{file} ({table}) holds again what it held before. Keys that its contents in between delivered too keep what those said, for they"
        " came later; to go back, export the file anew, with newer updated_at or any other change."
        for file, table in restored
        if table not in mapping.snapshots
    ]
    report.warnings += [
        f"{file} was {table} before and is not any more: its rows there are taken back." for file, table in moved
    ]
    for load in loads:
        report.warnings += load.shared_lines()
    return report


def _no_billing(extracts: Path, deliveries: list[Delivery]) -> str:
    found = ", ".join(sorted({delivery.table for delivery in deliveries})) or "no table of the contract"
    return (
        f"{extracts} has no billing table: one of {', '.join(BILLING)} is needed, found: {found}. Put its files under billing/"
        " (billing/invoices.csv), or say in extracts.yml which files they are."
    )
