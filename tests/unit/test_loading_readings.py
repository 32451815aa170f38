"""How values are read: dates and numbers, declared and undeclared; what cannot be read stays as it is, marked."""

import pytest

from tests.unit.delivered import Delivered

INVOICES = "tables: {billing.invoices: {%s}}"


def dates(delivered: Delivered, values: list[str], mapping: str = "") -> list:
    """`values` as issued_at of invoices, as `raw` has them."""
    rows = "".join(f'{i};c;"{value}";1\n' for i, value in enumerate(values))
    delivered.write("billing/invoices.csv", "invoice_id;customer_id;issued_at;amount\n" + rows)
    delivered.load(mapping)
    return delivered.column("billing.invoices", "issued_at")


def amounts(delivered: Delivered, values: list[str], mapping: str = "") -> list:
    rows = "".join(f'{i};c;2024-01-31;"{value}"\n' for i, value in enumerate(values))
    delivered.write("billing/invoices.csv", "invoice_id;customer_id;issued_at;amount\n" + rows)
    delivered.load(mapping)
    return delivered.column("billing.invoices", "amount")


def unreadable(text: str) -> str:
    return f"unreadable: {text}"


def test_iso(delivered):
    values = {
        "2024-01-31": "2024-01-31 00:00:00",
        " 2024-01-31 ": "2024-01-31 00:00:00",
        "2024-01-31T10:30": "2024-01-31 10:30:00",
        "2024-01-31 10:30:15": "2024-01-31 10:30:15",
        "2024-01-31 10:30:15.25": "2024-01-31 10:30:15.25",
        "2024-01-31T10:30:15,123456789": "2024-01-31 10:30:15.123456",
        "2024-01-31T22:30:00Z": "2024-02-01 00:30:00",
        "2024-07-31T22:30Z": "2024-08-01 01:30:00",
        "2024-01-31 22:30:00+00": "2024-02-01 00:30:00",
        "2024-01-31 22:30:00.5 -0100": "2024-02-01 01:30:00.5",
        "2024-02-01T10:30:00+05:30": "2024-02-01 07:00:00",
        "": None,
        "  ": None,
        "2024-02-30": unreadable("2024-02-30"),
        "2024-01-31 25:00": unreadable("2024-01-31 25:00"),
        "0024-01-31": unreadable("0024-01-31"),
        "24-01-31": unreadable("24-01-31"),
        "2024-1-31": unreadable("2024-1-31"),
        "20240131": unreadable("20240131"),
        "31.01.2024x": unreadable("31.01.2024x"),
        "2024-01-31 noon": unreadable("2024-01-31 noon"),
    }
    assert dates(delivered, list(values), "time_zone: Europe/Sofia") == list(values.values())


def test_the_day_of_an_instant_is_the_companys(delivered):
    delivered.write(
        "billing/subscriptions.csv",
        "subscription_id,customer_id,started_on,ended_on\n1,c,2024-01-31T22:30:00Z,2024-05-01 23:59\n",
    )
    delivered.load("time_zone: Europe/Sofia")
    assert delivered.rows("billing.subscriptions", "started_on, ended_on") == [("2024-02-01", "2024-05-01")]


@pytest.mark.parametrize(
    "values, expected",
    [
        (["31.01.2024", "01.02.2024"], ["2024-01-31", "2024-02-01"]),
        (["31/1/2024", "1/2/2024"], ["2024-01-31", "2024-02-01"]),
        (["31-01-2024 9:05", "01-02-2024 10:30:15"], ["2024-01-31 09:05:00", "2024-02-01 10:30:15"]),
        (
            ["1/31/2024 9:05 PM", "2/1/2024, 12:00 am", "2/1/2024 12:30:01pm"],
            ["2024-01-31 21:05:00", "2024-02-01 00:00:00", "2024-02-01 12:30:01"],
        ),
        (
            ["01/31/2024", "02/01/2024", "31/31/2024", "soon"],
            ["2024-01-31", "2024-02-01", unreadable("31/31/2024"), unreadable("soon")],
        ),
        (
            ["2024-01-31", "2024-02-01", "01.02.2024"],
            ["2024-01-31", "2024-02-01", unreadable("01.02.2024")],
        ),  # ISO reads most
        (["soon", "later"], [unreadable("soon"), unreadable("later")]),
        (["31.01/2024", "31.01.2024"], [unreadable("31.01/2024"), "2024-01-31"]),
    ],
)
def test_undeclared_dates_have_the_only_reading_that_fits(delivered, values, expected):
    assert [
        value.removesuffix(" 00:00:00") if len(expected[i]) < 12 else value
        for i, value in enumerate(dates(delivered, values))
    ] == expected


