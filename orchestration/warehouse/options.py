"""Options of the commands that need a warehouse."""

from pathlib import Path

import click

existing_warehouse = click.option(
    "--warehouse",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Warehouse folder.",
)
