"""The type of an option that names a folder, and the option --warehouse of every command that has it."""

from pathlib import Path
from typing import Any

import click

from orchestration.warehouse.folder import refuse_unless_text

FOLDER = click.Path(file_okay=False, path_type=Path)


def _must_exist(context: click.Context, parameter: click.Parameter, folder: Path) -> Path:
    refuse_unless_text(folder)
    if not folder.is_dir():
        raise click.BadParameter(f"There is no folder {folder}.", context, parameter)
    return folder


def _option(**settings: Any) -> Any:
    return click.option("--warehouse", type=FOLDER, **settings)


existing_warehouse = _option(required=True, callback=_must_exist, help="Warehouse folder.")
made_warehouse = _option(required=True, help="Warehouse folder; made when it is missing.")
demo_warehouse = _option(default="demo/warehouse", show_default=True)
refreshed_warehouse = _option(
    help="Warehouse that is refreshed afterwards: its refresh.json and its alerts report a failure of the pull."
)
