"""What was loaded, from which paths, and in which order: loading is idempotent, and nothing that was loaded is lost."""

import random
import shutil
from datetime import datetime

import pytest

from orchestration.contract.mapping import load_mapping
from orchestration.loading import registry
from orchestration.loading.discovery import file_order, find_extracts
from orchestration.warehouse.folder import REFRESH_HISTORY
from tests.unit.delivered import Delivered

HEADER = "invoice_id,customer_id,issued_at,amount\n"


def content(*ids: str, amount: int = 1) -> str:
    return HEADER + "".join(f"{name},c,2024-01-31,{amount}\n" for name in ids)


def place(delivered: Delivered, table: str = "billing__invoices") -> list[tuple]:
    """Of each load in the order of delivery: ids, path, whether current, whether in force."""
    key = "invoice_id"
    return delivered.con.execute(
        f"select list({key} order by row_number), any_value(file), bool_and(is_current), bool_and(in_force)"
        f" from raw.{table} group by load_id order by any_value(file_order), any_value(load_order)"
    ).fetchall()


def test_digit_runs_are_compared_as_numbers():
    names = [
        "2.csv",
        "10.csv",
        "02a.csv",
        "a/9/1.csv",
        "a/10/1.csv",
        "invoices_2024-9.csv",
        "invoices_2024-10.csv",
        "",
        "0",
        "00",
    ]
    assert sorted(["10.csv", "9.csv", "1.csv"], key=file_order) == ["1.csv", "9.csv", "10.csv"]
    assert sorted(["x_2024-10.csv", "x_2024-9.csv", "x_2023-12.csv"], key=file_order) == [
        "x_2023-12.csv",
        "x_2024-9.csv",
        "x_2024-10.csv",
    ]
    assert file_order("1.csv") != file_order("01.csv")
    assert len({file_order(name) for name in names}) == len(names)


def test_the_same_folder_twice_loads_nothing_again(delivered):
    delivered.write("billing/invoices.csv", content("1", "2"))
    delivered.load()
    before = delivered.snapshot()
    report = delivered.load()
    assert delivered.snapshot() == before
    assert [(file.rows_read, file.is_new) for file in report.files] == [(2, False)]


def test_content_under_a_second_path_loads_once(delivered):
    delivered.write("billing/invoices_b.csv", content("1", "2"))
    delivered.load()
    delivered.write("billing/invoices_a.csv", content("1", "2"))
    report = delivered.load()
    assert place(delivered) == [(["1", "2"], "billing/invoices_a.csv", True, True)]
    assert [(file.file, file.is_new, file.rows_read) for file in report.files] == [
        ("billing/invoices_a.csv", False, 2),
        ("billing/invoices_b.csv", False, 2),
    ]
    assert len({file.load_id for file in report.files}) == 1
    assert delivered.con.execute("select file, is_current from raw.files order by file").fetchall() == [
        ("billing/invoices_a.csv", True),
        ("billing/invoices_b.csv", True),
    ]


def test_new_content_at_a_path(delivered):
    for ids in (["1"], ["2"]):
        delivered.write("billing/invoices.csv", content(*ids))
        delivered.load()
    assert place(delivered) == [
        (["1"], "billing/invoices.csv", False, True),
        (["2"], "billing/invoices.csv", True, True),
    ]
    delivered.write("billing/invoices.csv", content("1"))  # and back
    assert not delivered.load().files[0].is_new
    assert place(delivered) == [
        (["1"], "billing/invoices.csv", True, True),
        (["2"], "billing/invoices.csv", False, True),
    ]


def test_content_that_comes_back_is_new_at_its_path_though_no_load_is(delivered):
    def current() -> list[tuple]:
        return delivered.con.execute(
            "select files.loaded_at, loads.loaded_at from raw.files inner join raw.loads using (load_id)"
            " where files.is_current"
        ).fetchall()

    for ids in ("1", "2", "1", "1"):
        delivered.write("billing/invoices.csv", content(ids))
        delivered.load()
        if ids == "2":
            [(second, _)] = current()
    [(at_path, loaded)] = current()
    assert at_path > second > loaded
    delivered.load()
    assert current() == [(at_path, loaded)]


