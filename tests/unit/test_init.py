"""`churn init`: a preset where the files are a vendor's, else a mapping by names, and never over one that is there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from orchestration.contract.mapping import load_mapping
from orchestration.loading.proposal import propose
from tests.churn import churn
from tests.presets.test_presets import CASES, HERE

FILES = {
    "Продажби 2024-01.csv": (
        (
            "Справка продажби\n\nДата;Клиент;Документ;Сума\n"
            "05.01.2024;Иван Петров;F-1;1 234,50 лв.\n06.02.2024;Мария Иванова;F-2;9,90 лв.\nВсичко;;;1 244,40 лв.\n"
        ),
        "windows-1251",
    ),
    "подписки.tsv": (
        (
            "Номер договора\tКод клиента\tДата начала\tДата окончания\tСтоимость\tСтатус\n"
            "1\t7\t25.02.2024\t\t100\tactive\n"
        ),
        "utf-8",
    ),
    "mga bayad.csv": ("Bayad,Kliyente,Petsa ng bayad,Halaga,Katayuan\nb1,C1,2024-01-05,100.00,paid\n", "utf-8"),
    "shop/orders_1.csv": (
        "order_number,customer_email,order_date,total,currency_code\n1,a@example.com,2024-01-05,1,EUR\n",
        "utf-8",
    ),
    "shop/orders_2.csv": (
        "order_number,customer_email,order_date,total,currency_code\n2,b@example.com,2024-02-05,1,EUR\n",
        "utf-8",
    ),
    "crm/customers.csv": ("customer_id,country\n7,RU\n", "utf-8"),
    "notes.txt": ("nothing that is a table\n", "utf-8"),
}


def write(folder: Path) -> Path:
    for name, (text, encoding) in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding=encoding)
    return folder


def names(presets: str | list[str]) -> list[str]:
    return [presets] if isinstance(presets, str) else presets


@pytest.mark.parametrize("case", CASES)
def test_a_vendors_files_are_recognised(case, tmp_path):
    extracts = Path(
        shutil.copytree(HERE / case, tmp_path / "x", ignore=shutil.ignore_patterns("expected", "*.yml", "*.txt"))
    )
    declared = yaml.safe_load((HERE / case / "extracts.yml").read_text(encoding="utf-8"))["preset"]
    proposed = yaml.safe_load(propose(extracts, tmp_path))
    assert set(names(proposed["preset"])) == set(names(declared))
    assert "tables" not in proposed


def test_columns_are_recognised_by_their_names_in_four_languages(tmp_path):
    text = propose(write(tmp_path / "extracts"), tmp_path)
    proposed = yaml.safe_load(text)
    assert proposed == {
        "tables": {
            "billing.invoices": [
                {
                    "files": "shop/orders_*.csv",
                    "columns": {
                        "invoice_id": "order_number",
                        "customer_id": {"from": "customer_email", "normalise": "name", "pseudonym": True},
                        "issued_at": "order_date",
                        "amount": "total",
                        "currency": "currency_code",
                    },
                },
                {
                    "files": "Продажби *.csv",
                    "encoding": "windows-1251",
                    "header_row": 2,
                    "where": {"Клиент": {"present": True}, "Документ": {"present": True}},
                    "decimal": ",",
                    "columns": {
                        "invoice_id": "Документ",
                        "customer_id": {"from": "Клиент", "normalise": "name", "pseudonym": True},
                        "issued_at": "Дата",
                        "amount": "Сума",
                    },
                },
            ],
            "billing.payments": {
                "files": "mga bayad.csv",
                "columns": {
                    "payment_id": "Bayad",
                    "customer_id": {"from": "Kliyente", "normalise": "name", "pseudonym": True},
                    "paid_at": "Petsa ng bayad",
                    "amount": "Halaga",
                    "status": "Katayuan",
                },
            },
            "billing.subscriptions": {
                "files": "подписки.tsv",
                "columns": {
                    "subscription_id": "Номер договора",
                    "started_on": "Дата начала",
                    "customer_id": {"from": "Код клиента", "normalise": "name", "pseudonym": True},
                    "ended_on": "Дата окончания",
                    "unit_price": "Стоимость",
                    "status": "Статус",
                },
            },
        }
    }
    (tmp_path / "extracts" / "extracts.yml").write_text(text, encoding="utf-8")
    assert len(load_mapping(tmp_path / "extracts").tables["billing.invoices"]) == 2
    assert "# notes.txt: no table was recognised in it" in text
    assert '# date_format: "%d.%m.%Y"   # or "%m.%d.%Y"' in text  # of the sales; the 25th of February is no month
    assert text.count("# date_format") == 1


def test_what_it_writes_is_a_mapping_and_ends_with_what_check_says(tmp_path):
    extracts = tmp_path / "extracts"
    (extracts / "shop").mkdir(parents=True)
    for name in ("shop/orders_1.csv", "shop/orders_2.csv"):
        (extracts / name).write_text(FILES[name][0])
    done = churn("init", "--extracts", extracts)
    assert done.code == 0, done.err
    assert "shop/orders_1.csv (billing.invoices): 1 rows, 1 usable" in done.out
    assert load_mapping(extracts).tables["billing.invoices"][0].columns["amount"].sources == ("total",)

    written = (extracts / "extracts.yml").read_bytes()
    again = churn("init", "--extracts", extracts)
    assert again.code == 2
    assert "is there already" in again.err
    assert (extracts / "extracts.yml").read_bytes() == written


@pytest.mark.parametrize(("name", "words"), [("missing", "There is no folder"), ("empty", "holds no files")])
def test_a_folder_without_files_is_told(tmp_path, name, words):
    (tmp_path / "empty").mkdir()
    done = churn("init", "--extracts", tmp_path / name)
    assert done.code == 2
    assert words in done.err
    assert not (tmp_path / name / "extracts.yml").exists()
