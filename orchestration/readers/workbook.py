"""An Excel workbook of a published warehouse: figures of the whole company, nothing about a single customer.

Descriptions of tables and columns come from their comments in churn.duckdb, which dbt writes from the models' YAML.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import click
import duckdb

from orchestration.errors import UserError
from orchestration.readers.mailing_list import defused
from orchestration.warehouse.options import existing_warehouse
from orchestration.warehouse.published import published_file
from orchestration.warehouse.replacing import replacing

# Sheet -> its mart and columns; one row per period, years first.
_TABLES = {
    "Churn": (
        "churn_rates",
        "customers_at_start",
        "customers_new",
        "customers_returned",
        "customers_lost",
        "customers_lost_voluntary",
        "customers_lost_involuntary",
        "customers_lost_unknown",
        "customers_kept",
        "customers_passed_through",
        "customers_at_end",
        "churn_rate",
        "churn_rate_low",
        "churn_rate_high",
        "retention_rate",
        "net_loss_rate",
    ),
    "Lost sales": (
        "lost_revenue",
        "customers_at_start",
        "customers_lost",
        "churn_rate",
        "average_sales_per_customer",
        "lost_sales",
        "sales_of_customers_at_start",
        "profit",
        "lost_profit",
        "lost_customers_sales",
        "profit_margin",
        "mrr_churned",
        "recoverable_sales_if_heard",
        "recoverable_sales_if_heard_promptly",
    ),
    "Reasons": (
        "churn_reasons",
        "reason",
        "reason_group",
        "nature",
        "control",
        "customers_lost",
        "share_of_lost",
        "customers_lost_before",
        "change",
        "lost_customers_sales",
        "interviewed",
    ),
}
_PERIOD = ("period_grain", "period_start", "period_end", "is_complete")
_GRAINS = ("year", "quarter", "month")
# Row of the table's header; above it stand the title and what the table is.
_HEADER = 3
_CHARTED_MONTHS = 36
_WIDTHS = {"reason": 26, "reason_group": 15}


def write_workbook(warehouse: Path, out: Path) -> None:
    """Write the published version of `warehouse` to `out` (.xlsx);
    UserError if nothing is published or `out` is unusable."""
    published = published_file(warehouse, "churn.duckdb")
    if out.suffix.lower() != ".xlsx":
        raise UserError(f"{out}: the workbook is written as .xlsx; name the file so.")
    if not out.parent.is_dir():
        raise UserError(f"{out}: there is no folder {out.parent}.")
    content = BytesIO()
    with duckdb.connect(str(published), read_only=True) as con, _Book(con, content) as book:
        book.write()
    with replacing(out) as new:
        new.write_bytes(content.getvalue())


class _Book:
    """The workbook while it is written: sheets, formats, and the ranges that the charts plot."""

    def __init__(self, con: duckdb.DuckDBPyConnection, out: BytesIO) -> None:
        import xlsxwriter

        self.con = con
        # Texts from the extracts stay texts, even if they look like formulas or links.
        self.book = xlsxwriter.Workbook(
            out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        )
        formats = {
            "title": {"bold": True, "font_size": 14},
            "faint": {"font_color": "#595959", "text_wrap": True, "valign": "top"},
            "indented": {"indent": 1},
            "head": {"bold": True, "text_wrap": True, "valign": "top", "bottom": 1, "bg_color": "#E7EEF4"},
            "running": {"pattern": 14, "fg_color": "#BFBFBF", "bg_color": "#FFFFFF"},
            "day": {"num_format": "yyyy-mm-dd", "align": "left"},
            "count": {"num_format": "#,##0"},
            "money": {"num_format": "#,##0.00"},
            "rate": {"num_format": "0.0%"},
            "number": {"num_format": "#,##0.0"},
        }
        self.formats = {name: self.book.add_format(form) for name, form in formats.items()}

    def __enter__(self) -> _Book:
        return self

    def __exit__(self, *failure: object) -> None:
        self.book.close()

    def write(self) -> None:
        headline = self.book.add_worksheet("Headline")
        tables = {"Churn": self._table("Churn")}
        self._triangle("Retention by month", "month")
        self._triangle("Retention by quarter", "quarter")
        tables |= {name: self._table(name) for name in ("Lost sales", "Reasons")}
        self._headline(headline, tables)

    def _table(self, name: str) -> list[dict[str, Any]]:
        """A sheet with every period of its mart; returns its rows."""
        mart, *columns = _TABLES[name]
        shown = [*_PERIOD, *columns]
        order = ", customers_lost desc, reason_code" if mart == "churn_reasons" else ""
        rows = self._rows(
            f"select {', '.join(shown)} from marts.{mart} where segment_type = 'all' "
            f"order by list_position({list(_GRAINS)}, period_grain), period_start{order}"
        )
        sheet = self.book.add_worksheet(name)
        hint = (
            "Filter on one grain: months, quarters and years hold the same customers again."
            " The columns are explained below the table."
        )
        self._title(sheet, name, mart, hint, len(shown))
        self._head(sheet, mart, shown)
        for line, row in enumerate(rows, start=_HEADER + 1):
            for column, cell in enumerate(row.values()):
                self._cell(sheet, line, column, cell)
        sheet.autofilter(_HEADER, 0, _HEADER + max(len(rows), 1), len(shown) - 1)
        sheet.freeze_panes(_HEADER + 1, 5 if "reason" in columns else len(_PERIOD))
        for column, field in enumerate(shown):
            sheet.set_column(column, column, _WIDTHS.get(field, 14))
        self._definitions(sheet, mart, shown, _HEADER + max(len(rows), 1) + 2)
        return rows

    def _triangle(self, name: str, grain: str) -> None:
        """Cohorts by age, coloured; a cell of an open period is hatched, with a note, and has no number."""
        mart = "cohort_retention"
        cells = self._rows(
            f"select cohort_start, cohort_size, age, customers_active, retention_rate, is_complete from marts.{mart} "
            f"where cohort_grain = '{grain}' and segment_type = 'all' order by cohort_start, age"
        )
        sheet, ages = self.book.add_worksheet(name), max((cell["age"] for cell in cells), default=0)
        self._title(
            sheet,
            name,
            mart,
            f"retention_rate by cohort and age in {grain}s. Hatched: not over yet, so there is no rate.",
            20,
        )
        self._head(sheet, mart, ("cohort_start", "cohort_size"))
        lines = {
            start: line
            for line, start in enumerate(dict.fromkeys(cell["cohort_start"] for cell in cells), start=_HEADER + 1)
        }
        for age in range(ages + 1):
            sheet.write_number(_HEADER, age + 2, age, self.formats["head"])
        for cell in cells:
            line, column = lines[cell["cohort_start"]], cell["age"] + 2
            if cell["age"] == 0:
                self._cell(sheet, line, 0, cell["cohort_start"])
                self._cell(sheet, line, 1, cell["cohort_size"])
            if cell["is_complete"]:
                self._cell(sheet, line, column, cell["retention_rate"])
            else:
                sheet.write_blank(line, column, None, self.formats["running"])
                note = (
                    f"This {grain} is not over: so far {cell['customers_active']:,}"
                    f" of {cell['cohort_size']:,} were active."
                )
                sheet.write_comment(line, column, note)
        last = _HEADER + max(len(lines), 1)
        scale = {
            "type": "3_color_scale",
            "min_type": "num",
            "mid_type": "num",
            "max_type": "num",
            "min_value": 0,
            "mid_value": 0.5,
            "max_value": 1,
        }
        sheet.conditional_format(
            _HEADER + 1,
            2,
            last,
            ages + 2,
            scale | {"min_color": "#F4A582", "mid_color": "#FDF6E3", "max_color": "#67A9CF"},
        )
        sheet.freeze_panes(_HEADER + 1, 2)
        sheet.set_column(0, 1, 12)
        sheet.set_column(2, ages + 2, 7)
        self._definitions(
            sheet,
            mart,
            ("cohort_start", "cohort_size", "age", "customers_active", "retention_rate", "is_complete"),
            last + 2,
        )

    def _headline(self, sheet: Any, tables: dict[str, list[dict[str, Any]]]) -> None:
        """The scorecard of the last complete month, quarter and year, charts, and the facts of the refresh."""
        mart = "loyalty_scorecard"
        hint = (
            "The last complete month, quarter and year, each with its change on the one before:"
            " of rates in percentage points."
        )
        self._title(sheet, "How loyal are our customers?", mart, hint, 8)
        found = self._rows(
            f"select * from marts.{mart} where is_complete qualify period_start = max(period_start)"
            " over (partition by period_grain) "
            f"order by list_position({list(reversed(_GRAINS))}, period_grain)"
        )
        means = self._comments(mart)
        measures = [column for column in means if f"{column}_change" in means]
        sheet.write_string(_HEADER, 0, "Measure", self.formats["head"])
        for number, period in enumerate(found):
            sheet.write_string(
                _HEADER,
                1 + 2 * number,
                f"{period['period_grain'].capitalize()} from {period['period_start']}",
                self.formats["head"],
            )
            sheet.write_string(_HEADER, 2 + 2 * number, "Change", self.formats["head"])
        wide = 1 + 2 * len(found)
        sheet.write_string(_HEADER, wide, "What it is", self.formats["head"])
        for line, measure in enumerate(measures, start=_HEADER + 1):
            sheet.write_string(line, 0, _label(measure))
            kind = "number" if measure in ("nps", "first_response_hours") else None
            for number, period in enumerate(found):
                self._cell(sheet, line, 1 + 2 * number, period[measure], kind)
                self._cell(sheet, line, 2 + 2 * number, period[f"{measure}_change"], kind)
            sheet.write_string(line, wide, means[measure], self.formats["indented"])
        sheet.set_column(0, 0, 32)
        sheet.set_column(1, wide - 1, 15)
        sheet.set_column(wide, wide, 75)
        sheet.freeze_panes(_HEADER + 1, 1)
        self._charts(sheet, _HEADER + len(measures) + 2, tables)
        for line, (name, value) in enumerate(self._facts(), start=_HEADER + len(measures) + 24):
            sheet.write_string(line, 0, name)
            sheet.write_string(line, 1, defused(value))

    def _facts(self) -> list[tuple[str, str]]:
        """The data and policies that the workbook was computed from."""
        [refresh] = self._rows(
            "from quality.refresh_history where status = 'published' order by refresh_id desc limit 1"
        )
        self.book.set_properties({"title": "Churn and retention", "created": refresh["started_at"]})
        policies = {name: value for name, value in json.loads(refresh["policies"]).items() if value is not None}
        return [
            ("Data until", str(refresh["as_of"])),
            ("Refreshed", f"{refresh['started_at']:%Y-%m-%d %H:%M} UTC"),
            ("Version", refresh["refresh_id"]),
            *(
                (f"Policy {name}", ", ".join(value) if isinstance(value, list) else str(value))
                for name, value in policies.items()
            ),
        ]

    def _charts(self, sheet: Any, line: int, tables: dict[str, list[dict[str, Any]]]) -> None:
        """Churn with its interval and lost sales of the last months, and the reasons of the last complete quarter."""
        months = {"period_grain": "month", "is_complete": True}
        reasons = tables["Reasons"]
        quarter = max(
            (row["period_start"] for row in reasons if row["period_grain"] == "quarter" and row["is_complete"]),
            default=None,
        )
        last_quarter = {"period_grain": "quarter", "period_start": quarter}
        charts = [
            (
                "line",
                "Churn rate by month, with its 95 % interval",
                "Churn",
                ("churn_rate", "churn_rate_low", "churn_rate_high"),
                months,
                "0%",
            ),
            ("column", "Lost sales by month", "Lost sales", ("lost_sales", "lost_customers_sales"), months, "#,##0"),
            (
                "bar",
                f"Customers lost by reason, quarter from {quarter}",
                "Reasons",
                ("customers_lost",),
                last_quarter,
                "0",
            ),
        ]
        for number, (kind, title, name, measures, which, form) in enumerate(charts):
            lines = [
                place
                for place, row in enumerate(tables[name], start=_HEADER + 1)
                if all(row[field] == value for field, value in which.items())
            ]
            if not lines:
                continue
            columns = list(tables[name][0])
            label = columns.index("reason" if kind == "bar" else "period_start")
            first, last = (lines[0] if kind == "bar" else lines[-_CHARTED_MONTHS:][0]), lines[-1]
            chart = self.book.add_chart({"type": kind})
            for measure, colour in zip(measures, ("#2B6C99", "#A9BCCB", "#A9BCCB"), strict=False):
                column = columns.index(measure)
                look = (
                    {"line": {"color": colour, "width": 2.25 if measure == measures[0] else 1}}
                    if kind == "line"
                    else {"fill": {"color": colour}}
                )
                places = {
                    "categories": [name, first, label, last, label],
                    "values": [name, first, column, last, column],
                }
                chart.add_series({"name": _label(measure), **places, **look})
            chart.set_title({"name": title, "name_font": {"size": 12}})
            legend: dict[str, Any] = {"position": "bottom"} if len(measures) > 1 else {"none": True}
            chart.set_legend(legend)
            values = {"num_format": form, "min": 0, "major_gridlines": {"visible": True, "line": {"color": "#D9D9D9"}}}
            if kind == "bar":
                chart.set_y_axis({"reverse": True, "interval_unit": 1})
                chart.set_x_axis(values)
            else:
                chart.set_y_axis(values)
                dates = {"num_format": "yyyy-mm", "date_axis": True, "major_unit": 3, "major_unit_type": "months"}
                chart.set_x_axis(dates | {"num_font": {"rotation": -45}})
            chart.set_size({"width": 560, "height": 400})
            sheet.insert_chart(line, 0, chart, {"x_offset": 10 + 580 * number})

    def _title(self, sheet: Any, title: str, mart: str, hint: str, width: int) -> None:
        """What a sheet shows, over `width` columns, and how it prints."""
        sheet.write_string(0, 0, title, self.formats["title"])
        [(text,)] = self.con.execute(
            "select comment from duckdb_tables() where schema_name = 'marts' and table_name = ?", [mart]
        ).fetchall()
        for line, words in ((1, f"marts.{mart}: {' '.join((text or '').split())}"), (2, hint)):
            sheet.merge_range(line, 0, line, width - 1, words, self.formats["faint"])
        sheet.set_row(1, 45)
        sheet.set_row(_HEADER, 45)
        sheet.hide_gridlines(2)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(_HEADER)

    def _head(self, sheet: Any, mart: str, columns: Sequence[str]) -> None:
        means = self._comments(mart)
        for column, field in enumerate(columns):
            sheet.write_string(_HEADER, column, _label(field), self.formats["head"])
            sheet.write_comment(_HEADER, column, means[field])

    def _definitions(self, sheet: Any, mart: str, columns: Sequence[str], line: int) -> None:
        means = self._comments(mart)
        sheet.write_string(line, 0, "What the columns mean", self.formats["title"])
        for number, field in enumerate(columns, start=line + 1):
            sheet.write_string(number, 0, f"{_label(field)}: {means[field]}")

    def _cell(self, sheet: Any, line: int, column: int, cell: Any, kind: str | None = None) -> None:
        """A cell in the format of its type: integers are counts, decimals money, floats rates;
        null is an empty cell."""
        if isinstance(cell, bool):
            sheet.write_string(line, column, "yes" if cell else "no")
        elif isinstance(cell, str):
            sheet.write_string(line, column, defused(cell))
        elif isinstance(cell, date):
            sheet.write_datetime(line, column, datetime(cell.year, cell.month, cell.day), self.formats["day"])
        elif cell is not None:
            natural = "count" if isinstance(cell, int) else "money" if isinstance(cell, Decimal) else "rate"
            sheet.write_number(line, column, cell, self.formats[kind or natural])

    def _comments(self, mart: str) -> dict[str, str]:
        """What each column of a mart means, in the order of its columns."""
        sql = (
            "select column_name, comment from duckdb_columns() where schema_name = 'marts' and table_name = ?"
            " order by column_index"
        )
        return dict(self.con.execute(sql, [mart]).fetchall())

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        cursor = self.con.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _label(column: str) -> str:
    return column.replace("_", " ").capitalize().replace("Mrr", "MRR").replace("Nps", "NPS").replace("Csat", "CSAT")


@click.command("export")
@existing_warehouse
@click.option(
    "--xlsx", "out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Workbook to write."
)
def command(warehouse: Path, out: Path) -> None:
    """Write the headline, churn, retention, lost sales and reasons as an Excel workbook."""
    write_workbook(warehouse, out)
    click.echo(f"Written to {out}")
