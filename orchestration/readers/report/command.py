"""`churn report`: print the path of the published version's report, writing the report first if it is missing."""

from __future__ import annotations

from pathlib import Path

import click

from orchestration.warehouse.options import existing_warehouse


@click.command("report")
@existing_warehouse
@click.option("--open", "opened", is_flag=True, help="Open it in the browser.")
def command(warehouse: Path, opened: bool) -> None:
    """Print the path of the report, or open it."""
    from orchestration.readers.report.page import add_report
    from orchestration.warehouse.folder import Warehouse

    page = warehouse.absolute() / "report" / "index.html"
    if not page.is_file():
        current = Warehouse(warehouse)
        with current.locked():
            page = add_report(current)
    click.echo(page)
    if opened:
        click.launch(page.as_uri())