@pytest.mark.parametrize(
    "values", [["01.02.2024"], ["1/2/2024", "12/12/2024", ""], ["01-02-2024", "99-99-2024"], ["05.05.2024"]]
)
def test_dates_that_fit_two_readings_are_refused(delivered, values):
    delivered.write(
        "billing/invoices.csv",
        "invoice_id;customer_id;issued_at;amount\n" + "".join(f"1;c;{value};1\n" for value in values),
    )
    message = delivered.refused()
    assert "date_format" in message and "issued_at" in message and "billing/invoices.csv" in message
    if values[0] != "05.05.2024":
        assert "2024-02-01" in message and "2024-01-02" in message


def test_dates_that_contradict_each_other_are_refused(delivered):
    delivered.write(
        "billing/invoices.csv",
        "invoice_id;customer_id;issued_at;amount\n1;c;31.01.2024;1\n2;c;01/31/2024;1\n3;c;2024-01-31;1\n",
    )
    message = delivered.refused()
    assert "contradict" in message and "date_format" in message


def test_all_files_vote_and_earlier_ones_too(delivered):
    header = "invoice_id,customer_id,issued_at,amount\n"
    delivered.write("billing/invoices_1.csv", header + "1,c,01/02/2024,1\n")
    second = delivered.write("billing/invoices_2.csv", header + "2,c,01/31/2024,1\n")
    report = delivered.load()
    assert delivered.column("billing.invoices", "issued_at") == ["2024-01-02 00:00:00", "2024-01-31 00:00:00"]
    assert report.readings == {"billing.invoices": {"issued_at": "mdy"}}
    second.unlink()
    delivered.write("billing/invoices_3.csv", header + "3,c,03/04/2024,1\n")
    delivered.load()
    assert delivered.column("billing.invoices", "issued_at")[2] == "2024-03-04 00:00:00"
    delivered.write("billing/invoices_4.csv", header + "4,c,31/01/2024,1\n")
    assert "contradict" in delivered.refused()


def test_a_reading_that_is_overturned_is_read_again(delivered):
    header = "invoice_id,customer_id,issued_at,amount\n"
    delivered.write("billing/invoices_1.csv", header + "1,c,31.01.2024,1\n")
    delivered.load()
    delivered.write("billing/invoices_2.csv", header + "".join(f"{i},c,2024-01-{i},1\n" for i in range(10, 20)))
    delivered.load()
    assert delivered.column("billing.invoices", "issued_at")[0] == unreadable("31.01.2024")


def test_each_column_has_its_own_reading(delivered):
    delivered.write(
        "billing/invoices.csv",
        "invoice_id,customer_id,issued_at,paid_at,amount\n1,c,31.01.2024,2024-02-01,1\n2,c,01.02.2024,,1\n",
    )
    delivered.load()
    assert delivered.rows("billing.invoices", "issued_at, paid_at") == [
        ("2024-01-31 00:00:00", "2024-02-01 00:00:00"),
        ("2024-02-01 00:00:00", None),
    ]


@pytest.mark.parametrize(
    "format, values",
    [
        (
            "%d.%m.%Y %H:%M",
            {"01.02.2024 10:30": "2024-02-01 10:30:00", "2024-02-01": None, "01.02.24 10:30": None, "01.02.2024": None},
        ),
        ("%m-%d-%Y", {"01-02-2024": "2024-01-02 00:00:00", "13-02-2024": None, "1-2-24": None}),
        ("%d %b %Y", {"1 Feb 2024": "2024-02-01 00:00:00"}),
        ("%Y-%m-%dT%H:%M:%S%z", {"2024-01-31T22:30:00+0000": "2024-02-01 00:30:00"}),
        (
            "epoch_s",
            {
                "1706745600": "2024-02-01 02:00:00",
                "1706745600.5": "2024-02-01 02:00:00.5",
                "-1": "1970-01-01 01:59:59",
                "x": None,
                "9" * 20: None,
            },
        ),
        ("epoch_ms", {"1706745600123": "2024-02-01 02:00:00.123", "1.7067456e12": "2024-02-01 02:00:00"}),
    ],
)
def test_declared_dates(delivered, format, values):
    found = dates(
        delivered, list(values), f"time_zone: Europe/Sofia\ntables: {{billing.invoices: {{date_format: '{format}'}}}}"
    )
    assert found == [read or unreadable(text) for text, read in values.items()]


