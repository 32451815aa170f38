"""Write the demo company down as its systems would export it: many formats, habits and mistakes, all on purpose."""

import csv
import gzip
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import xlsxwriter

from orchestration.warehouse.quoting import quote

from .company import AS_OF, FIRST_DAY, Company, Customer, Subscription
from .customers import contacts
from .life import live
from .subscriptions import PLANS

Row = list[object]

ZONE = ZoneInfo("Europe/Sofia")

# Unusable rows of the folder: (table, column at fault, None: the whole row) -> rows.
# A refresh must quarantine exactly these.
BAD_ROWS = {
    ("crm.customers", "customer_id"): 3,  # empty
    ("crm.customers", "created_at"): 2,  # words
    ("crm.customers", "preferred_channel"): 4,  # fax
    ("crm.customers", None): 2,  # superseded in the same workbook
    ("crm.cases", "resolved_at"): 5,  # before the case was opened
    ("crm.cases", "severity"): 3,  # not on the list
    ("crm.surveys", "score"): 6,  # 11 of 10
    ("crm.departures", "reason"): 4,  # blanks
    ("crm.departures", None): 3,  # a field too many: the delimiter stands in the note
    ("billing.subscriptions", "ended_on"): 3,  # before it started
    ("billing.subscriptions", "discount_rate"): 2,  # 150 %
    ("billing.invoices", "amount"): 7,  # words
    ("billing.invoices", "issued_at"): 4,  # 30 and 31 February
    ("billing.invoices", "customer_id"): 3,  # empty
    ("billing.payments", "status"): 5,  # not on the list
    ("billing.payments", "amount"): 2,  # empty
    ("billing.fx_rates", "rate"): 1,  # zero
}
FILTERED_ROWS = {"crm.surveys": 40}  # unfinished answers, left out by `where`
REPEATED_ROWS = {"billing.invoices": 9}  # the export wrote them twice
RESENT = ("billing/invoices/invoices_2024-03.csv", "billing/invoices/invoices_2024-03_resent.csv")
CORRECTED = ("billing/invoices/invoices_2025-02.csv", "billing/invoices/invoices_2025-02_corrected.csv")
CORRECTED_ROWS = 25  # amounts that lost their decimal comma, delivered right in the second file


def write_extracts(folder: Path) -> None:
    """Write the company's extracts and their extracts.yml into `folder`, which is made if need be;
    the same bytes each time."""
    company = live()
    for path in ("crm/tickets", "billing/invoices", "billing/subscriptions"):
        (folder / path).mkdir(parents=True, exist_ok=True)
    copyfile(Path(__file__).with_name("extracts.yml"), folder / "extracts.yml")
    _customers(company, folder / "crm")
    _care(company, folder / "crm")
    _plans_and_rates(folder / "billing")
    _subscriptions(company, folder / "billing/subscriptions")
    _invoices(company, folder)
    _payments(company, folder / "billing")


# crm ---------------------------------------------------------------------------------------------------------------


def _customers(company: Company, folder: Path) -> None:
    """A workbook of all cards as of the middle of 2025, and one of the cards that are new or changed since."""
    middle, end = datetime(2025, 6, 30, 18), datetime(2025, 12, 31, 18)
    rng, earlier, later = Random(1), [], []
    for customer in company.customers:
        if not customer.has_card:
            continue
        card = _card(customer, rng)
        if customer.joined <= middle.date():
            earlier.append(card)
            if rng.random() < 0.05:  # consent withdrawn
                later.append([*card[:7], "не", *card[8:13], end, card[14]])
        else:
            later.append(card)
        if customer.former_id:
            sheet, changed = (earlier, middle) if customer.merged_on <= middle.date() else (later, end)
            merged_into = customer.customer_id if customer.merged_on <= AS_OF else None
            sheet.append([customer.former_id, *card[1:12], merged_into, changed, card[14]])

    some = earlier[:20]
    earlier[100:100] = [[None, *card[1:]] for card in some[:3]]
    earlier[900:900] = [["C-99001", "unknown", *some[5][2:]], ["C-99002", "see paper file", *some[6][2:]]]
    earlier[1500:1500] = [[f"C-9901{n}", *some[n][1:6], "fax", *some[n][7:]] for n in range(4)]
    for card in some[11:13]:  # the same card twice, the newer version with another address
        earlier.append([*card[:3], f"new.{card[0]}@example.com", *card[4:13], middle, card[14]])
    _xlsx(folder / "customers.xlsx", "Clients", _CARD, earlier)
    _xlsx(folder / "customers_2025-12-31.xlsx", "Clients", _CARD, later)

    staff = [[e.employee_id, e.name, e.role, e.team] for e in company.employees]
    _text(folder / "staff.tsv", ["ID", "Employee", "Position", "Team"], staff, delimiter="\t", encoding="utf-16")