def test_loads_and_files_are_of_the_newest_refresh_whatever_the_clock_shows(delivered, monkeypatch):
    REFRESH_HISTORY.create(delivered.con)

    def load(refresh_id: str, year: int, *ids: str) -> list[tuple]:
        begun = datetime(year, 1, 1)
        delivered.con.execute(
            "insert into quality.refresh_history (refresh_id, started_at) values (?, ?)", [refresh_id, begun]
        )
        monkeypatch.setattr(registry, "now", lambda: begun)
        delivered.write("billing/invoices.csv", content(*ids))
        delivered.load()
        return delivered.con.execute(
            "select files.refresh_id, loads.refresh_id from raw.files inner join raw.loads using (load_id)"
            " where files.is_current"
        ).fetchall()

    assert load("a", 2098, "1") == [("a", "a")]
    assert load("b", 2099, "2") == [("b", "b")]
    assert load("c", 2001, "3") == [("c", "c")]
    assert load("d", 2002, "1") == [("d", "a")]  # back again
    assert load("e", 2003, "1") == [("d", "a")]

    for table in ("loads", "files"):  # as a version left them that noted the time only
        delivered.con.execute(f"alter table raw.{table} drop column refresh_id")
    assert load("f", 2004, "1") == [("d", "a")]
    known = "select refresh_id from raw.loads order by load_order"
    assert delivered.con.execute(known).fetchall() == [("a",), ("b",), ("c",)]


def test_a_pull_dated_ahead_stays_in_force_only_while_its_folder_is_there(delivered):
    mapping = (
        'tables: {billing.invoices: [{files: "pulls/erp/*/invoices.csv", delivery: snapshot,'
        ' snapshot: "pulls/erp/%Y-%m-%d"}]}'
    )
    for day, name in (("2024-01-01", "1"), ("2099-01-01", "2"), ("2024-01-02", "3")):
        delivered.write(f"pulls/erp/{day}/invoices.csv", content(name))
        delivered.load(mapping)
    in_force = "select invoice_id from raw.billing__invoices where in_force"
    assert delivered.con.execute(in_force).fetchall() == [("2",)]
    shutil.rmtree(delivered.folder / "pulls/erp/2099-01-01")
    delivered.load()
    assert delivered.con.execute(in_force).fetchall() == [("3",)]
    shutil.rmtree(delivered.folder / "pulls/erp/2024-01-02")  # of a day that is over: it goes on to count
    delivered.load()
    assert delivered.con.execute(in_force).fetchall() == [("3",)]


def test_a_content_moves_to_the_path_that_still_delivers_it(delivered):
    delivered.write("billing/invoices_1.csv", content("1"))
    delivered.write("billing/invoices_2.csv", content("1"))
    delivered.load()
    delivered.write("billing/invoices_1.csv", content("2"))
    delivered.load()
    assert place(delivered) == [
        (["2"], "billing/invoices_1.csv", True, True),
        (["1"], "billing/invoices_2.csv", True, True),
    ]


def test_contents_whose_file_is_gone_stay(delivered):
    path = delivered.write("billing/invoices_1.csv", content("1"))
    delivered.load()
    path.unlink()
    delivered.write("billing/invoices_2.csv", content("2"))
    delivered.load(full_refresh=True)
    assert [ids for ids, *_ in place(delivered)] == [["1"], ["2"]]
    (delivered.folder / "billing/invoices_2.csv").unlink()
    delivered.write("crm/customers.csv", "customer_id\nc\n")
    delivered.load()  # billing was delivered earlier
    assert [ids for ids, *_ in place(delivered)] == [["1"], ["2"]]


def test_a_changed_mapping_replaces_the_earlier_load_in_its_place(delivered):
    delivered.write("billing/invoices_1.csv", content("1"))
    delivered.load()
    delivered.write("billing/invoices_2.csv", content("2"))
    delivered.load()
    before = delivered.con.execute("select load_id, load_order from raw.loads order by load_order").fetchall()
    report = delivered.load("tables: {billing.invoices: {columns: {amount: {from: amount, scale: 10}}}}")
    assert delivered.column("billing.invoices", "amount") == ["10", "10"]
    after = delivered.con.execute("select load_id, load_order from raw.loads order by load_order").fetchall()
    assert [order for _, order in after] == [order for _, order in before] and not set(after) & set(before)
    assert all(file.is_new for file in report.files)
    delivered.load("time_zone: UTC\ntables: {billing.invoices: {}}")  # as it was in the beginning
    assert delivered.con.execute("select load_id, load_order from raw.loads order by load_order").fetchall() == before