def test_a_declared_format_may_write_what_people_put_after_the_year(delivered):
    values = ["05.01.2024 г.", "06.01.2024", "07.01.2024."]
    assert dates(delivered, values, "tables: {billing.invoices: {date_format: '%d.%m.%Y г.'}}") == [
        "2024-01-05 00:00:00",
        "2024-01-06 00:00:00",
        "2024-01-07 00:00:00",
    ]


def test_a_language_leaves_dates_without_names_of_months_to_the_vote(delivered):
    delivered.write(
        "billing/invoices.csv",
        "invoice_id,customer_id,issued_at,amount,paid_at,updated_at\n"
        "1,c,5 януари 2024 г.,1,31.01.2024 10:00,2024-02-01 10:00:00\n"
        "2,c,2024-01-06,1,03.02.2024 10:00,2024-02-01\n",
    )
    report = delivered.load("tables: {billing.invoices: {date_language: bg}}")
    assert report.warnings == []
    assert delivered.rows("billing.invoices", "issued_at, paid_at, updated_at") == [
        ("2024-01-05 00:00:00", "2024-01-31 10:00:00", "2024-02-01 10:00:00"),
        ("2024-01-06 00:00:00", "2024-02-03 10:00:00", "2024-02-01 00:00:00"),
    ]


def test_serial_dates_have_the_declared_decimal_mark(delivered):
    mapping = "tables: {billing.invoices: {decimal: ',', date_format: excel_serial}}"
    assert dates(delivered, ["45292,5", "45292"], mapping) == ["2024-01-01 12:00:00", "2024-01-01 00:00:00"]


def test_years_and_months_are_added_before_days(delivered):
    """The last day of a month's service, however long the month."""
    mapping = "{issued_at: {from: issued_at, add: {days: -1, months: 1}}}"
    assert dates(delivered, ["2024-03-01"], f"tables: {{billing.invoices: {{columns: {mapping}}}}}") == [
        "2024-03-31 00:00:00"
    ]


@pytest.mark.parametrize(
    "text, currency, amount",
    [
        ("CHF 10.-", "CHF", "10"),  # no cents, and not negative
        ("10,-", "CHF", "10"),
        ("1 лев", "BGN", "1"),
        ("10.50-", "EUR", "-10.50"),
        ("$50 CAD", "CAD", "50"),
        ("$50 CAD", "USD", unreadable("$50 CAD")),
        ("€5 USD", "EUR", unreadable("€5 USD")),
        ("USD $50.00", "USD", "50.00"),
        ("EUR €50", "EUR", "50"),
        ("50 лв. BGN", "BGN", "50"),
        ("(US$ USD 50)", "USD", "-50"),
        ("USD $50", "EUR", unreadable("USD $50")),
        ("EUR $50", "EUR", unreadable("EUR $50")),
        ("50 EUR USD", "USD", unreadable("50 EUR USD")),
        ("50 PKR", "PKR", "50"),  # not a P and a KR
    ],
)
def test_money_as_people_write_it(delivered, text, currency, amount):
    columns = f"{{currency: {{value: {currency}}}}}"
    assert amounts(delivered, [text], f"tables: {{billing.invoices: {{columns: {columns}}}}}") == [amount]


def test_what_stands_behind_an_amount_says_which_dollar(delivered):
    amounts(delivered, ["$50 CAD", "$50"], "reporting_currency: EUR")
    assert delivered.column("billing.invoices", "currency") == ["CAD", None]


def test_several_signs_stand_for_the_currency_that_they_have_in_common(delivered):
    texts = ["USD $50", "EUR €50", "50 лв. BGN", "$ 50 $", "€50 USD"]
    assert amounts(delivered, texts, "reporting_currency: EUR") == ["50", "50", "50", "50", unreadable("€50 USD")]
    assert delivered.column("billing.invoices", "currency") == ["USD", "EUR", "BGN", None, None]