_CARD = [
    "Client No",
    "Created",
    "Name",
    "E-mail",
    "Phone",
    "Viber",
    "Preferred channel",
    "May contact",
    "Country",
    "Size",
    "Source",
    "Manager",
    "Merged into",
    "Changed",
    "Industry",
]  # Industry is no column of the contract


def _card(customer: Customer, rng: Random) -> Row:
    reach = contacts(customer)
    channel = rng.choices(["E-mail", "SMS", "Viber", "Phone call", None], [35, 25, 20, 10, 10])[0]
    consent = rng.choices(["да", "не", None], [70, 22, 8])[0]
    created = datetime.combine(customer.joined, time(9 + rng.randrange(9), rng.randrange(60)))
    return [
        customer.customer_id,
        created,
        reach["name"],
        reach["email"],
        reach["phone"],
        reach["messaging"],
        channel,
        consent,
        customer.country,
        customer.segment,
        customer.acquisition_channel,
        customer.manager.employee_id,
        None,
        created,
        customer.industry,
    ]


def _care(company: Company, folder: Path) -> None:
    """Tickets by year, survey answers, farewell notes, messages."""
    header = ["ticket", "client", "opened", "first_reply", "solved", "type", "priority", "topic", "via", "agent"]
    priority = {"serious": "urgent", "minor": "normal", None: None}
    tickets = defaultdict(list)
    for c in company.cases:
        tickets[c.opened_at.year].append(
            [
                c.case_id,
                c.customer_id,
                c.opened_at,
                c.first_response_at,
                c.resolved_at,
                c.kind,
                priority[c.severity],
                c.topic,
                c.channel,
                c.employee_id,
            ]
        )
    one = tickets[2024][0]
    tickets[2024] += [[f"T-90{n:04d}", *one[1:4], datetime(2023, 12, 1, 9, n), *one[5:]] for n in range(5)]
    tickets[2025] += [[f"T-91{n:04d}", *one[1:6], "on fire", *one[7:]] for n in range(3)]
    for year, rows in tickets.items():
        _text(folder / f"tickets/{year}.csv", header, rows, encoding="utf-8-sig")

    header = ["id", "client", "survey", "score", "answered", "comment", "ticket", "finished"]
    answers: list[Row] = [
        [s.response_id, s.customer_id, s.kind, s.score, s.answered_at, s.comment, s.case and s.case.case_id, "yes"]
        for s in company.surveys
    ]
    some = answers[: FILTERED_ROWS["crm.surveys"]]
    answers[500:500] = [[f"R90000{n}", some[n][1], "nps", 11, *some[n][4:]] for n in range(6)]
    answers[50:50] = [[f"R8000{n:02d}", *row[1:3], None, *row[4:7], "no"] for n, row in enumerate(some)]
    _text(folder / "surveys.csv.gz", header, answers)

    header = ["№", "Client", "Noted", "Left on", "Why", "By", "How"]
    notes: list[Row] = [
        [
            d.departure_id,
            d.customer_id,
            f"{d.noted_at:%d/%m/%Y %H:%M}",
            f"{d.left_on:%d/%m/%Y}",
            d.reason,
            d.noted_by,
            d.channel,
        ]
        for d in company.departures
    ]
    some = notes[:4]
    notes[40:40] = [[f"D9000{n}", *some[n][1:4], "  ", *some[n][5:]] for n in range(4)]
    notes[90:90] = [[f"D8000{n}", *some[n][1:4], "too dear", "and slow too", *some[n][5:]] for n in range(3)]
    _text(folder / "departures.csv", header, notes, delimiter=";")

    header = ["outreach_id", "customer_id", "sent_at", "channel", "campaign", "replied_at"]
    messages = [
        [o.outreach_id, o.customer_id, o.sent_at, o.channel, o.campaign, o.replied_at] for o in company.outreach
    ]
    _text(folder / "outreach.csv", header, messages, delimiter="|")