def test_a_full_refresh_reads_again_what_is_there(delivered):
    delivered.write("billing/invoices.csv", content("1"))
    delivered.load()
    delivered.con.execute("update raw.billing__invoices_rows set amount = 'damaged'")
    delivered.load()
    assert delivered.column("billing.invoices", "amount") == ["damaged"]
    assert delivered.load(full_refresh=True).files[0].is_new
    assert delivered.column("billing.invoices", "amount") == ["1"]


def test_of_a_snapshot_only_the_newest_file_is_in_force(delivered):
    mapping = "tables: {billing.invoices: {delivery: snapshot}}"
    delivered.write("billing/invoices_9.csv", content("1", "2"))
    delivered.load(mapping)
    delivered.write("billing/invoices_10.csv", content("1"))
    delivered.load()
    assert place(delivered) == [
        (["1", "2"], "billing/invoices_9.csv", True, False),
        (["1"], "billing/invoices_10.csv", True, True),
    ]
    delivered.write("billing/invoices_11.csv", content("1", "2"))  # the day before yesterday's content again
    delivered.load()
    assert place(delivered) == [
        (["1", "2"], "billing/invoices_9.csv", True, True),
        (["1"], "billing/invoices_10.csv", True, False),
    ]
    delivered.write("billing/invoices_11.csv", content("3"))
    delivered.load()
    assert [(ids, in_force) for ids, _, _, in_force in place(delivered)] == [
        (["1", "2"], False),
        (["1"], False),
        (["3"], True),
    ]
    delivered.load("tables: {billing.invoices: {delivery: delta}}")
    assert all(in_force for *_, in_force in place(delivered))


def test_files_delivered_in_any_order_have_the_same_place(tmp_path):
    files = {f"billing/invoices_{number}.csv": content(str(number % 4), amount=number % 4 + 1) for number in range(8)}
    outcomes = set()
    for seed in range(3):
        (tmp_path / str(seed)).mkdir()
        company = Delivered(tmp_path / str(seed))
        names = list(files)
        random.Random(seed).shuffle(names)
        for name in names:
            company.write(name, files[name])
            company.load()
        outcomes.add(str([(ids, file, current, force) for ids, file, current, force in place(company)]))
    assert len(outcomes) == 1


def test_one_file_may_serve_two_tables(delivered):
    delivered.write("all.csv", "customer_id,name,invoice_id,issued_at,amount\nc,Cy,1,2024-01-31,5\n")
    report = delivered.load("tables: {crm.customers: {files: all.csv}, billing.invoices: {files: all.csv}}")
    assert [file.table for file in report.files] == ["billing.invoices", "crm.customers"]
    assert delivered.rows("crm.customers", "customer_id, name") == [("c", "Cy")]


def test_the_canonical_layout(delivered):
    for file in (
        "crm/customers.csv",
        "crm/cases_2024-01.csv.gz",
        "crm/surveys-1.json",
        "billing/invoices/2024/01.parquet",
        "billing/invoice_lines.tsv",
        "billing/subscriptions 2.xlsx",
        "billing/subscription_events.1.jsonl",
        "crm/customers.txt.bak",
        "crm/other.csv",
        "billing/archive/invoices.csv",
        "billing/.hidden.csv",
        "billing/~$plans.xlsx",
        "notes.csv",
    ):
        delivered.write(file, "x")
    found = find_extracts(delivered.folder, load_mapping(delivered.folder))
    deliveries, warnings = found.deliveries, found.warnings
    assert {(delivery.table, delivery.file) for delivery in deliveries} == {
        ("crm.customers", "crm/customers.csv"),
        ("crm.cases", "crm/cases_2024-01.csv.gz"),
        ("crm.surveys", "crm/surveys-1.json"),
        ("billing.invoices", "billing/invoices/2024/01.parquet"),
        ("billing.invoice_lines", "billing/invoice_lines.tsv"),
        ("billing.subscriptions", "billing/subscriptions 2.xlsx"),
        ("billing.subscription_events", "billing/subscription_events.1.jsonl"),
    }
    assert [warning.partition(":")[0] for warning in warnings] == [
        "billing/archive/invoices.csv",
        "crm/customers.txt.bak",
        "crm/other.csv",
    ]