def test_a_percentage_with_an_undeclared_comma_is_told(delivered):
    delivered.write(
        "billing/subscriptions.csv",
        "subscription_id;customer_id;started_on;unit_price;discount_rate\n1;c;2024-01-01;1;12,5%\n",
    )
    assert any("Declare decimal" in warning for warning in delivered.load().warnings)


def test_numbers(delivered):
    values = {
        "12.50": "12.50",
        "-3": "-3",
        "+3": "3",
        " 7 ": "7",
        "1,234.5": "1234.5",
        "1,234,567": "1234567",
        "1 234.5": "1234.5",
        "1\u00a0234": "1234",
        "1\u202f234.50": "1234.50",
        "1'234'567.89": "1234567.89",
        "49.900000000000006": "49.900000000000006",
        "1e-05": "0.000010000000000",
        "1.5E3": "1500.000000000000000",
        ".5": ".5",
        "10 EUR": "10",
        "(5)": "-5",
        "0.001": "0.001",
        "": None,
        **{
            text: unreadable(text)
            for text in [
                "12,50",
                "1,23,456",
                "0,123",
                "1,2345",
                "1,234 567",
                "NaN",
                "inf",
                "-Infinity",
                "1.2.3",
                "1e",
                "1_000",
                "٣",
            ]
        },
    }
    assert amounts(delivered, list(values)) == list(values.values())


def test_numbers_with_a_declared_comma(delivered):
    values = {
        "12,50": "12.50",
        "1.234,5": "1234.5",
        "1.234": "1234",
        "1 234,5": "1234.5",
        "-0,5": "-0.5",
        "12.50": None,
        "1,234.5": None,
        "7": "7",
    }
    assert amounts(delivered, list(values), INVOICES % 'decimal: ","') == [
        read or unreadable(text) for text, read in values.items()
    ]


@pytest.mark.parametrize("values", [["1.234"], ["1,234", "5"], ["1.234", "999", "x"], ["-1.234"]])
def test_numbers_that_fit_both_marks_are_refused(delivered, values):
    delivered.write(
        "billing/invoices.csv",
        "invoice_id;customer_id;issued_at;amount\n" + "".join(f"1;c;2024-01-31;{value}\n" for value in values),
    )
    message = delivered.refused()
    assert "decimal:" in message and "amount" in message and values[0] in message


@pytest.mark.parametrize(
    "values", [["5", "10"], ["1 234"], ["1.234", "1.5"], ["1.234", "0.123"], ["1.2345", "1.234"], ["0.123"]]
)
def test_numbers_that_one_mark_fits_are_not(delivered, values):
    assert amounts(delivered, values) == [value.replace(" ", "") for value in values]


def test_files_without_values_have_no_vote(delivered):
    for number, amount in enumerate(["", "1.5", ""]):
        delivered.write(
            f"billing/invoices_{number}.csv",
            f"invoice_id,customer_id,issued_at,amount,paid_at\n{number},c,31.01.2024,{amount},\n",
        )
    delivered.load()
    assert delivered.column("billing.invoices", "amount") == [None, "1.5", None]


def test_a_declared_point_settles_it(delivered):
    assert amounts(delivered, ["1.234", "1,234"], INVOICES % 'decimal: "."') == ["1.234", "1234"]


def test_undeclared_commas_are_told(delivered):
    delivered.write("billing/invoices.csv", "invoice_id;customer_id;issued_at;amount\n1;c;2024-01-31;12,50\n")
    (warning,) = delivered.load().warnings
    assert "decimal" in warning and "amount" in warning


@pytest.mark.parametrize(
    "scale, values",
    [
        (
            "0.01",
            {
                "1999": "19.99",
                "0.1": "0.001",
                "1e2": "1",
                "-5": "-0.05",
                "": None,
                "x": unreadable("x"),
                "9" * 30: unreadable("9" * 30),
            },
        ),
        ("100", {"19.99": "1999", "0": "0"}),
        ("-1", {"5": "-5", "0.30": "-0.3"}),
        ("0.000001", {"1234567": "1.234567"}),
    ],
)
def test_scale_multiplies_exactly(delivered, scale, values):
    found = amounts(
        delivered, list(values), INVOICES % f'decimal: ".", columns: {{amount: {{from: amount, scale: {scale}}}}}'
    )
    assert found == list(values.values())


