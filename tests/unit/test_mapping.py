"""extracts.yml: read as text, validated with file, line and the nearest valid name."""

from datetime import time
from decimal import Decimal
from pathlib import Path

import pytest

from orchestration.contract import mapping as module
from orchestration.contract.mapping import ColumnRule, Kept, Mapping, load_mapping, unattended_mapping
from orchestration.contract.pulls import KINDS
from orchestration.contract.tables import contract
from orchestration.errors import UserError


def read(tmp_path: Path, text: str):
    (tmp_path / "extracts.yml").write_text(text, encoding="utf-8")
    return load_mapping(tmp_path)


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(UserError) as refusal:
        read(tmp_path, text)
    return str(refusal.value)


def test_without_a_file_everything_is_default(tmp_path):
    mapping = load_mapping(tmp_path)
    assert (mapping.time_zone, mapping.reporting_currency, mapping.policies, mapping.tables) == ("UTC", None, {}, {})


def test_the_clock_and_alerts(tmp_path):
    text = "time_zone: Asia/Manila\nschedule: 6:30\n"
    text += "alerts: {quiet_hours: '22:00 - 07:00', lost_sales_over: 10000.50, stale_after_days: 3}\n"
    mapping = read(tmp_path, text)
    assert mapping.schedule == time(6, 30)
    rules = mapping.alerts
    assert (rules.lost_sales_over, rules.stale_after_days) == (Decimal("10000.50"), 3)
    quiet = {hour: rules.is_quiet(time(hour)) for hour in (6, 7, 12, 21, 22, 23)}
    assert quiet == {6: True, 7: False, 12: False, 21: False, 22: True, 23: True}
    assert not load_mapping(tmp_path / "elsewhere").alerts.is_quiet(time(3))


def test_what_runs_by_the_clock_bears_mistakes_in_the_mapping(tmp_path):
    text = "schedule: 6:30\nalerts: {stale_after_days: x, lost_sales_over: 5}\na: b\npull: {stripe: , Shop: }\n"
    (tmp_path / "extracts.yml").write_text(text)
    mapping = unattended_mapping(tmp_path)
    assert [pull.name for pull in mapping.pulls] == ["stripe"]
    assert (mapping.schedule, mapping.alerts.lost_sales_over, mapping.alerts.stale_after_days) == (time(6, 30), 5, 7)
    (tmp_path / "extracts.yml").write_text("schedule: [\n")
    assert unattended_mapping(tmp_path) == unattended_mapping(tmp_path / "elsewhere") == Mapping()


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "tables:\n", "policies:\ntables: {}\n"])
def test_what_is_left_out_is_default(tmp_path, text):
    assert read(tmp_path, text) == load_mapping(tmp_path / "elsewhere")


def test_scalars_stay_text(tmp_path):
    mapping = read(
        tmp_path,
        """
tables:
  billing.invoices:
    where: {Deleted: [No, 0, null]}
    columns:
      status: {from: Paid, values: {Yes: paid, No: void, "": open}, default: 010}
""",
    )
    [rule] = mapping.tables["billing.invoices"]
    assert rule.where == {"Deleted": Kept(("No", "0", "null"))}
    assert rule.columns["status"].values == {"Yes": "paid", "No": "void", "": "open"}
    assert rule.columns["status"].default == "010"


def test_every_key_of_the_contract(tmp_path):
    mapping = read(
        tmp_path,
        r"""
time_zone: Europe/Sofia
reporting_currency: eur
policies: {lapse_days: 60, segments: [country, first_plan]}
tables:
  billing.invoice_lines:
    files: ["by-day/*.csv", "late/*.csv"]
    delivery: snapshot
    encoding: windows-1251
    delimiter: "\t"
    decimal: ","
    date_format: "%d.%m.%Y %H:%M"
    sheet: Sheet1
    records: data
    explode: items.data
    where: {Status: paid}
    columns:
      invoice_id: InvoiceNo
      issued_at: {from: InvoiceDate, format: "%d/%m/%Y"}
      unit_price: {from: unit_amount, scale: 0.01}
      currency: {value: GBP}
      line_id: [InvoiceNo, StockCode]
""",
    )
    [rule] = mapping.tables["billing.invoice_lines"]
    assert (mapping.time_zone, mapping.reporting_currency) == ("Europe/Sofia", "EUR")
    assert mapping.policies == {"lapse_days": "60", "segments": "country,first_plan"}
    assert rule.files == ("by-day/*.csv", "late/*.csv")
    assert (rule.delivery, rule.encoding, rule.delimiter, rule.decimal) == ("snapshot", "cp1251", "\t", ",")
    assert (rule.date_formats, rule.sheet, rule.records, rule.explode) == (
        ("%d.%m.%Y %H:%M",),
        ("Sheet1",),
        "data",
        "items.data",
    )
    assert rule.where == {"Status": Kept(("paid",))}
    assert rule.columns["line_id"].sources == ("InvoiceNo", "StockCode")
    assert rule.columns["issued_at"].formats == ("%d/%m/%Y",)
    assert rule.columns["unit_price"].scale == Decimal("0.01")
    assert rule.columns["currency"].value == "GBP"