def test_mapped_files_may_lie_anywhere(delivered):
    delivered.write("in/2024/a [1].csv", content("1"))
    delivered.write("in/2024/b.csv", content("2"))
    (delivered.root / "elsewhere").mkdir()
    (delivered.root / "elsewhere" / "c.csv").write_text(content("3"))
    delivered.write("billing/invoices.csv", content("4"))
    report = delivered.load(
        (
            "tables: {billing.invoices: {files: ['in/**/a [1].csv', 'in/2024/a [1].csv', 'in/*/b.csv',"
            " '../elsewhere/*.csv']}}"
        ).replace("'in/**/a [1].csv', ", "")
    )
    assert [file.file for file in report.files] == ["../elsewhere/c.csv", "in/2024/a [1].csv", "in/2024/b.csv"]
    assert ["billing/invoices.csv" in warning for warning in report.warnings] == [True]


def test_a_pattern_that_matches_nothing_is_refused_with_its_line(delivered):
    delivered.write("billing/invoices_2024.csv", content("1"))
    message = delivered.refused("tables:\n  billing.invoices:\n    files: billing/invoice_2024.csv\n")
    assert "extracts.yml, line 3" in message and "'billing/invoices_2024.csv'" in message


def test_files_of_an_unknown_kind_are_refused_where_they_are_mapped(delivered):
    delivered.write("a.pdf", "x")
    message = delivered.refused("tables: {billing.invoices: {files: a.pdf}}")
    assert "a.pdf" in message and "CSV" in message


@pytest.mark.parametrize(
    "setup, words",
    [("missing", ["no folder"]), ("empty", ["no files"]), ("crm only", ["no billing table", "crm.customers"])],
)
def test_folders_without_billing(delivered, setup, words):
    if setup == "missing":
        delivered.folder.rmdir()
    if setup == "crm only":
        delivered.write("crm/customers.csv", "customer_id\nc\n")
    message = delivered.refused()
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    "mapped, words",
    [
        (
            "cost: Cost",
            (
                "b.csv has no column 'Cost': billing.invoices.cost is empty in 3 rows of 2 customers"
                " with amount 30.50 EUR + 4.00 USD. If that is right, write optional: true."
            ),
        ),
        (
            "status: {from: State, optional: true}",
            (
                "no file of billing.invoices has a column 'State'; status is empty in 4 rows of 3 customers"
                " with amount 130.50 EUR + 4.00 USD. Export it too, or remove status"
            ),
        ),
    ],
)
def test_a_warning_of_a_lacking_column_names_customers_and_money(delivered, mapped, words):
    columns = f"{{invoice_id: id, customer_id: client, issued_at: day, amount: amount, currency: currency, {mapped}}}"
    delivered.write("extracts.yml", f"tables: {{billing.invoices: {{files: '*.csv', columns: {columns}}}}}")
    delivered.write("a.csv", "id,client,day,amount,currency,Cost\n1,a,2024-01-31,100,EUR,7\n")
    delivered.write(
        "b.csv",
        "id,client,day,amount,currency\n2,b,2024-01-31,10,EUR\n3,b,2024-02-29,20.5,EUR\n4,c,2024-02-29,4,usd\n",
    )
    (warning,) = delivered.load().warnings
    assert words in warning