STATUS = (
    "invoice_id,customer_id,issued_at,amount,Paid\n1,c,2024-01-31,1,Yes\n2,c,2024-01-31,1,No\n3,c,2024-01-31,1,yes\n"
    "4,c,2024-01-31,1,\n5,c,2024-01-31,1,Yes \n"
)


@pytest.mark.parametrize(
    "rule, expected",
    [
        ("{from: Paid, values: {Yes: paid, No: void}}", ["paid", "void", "yes", None, "paid"]),
        ("{from: Paid, values: {Yes: paid, No: void}, default: open}", ["paid", "void", "open", "open", "paid"]),
        ("{from: Paid, values: {' Yes': '', '': open}}", [None, "No", "yes", "open", None]),
        ("{from: Paid, default: open}", ["Yes", "No", "yes", "open", "Yes"]),
        ("{value: paid}", ["paid"] * 5),
        ("[invoice_id, Paid]", ["1|Yes", "2|No", "3|yes", "4|", "5|Yes"]),
        ("Paid", ["Yes", "No", "yes", None, "Yes"]),
    ],
)
def test_values_default_constants_and_keys_of_several_columns(delivered, rule, expected):
    delivered.write("billing/invoices.csv", STATUS)
    delivered.load(INVOICES % f"columns: {{status: {rule}}}")
    assert delivered.column("billing.invoices", "status") == expected


def test_a_key_of_several_columns_is_empty_when_all_are(delivered):
    delivered.write(
        "billing/invoice_lines.csv",
        "invoice_id,customer_id,issued_at,amount,a,b\n1,c,2024-01-31,1,x,\n1,c,2024-01-31,1, ,\n1,c,2024-01-31,1,,y\n",
    )
    delivered.load("tables: {billing.invoice_lines: {columns: {line_id: [a, b]}}}")
    assert delivered.column("billing.invoice_lines", "line_id") == ["x|", None, "|y"]


def test_values_are_read_like_what_they_stand_for(delivered):
    delivered.write(
        "billing/invoices.csv", "invoice_id;customer_id;issued_at;amount\n1;c;never;1,5\n2;c;31.01.2024;none\n"
    )
    delivered.load(
        INVOICES
        % (
            "date_format: '%d.%m.%Y', decimal: ',', columns: {issued_at: {from: issued_at, values: {never: ''}},"
            " amount: {from: amount, values: {none: '0,5'}}}"
        )
    )
    assert delivered.rows("billing.invoices", "issued_at, amount") == [(None, "1.5"), ("2024-01-31 00:00:00", "0.5")]


def test_where_keeps_only_listed_values(delivered):
    delivered.write("billing/invoices.csv", STATUS)
    report = delivered.load(INVOICES % "where: {Paid: [Yes, ''], invoice_id: ['1', '4', '5', '9']}")
    assert delivered.column("billing.invoices", "invoice_id") == ["1", "4", "5"]
    assert (report.files[0].rows_read, report.files[0].rows_filtered) == (5, 2)
    assert ["'9'" in warning and "where" in warning for warning in report.warnings] == [True]
    assert delivered.column("billing.invoices", "row_number") == [1, 4, 5]


def test_keys_that_matched_nothing_are_told_on_every_refresh(delivered):
    delivered.write("billing/invoices.csv", STATUS)
    mapping = INVOICES % "columns: {status: {from: Paid, values: {Yes: paid, NO: void}}}"
    assert [warning for warning in delivered.load(mapping).warnings if "'NO'" in warning and "'Yes'" not in warning]
    again = delivered.load().warnings
    assert len(again) == 1 and "'NO'" in again[0]


def test_columns_not_listed_come_from_their_namesakes_unless_the_mapping_uses_those(delivered):
    delivered.write(
        "billing/subscriptions.csv", "customer_id,plan_id,started_on,status,extra\nc,p,2024-01-31,active,e\n"
    )
    report = delivered.load(
        "tables: {billing.subscriptions: {columns: {subscription_id: customer_id, end_reason: status}}}"
    )
    assert delivered.rows(
        "billing.subscriptions", "subscription_id, customer_id, plan_id, started_on, status, end_reason"
    ) == [("c", "c", "p", "2024-01-31", None, "active")]
    assert report.unmapped == {"billing.subscriptions": ["extra"]}