@pytest.mark.parametrize(
    "text, words",
    [
        ("time_zon: UTC", ["line 1", "'time_zon'", "'time_zone'"]),
        ("time_zone: Europe/Sofja", ["line 1", "'Europe/Sofia'"]),
        ("reporting_currency: euro", ["line 1", "euro"]),
        ("tables:\n  billing.invoice:\n    files: x.csv", ["line 2", "'billing.invoices'"]),
        ("tables:\n  billing.invoices:\n    filez: x.csv", ["line 3", "'filez'", "'files'"]),
        ("tables:\n  billing.invoices:\n    columns:\n      invoce_id: x", ["line 4", "'invoce_id'", "'invoice_id'"]),
        (
            "tables:\n  billing.invoices:\n    columns:\n      amount: {from: x, scal: 2}",
            ["line 4", "'scal'", "'scale'"],
        ),
        ("tables:\n  billing.invoices:\n    columns:\n      amount: {from: x, scale: two}", ["line 4", "'two'"]),
        ("tables:\n  billing.invoices:\n    columns:\n      amount: {scale: 2}", ["line 4", "'from'", "'value'"]),
        ("tables:\n  billing.invoices:\n    columns:\n      amount: {value: 2, scale: 2}", ["line 4", "constant"]),
        ("tables:\n  billing.invoices:\n    columns:\n      status: {from: x, scale: 2}", ["line 4", "numbers"]),
        ("tables:\n  billing.invoices:\n    columns:\n      status: {from: x, format: '%Y'}", ["line 4", "dates"]),
        ("tables:\n  billing.invoices:\n    columns:\n      status:", ["line 4", "'status'"]),
        ("tables:\n  billing.invoices:\n    date_format: 'dd.mm.yyyy'", ["line 3", "%Y"]),
        ("tables:\n  billing.invoices:\n    date_format: '%Y-%Q'", ["line 3", "%Q"]),
        ("tables:\n  billing.invoices:\n    delivery: full", ["line 3", "'snapshot'"]),
        ("tables:\n  billing.invoices:\n    delimiter: '#'", ["line 3", "';'"]),
        ("tables:\n  billing.invoices:\n    decimal: ';'", ["line 3", "','"]),
        ("tables:\n  billing.invoices:\n    encoding: windows-9999", ["line 3", "windows-1251"]),
        ("tables:\n  billing.invoices:\n    where: [paid]", ["line 3", "'where'"]),
        ("tables: billing", ["line 1", "'tables'"]),
        ("- a", ["keys"]),
        ("a: [", ["line 1", "YAML"]),
        ("time_zone: UTC\ntime_zone: UTC", ["line 2", "twice"]),
        ("preset: strip", ["line 1", "'strip'"]),
        ("schedule: 24:30", ["line 1", "'24:30'", "06:30"]),
        ("schedule: [06:30]", ["line 1", "'schedule'"]),
        ("alerts:\n  quite_hours: 22:00-07:00", ["line 2", "'quite_hours'", "'quiet_hours'"]),
        ("alerts:\n  quiet_hours: 22-7", ["line 2", "'22-7'", "22:00-07:00"]),
        ("alerts:\n  quiet_hours: 22:00-22:00", ["line 2", "22:00-07:00"]),
        ("alerts:\n  lost_sales_over: 10 000", ["line 2", "'10 000'"]),
        ("alerts:\n  stale_after_days: 0", ["line 2", "'0'"]),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path, text, words):
    message = refused(tmp_path, text)
    assert "extracts.yml" in message
    assert all(word in message for word in words), message
    assert "othing was loaded" in message


def test_all_mistakes_are_told_at_once(tmp_path):
    message = refused(tmp_path, "time_zon: UTC\ntables:\n  billing.invoice: {}\n  crm.cases: {file: x}\n")
    assert all(f"line {line}" in message for line in (1, 3, 4))


def test_a_file_that_is_not_utf8_is_told(tmp_path):
    (tmp_path / "extracts.yml").write_bytes("time_zone: Europe/Sofia # София".encode("windows-1251"))
    with pytest.raises(UserError, match="UTF-8"):
        load_mapping(tmp_path)


def preset(folder: Path, monkeypatch, **presets: str) -> None:
    monkeypatch.setattr(module, "PRESETS", folder)
    for name, text in presets.items():
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")


def test_presets_add_their_sources_side_by_side(tmp_path, monkeypatch):
    preset(
        tmp_path,
        monkeypatch,
        first="time_zone: Asia/Manila\ntables: {billing.invoices: {files: a.csv}, crm.cases: {files: c.csv}}",
        second="tables: {billing.invoices: [{files: b.csv}, {name: late, files: d.csv}]}",
    )
    mapping = read(tmp_path, "preset: [first, second]")
    assert mapping.time_zone == "Asia/Manila"
    assert [(rule.name, rule.files) for rule in mapping.tables["billing.invoices"]] == [
        ("first", ("a.csv",)),
        ("second", ("b.csv",)),
        ("second-late", ("d.csv",)),
    ]
    assert mapping.tables["crm.cases"][0].files[0].shipped


def test_own_keys_win_over_the_preset_source_of_their_name(tmp_path, monkeypatch):
    preset(
        tmp_path,
        monkeypatch,
        stripe="tables:\n  billing.invoices:\n    files: a.csv\n    where: {x: [a]}\n"
        "    columns: {invoice_id: id, amount: {from: cents, scale: 0.01}}\n",
    )
    own = "files: b.csv, where: {y: b}, columns: {amount: total}"
    for sources in (
        f"{{{own}}}",
        f"[{{name: stripe, {own}}}]",
        f"[{{name: stripe, {own}}}, {{name: shop, files: s.csv}}]",
    ):
        rule, *others = read(tmp_path, f"preset: stripe\ntables: {{billing.invoices: {sources}}}").tables[
            "billing.invoices"
        ]
        assert (rule.name, rule.files, rule.where) == ("stripe", ("b.csv",), {"y": Kept(("b",))})
        assert (rule.columns["invoice_id"].sources, rule.columns["amount"].sources) == (("id",), ("total",))
        assert rule.columns["amount"].scale is None
        assert [other.name for other in others] == ["shop"] * ("shop" in sources)


@pytest.mark.parametrize(
    "shipped, own, expected",
    [
        ("{from: iso, optional: true}", "{value: EUR}", ColumnRule(value="EUR")),
        ("{value: EUR}", "{from: iso}", ColumnRule(sources=("iso",))),
        (
            "{from: iso, values: {e: EUR}}",
            "{first_of: [iso, code]}",
            ColumnRule(first_of=("iso", "code"), values={"e": "EUR"}),
        ),
        ("{first_of: [iso, code]}", "{from: iso, optional: true}", ColumnRule(sources=("iso",), optional=True)),
        ("{first_of: [iso, code]}", "{optional: true}", ColumnRule(first_of=("iso", "code"), optional=True)),
    ],
)
def test_an_own_origin_replaces_that_of_the_preset(tmp_path, monkeypatch, shipped, own, expected):
    preset(
        tmp_path,
        monkeypatch,
        crm=f"tables: {{billing.invoices: [{{name: deals, files: a.csv, columns: {{currency: {shipped}}}}}]}}",
    )
    text = f"preset: crm\ntables: {{billing.invoices: [{{name: crm-deals, columns: {{currency: {own}}}}}]}}"
    [rule] = read(tmp_path, text).tables["billing.invoices"]
    assert rule.columns["currency"].signature() == expected.signature()


def test_sources_without_names_stand_beside_that_of_a_preset(tmp_path, monkeypatch):
    preset(tmp_path, monkeypatch, stripe="tables: {billing.invoices: {files: a.csv}}")
    mapping = read(tmp_path, "preset: stripe\ntables: {billing.invoices: [{files: b.csv}, {files: c.csv}]}")
    assert [rule.files for rule in mapping.tables["billing.invoices"]] == [("a.csv",), ("b.csv",), ("c.csv",)]


def test_two_sources_need_names_of_their_own(tmp_path):
    message = refused(tmp_path, "tables:\n  billing.invoices:\n  - {name: a, files: x}\n  - {name: a, files: y}")
    assert "line 4" in message and "'a'" in message


def test_the_file_has_one_name(tmp_path):
    (tmp_path / "extracts.yaml").write_text("time_zone: UTC")
    with pytest.raises(UserError, match=r"extracts\.yaml is not read.*Rename it"):
        load_mapping(tmp_path)
    assert "Keep one of the two" in refused(tmp_path, "time_zone: UTC")


def test_where_a_file_lies_does_not_change_how_it_is_read(tmp_path):
    def signature(text: str) -> str:
        return read(tmp_path, text).sources(contract()["billing.invoices"])[0].signature("UTC")

    plain = signature("tables: {billing.invoices: {columns: {amount: total}}}")
    assert plain == signature(
        "\n\ntables: {billing.invoices: {files: x.csv, delivery: snapshot, columns: {amount: total}}}"
    )
    assert plain != signature("tables: {billing.invoices: {columns: {amount: {from: total, scale: 0.01}}}}")
    assert plain != signature("tables: {billing.invoices: {decimal: ',', columns: {amount: total}}}")


def test_the_contract_names_what_it_needs():
    tables = contract()
    assert len(tables) == 15
    assert [column.name for column in tables["billing.invoices"].columns.values() if column.required] == [
        "invoice_id",
        "customer_id",
        "issued_at",
        "amount",
    ]
    assert tables["billing.invoice_lines"].row_key == "line_id"
    assert tables["billing.invoices"].raw == "billing__invoices"


def test_what_is_pulled_is_read_by_the_preset_of_its_kind(tmp_path):
    mapping = read(
        tmp_path,
        """
pull:
  stripe:
  shop: {kind: shopify, site: alfa, lists: orders}
  erp: {kind: sql, tables: [sales.invoices, customers], changed: {customers: changed_on}}
tables:
  billing.subscriptions:
    - {name: stripe, columns: {customer_id: metadata.account}}
""",
    )
    stripe, shop, erp = mapping.pulls
    assert (stripe.kind, stripe.lists, stripe.place) == ("stripe", KINDS["stripe"].lists, "extracts.yml, line 3")
    assert (shop.kind, shop.site, shop.lists) == ("shopify", "alfa", ("orders",))
    assert (erp.tables, erp.changed) == (("sales.invoices", "customers"), {"customers": "changed_on"})
    [subscriptions] = mapping.tables["billing.subscriptions"]
    assert (subscriptions.name, subscriptions.files) == ("stripe", ("pulls/stripe/*/subscriptions*.json*",))
    assert (subscriptions.delivery, subscriptions.snapshot) == ("snapshot", "pulls/stripe/%Y-%m-%d")
    assert (subscriptions.history, subscriptions.dated) == (True, True)
    assert subscriptions.columns["customer_id"].sources == ("metadata.account",)
    assert [rule.name for rule in mapping.tables["billing.invoices"]] == ["stripe", "shop"]
    assert not any(rule.history for rule in mapping.rules() if rule.table.name != "billing.subscriptions")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pull:\n  strpe:\n", "line 2: there is no kind of source 'strpe'; the nearest valid name is 'stripe'."),
        ("pull:\n  a: {kind: zendsk}\n", "line 2: there is no kind of source 'zendsk'; the nearest valid name is"),
        ("pull:\n  stripe: {lists: [invoicez]}\n", "line 2: there is no list of stripe 'invoicez'; the nearest valid"),
        ("pull:\n  stripe: {sit: a}\n", "line 2: unknown key 'sit' of pull: stripe; "),
        (
            "pull:\n  stripe:\n    api_key: rk_live\n",
            "line 3: secrets don't belong here: take 'api_key' out, and set it",
        ),
        ("pull:\n  zendesk:\n", "line 2: 'zendesk' (zendesk) needs 'site'."),
        ("pull:\n  zendesk: {site: a/b}\n", "line 2: 'a/b' must be the first part of the site's address"),
        ("pull:\n  My shop: {kind: stripe}\n", "line 2: 'My shop' must consist of small letters, digits and _"),
        (
            "pull:\n  stripe: {url: 'https://me:rk_live@host'}\n",
            "line 2: an address must hold no user, no password and no ?",
        ),
        ("pull:\n  stripe: {url: 'http://proxy/v1'}\n", "line 2: 'http://proxy/v1' must begin with https://"),
        (
            "pull:\n  stripe: {url: 'http://127.0.0.1.example.com'}\n",
            "line 2: 'http://127.0.0.1.example.com' must begin",
        ),
        ("pull:\n  stripe: yes\n", "line 2: 'stripe' must have keys below it, or nothing."),
        ("pull:\n  erp: {kind: sql}\n", "line 2: 'erp' (sql) needs 'tables'."),
        (
            "pull:\n  erp: {kind: sql, tables: a, changed: {b: c}}\n",
            "line 2: there is no table among those pulled 'b';",
        ),
        ("pull: stripe\n", "line 1: 'pull' must have keys below it."),
    ],
)
def test_mistakes_in_what_to_pull_are_said_with_their_line(tmp_path, text, said):
    told = refused(tmp_path, text)
    assert f"extracts.yml, {said}" in told
    assert "rk_live" not in told
