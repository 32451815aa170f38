"""Ids of persons and what may be wrong with them: pseudonyms, addresses, powers of ten, spellings."""

import pytest

INVOICES = "invoice_id,Who,issued_at,amount\n1,Ivan Petrov,2024-01-05,5\n"
PSEUDONYM = "billing.invoices: {files: i.csv, columns: {customer_id: {from: Who, pseudonym: true}}}"


@pytest.mark.parametrize(
    "files, tables",
    [
        ({"crm/customers.csv": "customer_id,country\nIvan Petrov,BG\n"}, ""),
        ({"c.csv": "case_id,customer_id,opened_at\n1,Ivan Petrov,2024-01-06\n"}, "crm.cases: {files: c.csv}"),
        (
            {"c.csv": "Who,merged_into\nIvan P,Ivan Petrov\n"},
            "crm.customers: {files: c.csv, columns: {customer_id: {from: Who, pseudonym: true}}}",
        ),
        (
            {"c.csv": "case_id,Client,opened_at\n1,Ivan Petrov,2024-01-06\n"},
            "crm.cases: {files: c.csv, columns: {customer_id: Client}}",
        ),
    ],
    ids=["a table without a mapping", "a column by its name", "another column of the table", "a mapped column"],
)
def test_an_id_that_is_a_pseudonym_in_one_place_only_is_refused(delivered, files, tables):
    for name, content in {"i.csv": INVOICES, **files}.items():
        delivered.write(name, content)
    message = delivered.refused(f"tables: {{{PSEUDONYM}, {tables}}}")
    assert "can't be joined" in message and "pseudonym: true" in message


def test_a_constant_and_an_id_of_another_kind_are_no_pseudonyms_and_need_not_be(delivered):
    delivered.write("i.csv", INVOICES.replace("amount", "amount,employee_id").replace(",5\n", ",5,e1\n"))
    delivered.write("j.csv", "invoice_id,issued_at,amount\n2,2024-01-05,5\n")
    constant = "{files: j.csv, columns: {customer_id: {value: counter}}}"
    delivered.load(f"tables: {{billing.invoices: [{PSEUDONYM.partition(': ')[2]}, {constant}]}}")
    assert delivered.column("billing.invoices", "employee_id") == ["e1", None]


@pytest.mark.parametrize(
    "ids, word", [(("Ivan Petrov", "IVAN  PETROV"), "normalise: name"), (("1001.0", "1001"), "with a decimal")]
)
def test_pseudonyms_of_ids_that_are_probably_one_are_told(delivered, ids, word):
    rows = "".join(f"{number},{who},2024-01-05,5\n" for number, who in enumerate(ids))
    delivered.write("i.csv", "invoice_id,Who,issued_at,amount\n" + rows)
    [warning] = delivered.load(f"tables: {{{PSEUDONYM}}}").warnings
    assert word in warning and "Ivan" not in warning


def test_addresses_that_other_ids_stand_for_are_refused_too(delivered):
    delivered.write("billing/invoices.csv", "invoice_id,customer_id,issued_at,amount\n1,17,2024-01-05,5\n")
    delivered.write("crm/customer_ids.csv", "source_id,customer_id\n17,ana@example.com\n")
    assert "crm.customer_ids: 1 of 1 customers" in delivered.refused()


def test_addresses_of_one_source_are_refused_however_many_ids_another_has(delivered):
    header = "invoice_id,customer_id,issued_at,amount\n"
    delivered.write("erp.csv", header + "".join(f"{number},{number},2024-01-05,5\n" for number in range(9)))
    delivered.write("shop.csv", header + "s1,ana@example.com,2024-01-05,5\n")
    sources = "[{name: erp, files: erp.csv}, {name: shop, files: shop.csv}]"
    message = delivered.refused(f"tables: {{billing.invoices: {sources}}}")
    assert "billing.invoices: 1 of 1 customers" in message and "shop.csv" in message and "erp.csv" not in message


def test_a_power_of_ten_is_no_id_within_a_key_of_several_columns_either(delivered):
    delivered.write("i.csv", "a;b;customer_id;issued_at;amount\n1.5E+10;x;c;2024-01-05;5\n1e5;x;c;2024-01-05;5\n")
    report = delivered.load("tables: {billing.invoices: {files: i.csv, columns: {invoice_id: [a, b]}}}")
    assert delivered.column("billing.invoices", "invoice_id") == ["unreadable: 1.5E+10|x", "1e5|x"]
    assert "power of ten" in report.warnings[0]