def test_a_source_that_no_file_has_is_refused_with_its_line_and_the_nearest_name(delivered):
    delivered.write("billing/invoices_1.csv", STATUS)
    message = delivered.refused("tables:\n  billing.invoices:\n    columns:\n      status: Payd\n")
    assert "extracts.yml, line 4" in message and "'Payd'" in message and "'Paid'" in message


@pytest.mark.parametrize(
    "rule", ["columns:\n      customer_id: CUSTOMER", "where:\n      CUSTOMER: c", "columns:\n      amount: CUSTOMER"]
)
def test_so_is_one_without_which_the_file_cannot_be_read(delivered, rule):
    for table in ("invoices", "invoice_lines"):
        delivered.write(f"billing/{table}.csv", "invoice_id,issued_at,Customer\n1,2024-01-31,c\n")
        message = delivered.refused(f"tables:\n  billing.{table}:\n    {rule}\n")
        assert "extracts.yml, line 4; the nearest valid name is 'Customer'" in message
        (delivered.folder / "billing" / f"{table}.csv").unlink()


def test_a_source_that_only_some_files_have_is_told(delivered):
    delivered.write("billing/invoices_1.csv", STATUS)
    delivered.write("billing/invoices_2.csv", "invoice_id,customer_id,issued_at,amount\n9,c,2024-01-31,1\n")
    (warning,) = delivered.load(INVOICES % "columns: {status: Paid}").warnings
    assert "invoices_2.csv" in warning and "'Paid'" in warning
    assert delivered.column("billing.invoices", "status")[-1] is None


@pytest.mark.parametrize(
    "columns, words",
    [
        ("{}", "'customer_id'"),
        ("{customer_id: client}", "'client' (customer_id,"),
        ("{amount: total}", "'total' (amount,"),
    ],
)
def test_a_required_column_that_is_missing_is_refused(delivered, columns, words):
    delivered.write("billing/invoices.csv", "invoice_id,issued_at,amount\n1,2024-01-31,1\n")
    message = delivered.refused(INVOICES % f"columns: {columns}")
    assert words in message and "billing/invoices.csv" in message


def test_lines_need_an_amount_or_quantity_and_price(delivered):
    delivered.write("billing/invoice_lines.csv", "invoice_id,customer_id,issued_at,quantity\n1,c,2024-01-31,1\n")
    assert "amount or quantity and unit_price" in delivered.refused()
    delivered.write(
        "billing/invoice_lines.csv", "invoice_id,customer_id,issued_at,quantity,unit_price\n1,c,2024-01-31,1,2\n"
    )
    delivered.load()


def test_letters_in_two_parts_are_loaded_as_one(delivered):
    delivered.write(
        "billing/subscriptions.csv",
        "subscription_id,customer_id,started_on,ended_on,end_reason\n1,a,2024-01-31,2024-02-29,trop che\u0301r\n",
    )
    delivered.load("tables: {}")
    assert delivered.column("billing.subscriptions", "end_reason") == ["trop ch\u00e9r"]


EVENTS = (
    "reporting_currency: EUR\n"
    "tables: {billing.subscription_events: {columns: {unit_price: {from: cents, scale: minor_units}}}}"
)


@pytest.mark.parametrize("currency", ["USD", "JPY"])
def test_cents_of_an_event_without_a_plan_are_read_where_all_plans_have_cents(delivered, currency):
    """The plan, and with it the currency, is that of an earlier event; a wrong minor unit would be a wrong amount."""
    delivered.write("billing/plans.csv", f"plan_id,price,currency\nbasic,10,{currency}\n")
    delivered.write(
        "billing/subscription_events.csv",
        "subscription_id,customer_id,event,occurred_on,plan_id,cents\n"
        "s,c,start,2024-01-31,basic,1000\ns,c,change,2024-02-29,,1200\n",
    )
    if currency == "USD":
        delivered.load(EVENTS)
        assert delivered.column("billing.subscription_events", "unit_price") == ["10", "12"]
    else:
        message = delivered.refused(EVENTS)
        assert "1 row of billing.subscription_events (the first is row 2)" in message
        assert "Map currency or plan_id" in message