def test_paths_that_share_most_of_their_lines_are_told(delivered):
    header = "invoice_id,customer_id,issued_at,amount\n"
    lines = [f"{i},c,2024-01-31,{i}\n" for i in range(10)]
    delivered.write("billing/invoice_lines_1.csv", header + "".join(lines))
    delivered.write(
        "billing/invoice_lines_2.csv", header + "".join(lines[5:]) + "".join(f"x{line}" for line in lines[:4])
    )
    (warning,) = delivered.load().warnings
    assert "invoice_lines_1.csv" in warning and "invoice_lines_2.csv" in warning and "share 5 lines" in warning
    assert "with amount 35.00 (9 in the smaller file)" in warning
    delivered.write(
        "billing/invoice_lines_2.csv", header + "".join(lines[6:]) + "".join(f"x{line}" for line in lines[:4])
    )
    assert delivered.load().warnings == []
    keyed = "tables: {billing.invoice_lines: {columns: {line_id: invoice_id, invoice_id: invoice_id}}}"
    delivered.write("billing/invoice_lines_3.csv", header + "".join(lines))
    delivered.write("billing/invoice_lines_4.csv", header + "".join(lines) + "y,c,2024-01-31,1\n")
    assert delivered.load(keyed).warnings == []


def test_sources_that_share_most_of_their_lines_may_have_ids_that_meet(delivered):
    lines = "invoice_id,customer_id,issued_at,amount\n1,1,2024-01-31,5\n2,2,2024-01-31,5\n"
    delivered.write("erp.csv", lines)
    delivered.write("shop.csv", lines + "3,3,2024-01-31,5\n")
    sources = "[{name: erp, files: erp.csv}, {name: shop, files: shop.csv%s}]"
    [warning] = delivered.load(f"tables: {{billing.invoice_lines: {sources % ''}}}").warnings
    assert "share 2 lines" in warning and "write key_prefix and customer_prefix" in warning
    cured = sources % ", key_prefix: shop-, customer_prefix: shop-"
    assert delivered.load(f"tables: {{billing.invoice_lines: {cured}}}").warnings == []


def test_a_refusal_in_one_table_loads_nothing_of_another(delivered):
    delivered.write("billing/invoices.csv", content("1"))
    delivered.load()
    delivered.write("billing/invoices_2.csv", content("2"))
    delivered.write("crm/customers.csv", "")
    delivered.refused()  # compares what raw holds before and after


