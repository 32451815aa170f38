"""From what people have to the first chart, without editing what `churn init` wrote."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest
import xlsxwriter

import expectations.judgement  # noqa: F401  (else each refresh would start a process that imports it)
from orchestration.loading.proposal import propose
from orchestration.refresh import steps
from orchestration.refresh.progress import Progress
from orchestration.refresh.session import refreshing
from tests import staged

PRESETS = Path(__file__).parents[1] / "presets"
AS_OF = date(2024, 6, 30)


def sheet(path: Path, rows: list[list]) -> None:
    with xlsxwriter.Workbook(path, {"default_date_format": "dd.mm.yyyy"}) as book:
        page = book.add_worksheet("TDSheet")
        for number, row in enumerate(rows):
            page.write_row(number, 0, row)


def excel(folder: Path) -> None:
    """A title, amounts as text with a currency, a row of totals: A buys in January and March, B in May."""
    title, header = [["Справка за продажби"], []], ["Документ", "Клиент №", "Дата", "Сума"]
    sales = [
        ["Ф-1", "A", date(2024, 1, 5), "1 234,50 лв."],
        ["Ф-2", "A", date(2024, 3, 5), "99,90 лв."],
        ["Ф-3", "B", date(2024, 5, 6), "100,00 лв."],
    ]
    sheet(folder / "Продажби.xlsx", [*title, header, *sales, ["Общо", "", "", "1 434,40 лв."]])


def register_of_1c(folder: Path) -> None:
    """A register of 1C: a title, a line for each buyer above its documents, a total."""
    rows = [
        ["Реестр документов Реализация (акты, накладные)"],
        ["Период: 01.01.2024 - 30.06.2024"],
        [],
        ["Покупатель", "Документ", "Дата", "Сумма"],
        ["ООО Альфа", "", "", "1 334,40"],
        ["", "РТУ-1", "05.01.2024", "1 234,50"],
        ["", "РТУ-2", "15.03.2024", "99,90"],
        ["ИП Бета", "", "", "100,00"],
        ["", "РТУ-3", "16.05.2024", "100,00"],
        ["Итого", "", "", "1 434,40"],
    ]
    sheet(folder / "реализация.xlsx", rows)


def of_preset(name: str):
    def copy(folder: Path) -> None:
        ignored = shutil.ignore_patterns("expected", "extracts.yml")
        shutil.copytree(PRESETS / name, folder, ignore=ignored, dirs_exist_ok=True)

    return copy


# customers at the end of January to June, the sales of the six months or the recurring revenue at their end
WALKS = {
    "an Excel file": (excel, [1, 1, 1, 1, 2, 1], "1434.40"),
    "a register of 1C": (register_of_1c, [1, 1, 1, 1, 2, 1], "1434.40"),
    "Stripe's dashboard": (of_preset("stripe_dashboard"), [2, 3, 3, 2, 2, 2], None),
    "Shopify's orders": (of_preset("shopify"), [2, 2, 2, 1, 2, 2], None),
}


@pytest.mark.parametrize(("prepare", "customers", "sales"), WALKS.values(), ids=WALKS)
def test_the_first_chart_needs_no_edit(prepare, customers, sales, tmp_path):
    extracts = tmp_path / "extracts"
    extracts.mkdir()
    prepare(extracts)
    (extracts / "extracts.yml").write_text(propose(extracts, tmp_path), encoding="utf-8")
    with refreshing(extracts, tmp_path / "warehouse", Progress(), AS_OF) as current:
        steps.load(current)
        staged.build(current.warehouse.build, ["+churn_rates", "+average_check"], current.variables)
        with current.warehouse.connect() as con:
            ends = con.execute(
                "select customers_at_end from marts.churn_rates"
                " where period_grain = 'month' and segment_type = 'all' order by period_start"
            ).fetchall()
            (sold,) = con.execute(
                "select sum(purchase_amount)::varchar from marts.average_check"
                " where period_grain = 'month' and segment_type = 'all'"
            ).fetchone()
    assert [count for (count,) in ends] == customers
    assert sales is None or sold == sales
