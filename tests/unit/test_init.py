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
                    "where": {"Документ": {"present": True}},
                    "decimal": ",",
                    "columns": {
                        "invoice_id": "Документ",
                        "customer_id": {"from": "Клиент", "normalise": "name", "pseudonym": True},
                        "issued_at": "Дата",
                        "amount": "Сума",
                        "currency": {"value": "BGN"},
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


# name of the case: files, table, what its source says
SHAPES = {
    "a column for each month": (
        {"mrr.csv": "#,Client,2024-01,2024-02,2024-03,TOTAL\n1,A,10,10,10,30\n2,B,20,20,0,40\nTOTAL,,30,30,10,70\n"},
        "billing.subscriptions",
        {
            "where": {"Client": {"present": True}},
            "unpivot": {"columns": "(19|20)\\d\\d[-./](0[1-9]|1[0-2])", "name": "month", "value": "amount"},
            "columns": {
                "subscription_id": "Client",
                "customer_id": "Client",
                "started_on": {"from": "month", "format": "%Y-%m"},
                "ended_on": {"from": "month", "format": "%Y-%m", "add": {"months": 1}},
                "unit_price": "amount",
                "auto_renew": {"value": True},
            },
        },
    ),
    "a customer's name above its rows": (
        {
            "sales.csv": (
                "Клиент,Документ,Дата,Сума\nИ Пе,,,30\n,1,2024-01-05,10\n,2,2024-02-05,20\nМ И,,,5\n,3,2024-01-06,5\n"
            )
        },
        "billing.invoices",
        {
            "fill_down": ["Клиент"],
            "where": {"Дата": {"present": True}},
            "columns": {
                "invoice_id": "Документ",
                "customer_id": {"from": "Клиент", "normalise": "name", "pseudonym": True},
                "issued_at": "Дата",
                "amount": "Сума",
            },
        },
    ),
    "lists without a start": (
        {"subs_2024-01.csv": "client_no,monthly_fee\n1,30\n", "subs_2024-02.csv": "client_no,monthly_fee\n1,30\n"},
        "billing.subscriptions",
        {
            "delivery": "snapshot",
            "snapshot": "subs_%Y-%m",
            "history": True,
            "columns": {"subscription_id": "client_no", "customer_id": "client_no", "unit_price": "monthly_fee"},
        },
    ),
    "counted days, no days, cents, a yearly price": (
        {
            "subs.jsonl": '{"sub": "1", "client": "7", "start": 1704877200, "end": "n/a", "annual_fee_cents": 120000}\n'
            '{"sub": "2", "client": "8", "start": 1704877300, "end": 1714877300, "annual_fee_cents": 120000}\n'
        },
        "billing.subscriptions",
        {
            "columns": {
                "subscription_id": "sub",
                "customer_id": "client",
                "started_on": {"from": "start", "format": "epoch_s"},
                "ended_on": {"from": "end", "format": "epoch_s", "empty": ["n/a"]},
                "unit_price": {"from": "annual_fee_cents", "scale": "minor_units"},
                "interval": {"value": "year"},
            },
        },
    ),
    "years of two digits, paid or not": (
        {"bills.csv": "no,client,when,amt,paid\n1,a,31.12.24,10,Да\n2,a,05.01.25,20,Не\n"},
        "billing.invoices",
        {
            "date_format": "%d.%m.%y",
            "columns": {
                "invoice_id": "no",
                "customer_id": "client",
                "issued_at": "when",
                "amount": "amt",
                "status": {"from": "paid", "values": {"Да": "paid", "Не": "open"}},
            },
        },
    ),
    "sales of each day, which are no subscriptions": (
        {"2024.csv": "Date,Customer,Receipt,Amount\n2024-01-05,a,1,10\n2024-01-06,b,2,20\n2024-02-06,a,3,20\n"},
        "billing.invoices",
        {"columns": {"invoice_id": "Receipt", "customer_id": "Customer", "issued_at": "Date", "amount": "Amount"}},
    ),
    "payments, and a currency in the name of the amount": (
        {"x.csv": "Payment date,Client ID,Invoice,Amount (EUR)\n2024-01-05,1,i1,10\n2024-02-05,2,i2,20\n"},
        "billing.invoices",
        {
            "columns": {
                "invoice_id": "Invoice",
                "customer_id": "Client ID",
                "issued_at": "Payment date",
                "amount": "Amount (EUR)",
            }
        },
    ),
    "net and gross, and the number of the line": (
        {
            "x.csv": "№,Дата,Клиент,Фактура №,Сума с ДДС,Сума без ДДС\n"
            "1,2024-01-05,1,i1,12,10\n2,2024-02-05,2,i2,24,20\n"
        },
        "billing.invoices",
        {
            "columns": {
                "invoice_id": "Фактура №",
                "customer_id": "Клиент",
                "issued_at": "Дата",
                "amount": "Сума без ДДС",
            }
        },
    ),
    "a price for three months": (
        {"subs.csv": "Account No,Start,End,Quarterly price\n1,2024-01-05,,30\n2,2024-02-05,,30\n"},
        "billing.subscriptions",
        {
            "columns": {
                "subscription_id": "Account No",
                "started_on": "Start",
                "customer_id": "Account No",
                "ended_on": "End",
                "unit_price": "Quarterly price",
                "interval": {"value": "month"},
                "interval_count": {"value": "3"},
            }
        },
    ),
    "lists of clients, each with what they pay": (
        {f"клиенти_2024-0{month}.csv": "Клиентски номер,Име,Такса\n1,Иван,30.50\n2,Ана,20\n" for month in (1, 2)},
        "billing.subscriptions",
        {
            "delivery": "snapshot",
            "snapshot": "клиенти_%Y-%m",
            "history": True,
            "columns": {
                "subscription_id": "Клиентски номер",
                "customer_id": "Клиентски номер",
                "unit_price": "Такса",
            },
        },
    ),
    "months by their names": (
        {"sales.csv": "Num,Client,Date,Total\n1,a,5 января 2024 г.,10\n2,a,17 ФЕВРАЛЯ 2024 г.,20\n"},
        "billing.invoices",
        {
            "columns": {
                "invoice_id": "Num",
                "customer_id": "Client",
                "issued_at": {"from": "Date", "date_language": "ru"},
                "amount": "Total",
            },
        },
    ),
}


@pytest.mark.parametrize(("files", "table", "source"), SHAPES.values(), ids=SHAPES)
def test_shapes_of_real_exports_are_seen(files, table, source, tmp_path):
    (tmp_path / "x").mkdir()
    for name, text in files.items():
        (tmp_path / "x" / name).write_text(text, encoding="utf-8")
    proposed = yaml.safe_load(propose(tmp_path / "x", tmp_path))["tables"]
    assert list(proposed) == [table]
    assert {key: value for key, value in proposed[table].items() if key != "files"} == source


def test_files_of_another_layout_are_a_source_of_their_own(tmp_path):
    (tmp_path / "x").mkdir()
    for month, header in (
        ("01", "Invoice,Client,Date,Amount"),
        ("02", "Invoice,Client,Date,Amount"),
        ("03", "No,Customer,Day,Net"),
    ):
        (tmp_path / "x" / f"invoices_2024-{month}.csv").write_text(f"{header}\n1{month},C1,2024-{month}-05,10\n")
    first, second = yaml.safe_load(propose(tmp_path / "x", tmp_path))["tables"]["billing.invoices"]
    assert (first["files"], second["files"]) == (
        ["invoices_2024-01.csv", "invoices_2024-02.csv"],
        "invoices_2024-03.csv",
    )
    assert second["columns"] == {"invoice_id": "No", "customer_id": "Customer", "issued_at": "Day", "amount": "Net"}


ASKED = {
    "lists or changes": ("subs_2024-01.csv", "sub,client,since,fee\n1,a,2023-05-01,30\n", "# delivery: snapshot"),
    "credit notes": (
        "documents.csv",
        "Doc,Type,Client,Date,Total\n1,Invoice,a,2024-01-05,1\n2,Credit Memo,a,2024-01-06,1\n",
        "# where: {Type: {not: [Credit Memo]}}",
    ),
    "what an end means": (
        "members.csv",
        "Member,Joined,Paid until,Monthly fee\n1,2024-01-05,2024-09-01,30\n",
        '# auto_renew: {value: "true"}',
    ),
    "what a price is for": ("subs.csv", "Client No,Start,End,Fee\n1,2024-01-05,,30\n", "# interval: {value: year}"),
    "a needed column": ("invoices.csv", "Client,Date,Total\na,2024-01-05,1\na,2024-01-06,1\n", "# invoice_id: …"),
}


@pytest.mark.parametrize(("file", "text", "question"), ASKED.values(), ids=ASKED)
def test_what_the_files_do_not_show_is_asked(file, text, question, tmp_path):
    (tmp_path / "x").mkdir()
    for name in {file, file.replace("-01", "-02")}:
        (tmp_path / "x" / name).write_text(text, encoding="utf-8")
    assert question in propose(tmp_path / "x", tmp_path)


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


NUMBER = '{"Doc": %s, "Client": "a", "Date": "2024-01-05", "Total": 3}'
JSON = {
    "a number that Python makes none of": (NUMBER % ("9" * 5_000), True),
    "a line separator in a text": (NUMBER % '"1\u2028"', True),
    "half a character": (NUMBER.replace("Doc", "Doc\\ud800") % 1, False),
}


@pytest.mark.parametrize("file", ["sales.json", "sales.jsonl"])
@pytest.mark.parametrize(("text", "is_read"), JSON.values(), ids=JSON)
def test_any_json_is_read_or_not_recognised(file, text, is_read, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / file).write_text(f"[{text}]" if file == "sales.json" else text + "\n", encoding="utf-8")
    proposed = propose(tmp_path / "x", tmp_path)
    assert ("invoice_id: Doc" in proposed) == is_read
    assert proposed.encode()


def test_files_in_folders_are_decoded(tmp_path):
    """The copy had the file's path for its name, and its folder was none of the scratch folder."""
    (tmp_path / "x" / "crm").mkdir(parents=True)
    (tmp_path / "x" / "crm" / "продажи.csv").write_text("Счёт,Клиент,Дата,Сумма\n1,a,2024-01-05,3\n", "windows-1251")
    assert "encoding: windows-1251" in propose(tmp_path / "x", tmp_path)


def test_names_of_files_and_columns_stay_texts(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a\nb: {.csv").write_text("x\n1\n", encoding="utf-8")
    (tmp_path / "x" / "sales.csv").write_text('Doc,"Client: {a",Date,Total\n1,2,2024-01-05,3\n', encoding="utf-8")
    proposed = yaml.safe_load(propose(tmp_path / "x", tmp_path))
    assert set(proposed or ()) <= {"tables"}


@pytest.mark.parametrize(("name", "words"), [("missing", "There is no folder"), ("empty", "holds no files")])
def test_a_folder_without_files_is_told(tmp_path, name, words):
    (tmp_path / "empty").mkdir()
    done = churn("init", "--extracts", tmp_path / name)
    assert done.code == 2
    assert words in done.err
    assert not (tmp_path / name / "extracts.yml").exists()