def test_a_failure_while_rows_are_stored_leaves_everything_as_it_was(delivered, monkeypatch):
    from orchestration.loading import registry

    delivered.write("billing/invoices.csv", content("1"))
    delivered.load()
    before = delivered.snapshot()
    delivered.write("billing/invoices_2.csv", content("2"))
    monkeypatch.setattr(registry, "settle", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        delivered.load()
    assert delivered.snapshot() == before


def test_the_fingerprint_changes_with_content_and_mapping(delivered):
    delivered.write("billing/invoices.csv", content("1"))

    def seen() -> str:
        return find_extracts(delivered.folder, load_mapping(delivered.folder)).fingerprint

    first = seen()
    delivered.write("notes.txt", "nothing to do with it")
    assert seen() == first
    delivered.write("extracts.yml", "time_zone: Europe/Sofia")
    second = seen()
    delivered.write("billing/invoices.csv", content("2"))
    assert len({first, second, seen()}) == 3


def test_every_contract_table_exists(delivered):
    delivered.write("billing/invoices.csv", content("1"))
    delivered.load()
    assert (
        delivered.rows("crm.departures", "departure_id, file, is_current, in_force, load_order, malformed, raw_row")
        == []
    )


def test_folders_that_look_like_partitions_add_no_columns(delivered):
    delivered.write("billing/invoices/year=2024/a.csv", content("1"))
    path = delivered.folder / "billing" / "invoices" / "year=2024" / "b.parquet"
    delivered.con.execute(
        "copy (select 2 as invoice_id, 'c' as customer_id, date '2024-01-31' as issued_at, 1 as amount)"
        f" to '{path}' (format parquet)"
    )
    assert delivered.load().unmapped == {}
    assert delivered.column("billing.invoices", "invoice_id") == ["1", "2"]


def test_what_a_preset_names_may_be_missing(delivered, monkeypatch):
    from orchestration.contract import mapping

    monkeypatch.setattr(mapping, "PRESETS", delivered.root)
    (delivered.root / "vendor.yml").write_text(
        "tables:\n  billing.invoices: {files: 'inv*.csv', columns: {status: state}}\n"
        "  billing.refunds: {files: 'refunds*.csv'}\n"
    )
    delivered.write("inv.csv", content("1"))
    report = delivered.load("preset: vendor")
    assert [file.table for file in report.files] == ["billing.invoices"]
    assert report.warnings == []


def test_a_restored_file_is_warned_about_once_and_not_in_a_snapshot(delivered):
    def told() -> list[str]:
        return [warning for warning in delivered.load().warnings if "holds again" in warning]

    for ids, times in (("1", 0), ("2", 0), ("1", 1), ("1", 0), ("2", 1), ("3", 0)):
        delivered.write("billing/invoices.csv", content(ids))
        assert len(told()) == times
    delivered.write("extracts.yml", "tables: {billing.invoices: {files: billing/*.csv, delivery: snapshot}}")
    delivered.write("billing/invoices.csv", content("1"))
    assert told() == []


class TestMovedToAnotherTable:
    """A corrected mapping gives a file to another table than before."""

    refunds = "billing.refunds: {{files: '{}', columns: {{refund_id: invoice_id, refunded_at: issued_at}}}}"

    @pytest.fixture(autouse=True)
    def loaded_as_refunds(self, delivered):
        delivered.write("billing/invoice_lines.csv", "invoice_id,customer_id,issued_at,amount\n9,c,2024-01-31,1\n")
        delivered.write("sales.csv", content("1", "2"))
        delivered.write("copy.csv", content("1", "2"))
        delivered.write("more.csv", content("3"))
        delivered.load(f"tables: {{{self.refunds.format('*.csv')}}}")
        assert self.of(delivered, "refund") == ["1", "2", "3"]

    def of(self, delivered, what: str) -> list[str]:
        return [
            key
            for (key,) in delivered.con.execute(f"select {what}_id from raw.billing__{what}s order by all").fetchall()
        ]

    def test_its_rows_leave_the_first_table(self, delivered):
        report = delivered.load("tables: {billing.invoices: {files: '*.csv'}}")
        assert (self.of(delivered, "refund"), self.of(delivered, "invoice")) == ([], ["1", "2", "3"])
        assert (
            "sales.csv was billing.refunds before and is not any more: its rows there are taken back."
            in report.warnings
        )
        assert delivered.con.execute(
            "select count(*) from raw.files where table_name = 'billing.refunds'"
        ).fetchone() == (0,)

    def test_rows_that_another_path_delivers_stay(self, delivered):
        delivered.load(f"tables: {{{self.refunds.format('copy.csv')}, billing.invoices: {{files: '[sm]*.csv'}}}}")
        assert (self.of(delivered, "refund"), self.of(delivered, "invoice")) == (["1", "2"], ["1", "2", "3"])

    def test_a_file_that_is_gone_stays_what_it_was(self, delivered):
        (delivered.folder / "more.csv").unlink()
        report = delivered.load("tables: {billing.invoices: {files: '[sc]*.csv'}}")
        assert (self.of(delivered, "refund"), self.of(delivered, "invoice")) == (["3"], ["1", "2"])
        assert not [warning for warning in report.warnings if "more.csv" in warning]


@pytest.mark.parametrize("keys", ["", ", snapshot: all"])
def test_a_list_that_is_written_anew_with_other_numbers_is_told(delivered, keys):
    subscriptions = "subscription_id,customer_id,started_on,unit_price\n"
    mapping = f"tables: {{billing.subscriptions: {{files: s.csv, delivery: snapshot{keys}}}}}"
    delivered.write("s.csv", subscriptions + "1,a,2024-01-01,10\n2,b,2024-01-01,10\n")
    assert delivered.load(mapping).warnings == []
    delivered.write("s.csv", subscriptions + "2,b,2024-01-01,10\n3,c,2024-01-01,10\n")
    assert delivered.load(mapping).warnings == []
    delivered.write("s.csv", subscriptions + "11,b,2024-01-01,10\n12,c,2024-01-01,10\n")
    [warning] = delivered.load(mapping).warnings
    assert "shares no key (subscription_id)" in warning and "2 customers, unit_price 20.00" in warning