# billing -----------------------------------------------------------------------------------------------------------


def _plans_and_rates(folder: Path) -> None:
    _text(
        folder / "plans.csv",
        ["plan_id", "name", "interval", "interval_count", "price", "currency"],
        [[p.plan_id, p.name, p.interval, p.interval_count, f"{p.price / 100:.2f}", "EUR"] for p in PLANS.values()],
    )
    rng, day, dollar, rates = Random(2), FIRST_DAY - timedelta(days=3), 0.935, []
    while day <= AS_OF:
        if day.weekday() < 5:  # banks rest; the last rate holds
            dollar *= 1 + rng.gauss(0, 0.003) + (0.92 - dollar) * 0.01
            rates.append([day, "USD", f"{dollar:.5f}"])
        day += timedelta(days=1)
    rates.insert(200, [date(2023, 10, 8), "USD", "0"])
    _text(folder / "fx_rates.csv", ["rate_date", "currency", "rate"], rates)


def _subscriptions(company: Company, folder: Path) -> None:
    """A file a year with the rows that began or ended in it; a row that began in an earlier one is delivered again."""
    years = defaultdict(list)
    for s in company.subscriptions:
        known_on = min(s.ended_on, AS_OF) if s.ended_on else s.started_on
        if s.started_on.year < known_on.year:
            years[s.started_on.year].append(
                _period(replace(s, ended_on=None, status="active", end_reason=None), s.started_on)
            )
        years[known_on.year].append(_period(s, known_on))

    some = years[2024][:5]
    backwards = {"start": _epoch(date(2024, 5, 1)), "canceled_at": "2024-02-01T09:00:00Z"}
    years[2024] += [row | backwards | {"id": f"sub_99990{n}"} for n, row in enumerate(some[:3])]
    years[2024] += [row | {"id": f"sub_99991{n}", "discount_percent": 150} for n, row in enumerate(some[3:])]
    for year, rows in years.items():
        with open(folder / f"{year}.jsonl", "w", encoding="utf-8", newline="\n") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _period(s: Subscription, updated_on: date) -> dict[str, object]:
    """The row as the billing system's API shows it: cents, epochs, UTC, plan nested."""
    listed = s.plan_id == "stall_week" and s.currency == "EUR"  # the plan's price, which never changed
    return {
        "id": s.subscription_id,
        "customer": s.customer_id,
        "plan": {"id": s.plan_id, "unit_amount": None if listed else s.unit_amount, "currency": s.currency.lower()},
        "start": _epoch(s.started_on, hour=int(s.subscription_id[-2:]) % 24),
        "canceled_at": s.ended_on and datetime.fromtimestamp(_epoch(s.ended_on), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "quantity": s.quantity,
        "discount_percent": s.discount_percent,
        "trial_end": s.trial_ends_on and _epoch(s.trial_ends_on),
        "status": s.status,
        "cancellation_reason": s.end_reason,
        "updated": datetime.combine(updated_on, time(23, 30), ZONE).isoformat(),
    }


def _epoch(day: date, *, hour: int = 0) -> int:
    return int(datetime.combine(day, time(hour), ZONE).timestamp())


def _invoices(company: Company, folder: Path) -> None:
    """A file a month; one is sent twice, one is corrected by a later file."""
    header = [
        "Фактура №",
        "Клиент",
        "Дата",
        "Сума без ДДС",
        "Себестойност",
        "Валута",
        "Статус",
        "Абонамент",
        "Служител",
        "Платена на",
        "Променена на",
    ]
    words = {"paid": "платена", "open": "неплатена", "void": "анулирана", "uncollectible": "несъбираема"}
    months: defaultdict[str, list[list[Any]]] = defaultdict(list)
    for i in company.invoices:
        moment = f"{i.issued_at:%d.%m.%Y %H:%M}"
        months[f"{i.issued_at:%Y-%m}"].append(
            [
                i.invoice_id,
                i.customer_id,
                moment,
                _comma(i.amount),
                _comma(i.cost),
                i.currency,
                words[i.status],
                i.subscription_id,
                i.employee_id,
                i.paid_at and f"{i.paid_at:%d.%m.%Y %H:%M}",
                moment,
            ]
        )
    some = months["2024-06"][0]
    months["2024-06"] += [[f"99{n:08d}", *some[1:3], "по договор", *some[4:]] for n in range(7)]
    months["2024-06"] += [[f"98{n:08d}", some[1], f"3{n % 2}.02.2024 10:00", *some[3:]] for n in range(4)]
    months["2023-11"] += [[f"97{n:08d}", None, *some[2:]] for n in range(3)]
    months["2025-05"] += months["2025-05"][20 : 20 + REPEATED_ROWS["billing.invoices"]]

    wrong, right = months["2025-02"], []
    for row in [row for row in wrong if row[6] == "платена" and not row[3].startswith("-")][10 : 10 + CORRECTED_ROWS]:
        right.append([*row[:10], "03.03.2025 09:00"])
        row[3] = row[3].replace(",", "") + ",00"
    files = {f"billing/invoices/invoices_{month}.csv": rows for month, rows in months.items()} | {CORRECTED[1]: right}
    for path, rows in files.items():
        _text(folder / path, header, rows, delimiter=";", encoding="windows-1251", end="\r\n")
    (folder / RESENT[1]).write_bytes((folder / RESENT[0]).read_bytes())


def _comma(cents: int | None) -> str | None:
    """1234567 -> '12 345,67', the thousands apart by a no-break blank."""
    return None if cents is None else f"{cents / 100:,.2f}".translate({ord(","): "\u00a0", ord("."): ","})


def _payments(company: Company, folder: Path) -> None:
    """Parquet with typed columns; refunds are a small CSV beside it."""
    rows = [
        [
            p.payment_id,
            p.invoice.customer_id,
            p.invoice.invoice_id,
            p.paid_at,
            p.invoice.amount,
            p.invoice.currency,
            "failed" if p.failure_code else "succeeded",
            p.failure_code,
        ]
        for p in company.payments
    ]
    rows += [[f"pay_99{n:05d}", *rows[n][1:6], "maybe", None] for n in range(5)]
    rows += [[f"pay_98{n:05d}", *rows[n][1:4], None, *rows[n][5:]] for n in range(2)]
    header = ["id", "customer", "invoice", "created", "amount_cents", "currency", "outcome", "failure_code"]
    types = "{'invoice': 'varchar', 'created': 'timestamp', 'amount_cents': 'bigint'}"
    with TemporaryDirectory() as scratch, duckdb.connect(config={"threads": 1}) as engine:
        payments = Path(scratch) / "payments.csv"
        _text(payments, header, rows)
        engine.sql(f"from read_csv({quote(payments)}, types = {types})").write_parquet(str(folder / "payments.parquet"))

    header = ["refund_id", "customer_id", "invoice_id", "refunded_at", "amount", "currency"]
    refunds = []
    for refund in company.refunds:
        note = refund.credit_note
        refunds.append(
            [
                refund.refund_id,
                note.customer_id,
                note.invoice_id,
                refund.refunded_at,
                f"{-note.amount / 100:.2f}",
                note.currency,
            ]
        )
    _text(folder / "refunds.csv", header, refunds)


# files -------------------------------------------------------------------------------------------------------------


def _text(
    path: Path,
    header: list[str],
    rows: Iterable[Sequence[object]],
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
    end: str = "\n",
) -> None:
    """A delimited text file, gzipped when its name ends in .gz."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    writer.writerow(header)
    writer.writerows(rows)
    content = text.getvalue().encode(encoding)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _xlsx(path: Path, sheet: str, header: list[str], rows: Iterable[Row]) -> None:
    """A workbook of one sheet, with real date cells."""
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        book.set_properties({"created": datetime.combine(AS_OF, time(18))})  # else the file would differ by the hour
        moment = book.add_format({"num_format": "dd.mm.yyyy hh:mm"})
        page = book.add_worksheet(sheet)
        page.write_row(0, 0, header)
        for at, row in enumerate(rows, 1):
            for column, value in enumerate(row):
                if isinstance(value, datetime):
                    page.write_datetime(at, column, value, moment)
                elif value is not None:
                    page.write_string(at, column, value)
