"""The mailing list of lost customers as a file: one channel, the customers most worth winning back first.

It holds names and addresses, so the file is the owner's alone. Customers without consent are not in the warehouse's
list, and each customer is in the list of one channel only.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import click

from orchestration.contract.reason_aliases import known_reason, reason_labels
from orchestration.errors import UserError
from orchestration.warehouse.options import existing_warehouse
from orchestration.warehouse.published import read_private
from orchestration.warehouse.replacing import replacing

CHANNELS = ("sms", "email", "viber", "voice")
COLUMNS = (
    "customer_id",
    "name",
    "channel",
    "address",
    "reason_code",
    "reason",
    "lost_on",
    "last_purchase_on",
    "sales_last_365_days",
    "expected_recoverable_sales",
    "win_back_rank",
)
ADDRESS = COLUMNS.index("address")
# A spreadsheet runs a text that starts like this as a formula; so would it what follows another separator than ours,
# when that is the one of its language.
FORMULA = re.compile(r"""((?:^|[;|\t\r\n\v\f])[\s"']*)(?=[=+\-@＝＋－＠])""")
E164 = re.compile(r"\+\d{5,15}")
# Names of countries in use that the phone library does not have.
SHORT_NAMES = {
    "usa": "US",
    "u.s.a.": "US",
    "u.s.": "US",
    "united states of america": "US",
    "uk": "GB",
    "great britain": "GB",
    "england": "GB",
}


def write_mailing_list(warehouse: Path, channel: str, out: Path, reasons: Sequence[str] = ()) -> tuple[int, int]:
    """Write the lost customers to contact on `channel` to `out` (.csv or .xlsx), for all reasons or only `reasons`.

    Phone numbers are written as E.164; national ones are parsed with the customer's country. Returns the number of
    customers written, and of those left out because their phone number cannot be parsed.
    """
    write = {".csv": _write_csv, ".xlsx": _write_xlsx}.get(out.suffix.lower())
    if write is None:
        raise UserError(f"{out}: the list is written as .csv or .xlsx; name the file so.")
    if not out.parent.is_dir():
        raise UserError(f"{out}: there is no folder {out.parent}.")
    for reason in reasons:
        known_reason(reason, [*reason_labels(), "not_asked", "unmapped"], "--reason")
    found = read_private(
        warehouse,
        f"select {', '.join(COLUMNS)}, country from restricted.win_back_contacts "
        "where channel = ? and (len(?) = 0 or list_contains(?, reason_code)) order by win_back_rank",
        [channel, list(reasons), list(reasons)],
    )
    rows = []
    for *cells, country in found:
        cells[ADDRESS] = address_on(channel, cells[ADDRESS], country)
        if cells[ADDRESS]:
            rows.append(cells)
    with replacing(out, private=True) as new:
        write(new, rows)
    return len(rows), len(found) - len(rows)


def address_on(channel: str, text: str, country: str | None) -> str | None:
    """The address in the channel's format: phone numbers in E.164; None if a number cannot be parsed."""
    is_messenger_name = channel == "viber" and any(letter.isalpha() for letter in text)
    return text if channel == "email" or is_messenger_name else e164(text, country)


def e164(phone: str, country: str | None) -> str | None:
    """'+359888123456' for '0888 123 456' in Bulgaria;
    None if it isn't a phone number there or the country is unknown."""
    import phonenumbers

    try:
        number = phonenumbers.parse(phone, region_of(country or ""))
    except phonenumbers.NumberParseException:
        return None
    return (
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        if phonenumbers.is_possible_number(number)
        else None
    )


def region_of(country: str) -> str | None:
    """The ISO code of a country, given by its code or its name in any language; None for anything else."""
    regions = _regions()
    return regions.get(country.strip().casefold())


@cache
def _regions() -> dict[str, str]:
    from phonenumbers.geodata.locale import LOCALE_DATA

    # '*xx' refers to the name in the language xx
    names = {
        name.casefold(): region
        for region, labels in LOCALE_DATA.items()
        for name in labels.values()
        if not name.startswith("*")
    }
    return {region.casefold(): region for region in LOCALE_DATA} | names | SHORT_NAMES


def defused(cell: Any) -> Any:
    """The cell, escaped where a spreadsheet would run it or a part of it as a formula;
    an E.164 number cannot do harm and stays dialable."""
    return FORMULA.sub(r"\1'", cell) if isinstance(cell, str) and not E164.fullmatch(cell) else cell


def _write_csv(file: Path, rows: Sequence[Sequence[Any]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(COLUMNS)
        writer.writerows([defused(cell) for cell in row] for row in rows)


def _write_xlsx(file: Path, rows: Sequence[Sequence[Any]]) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(str(file)) as workbook:
        sheet = workbook.add_worksheet("Mailing list")
        bold, day = workbook.add_format({"bold": True}), workbook.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_row(0, 0, COLUMNS, bold)
        sheet.freeze_panes(1, 0)
        for line, row in enumerate(rows, start=1):
            for column, cell in enumerate(row):
                if isinstance(cell, date):
                    sheet.write_datetime(line, column, cell, day)
                elif isinstance(cell, int | Decimal):
                    sheet.write_number(line, column, cell)
                elif cell is not None:
                    sheet.write_string(line, column, defused(cell))
        sheet.autofit()


@click.command("mailing-list")
@existing_warehouse
@click.option(
    "--channel", type=click.Choice(CHANNELS), required=True, help="Channel on which the customers are best reached."
)
@click.option(
    "--reason", "reasons", multiple=True, metavar="CODE", help="Only those who left for this reason; may be repeated."
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write, .csv or .xlsx."
)
def command(warehouse: Path, channel: str, reasons: tuple[str, ...], out: Path) -> None:
    """Write a mailing list of the lost customers who may be contacted on a channel."""
    written, unreadable = write_mailing_list(warehouse, channel, out, reasons)
    click.echo(f"{written:,} customer{'s' if written != 1 else ''} written to {out}")
    if unreadable:
        click.echo(f"{unreadable:,} left out: their phone number can't be read as one of their country.", err=True)
