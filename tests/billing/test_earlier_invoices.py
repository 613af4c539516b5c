"""Invoices of an earlier version have their entries after an upgrade, as if this one had issued them."""

import contextlib

import pytest
from sqlalchemy import text

from engine.billing.accounts.account_store import AccountKey, load
from engine.sql.database import open_database

SUMS = ("amount", "discounts", "commitments", "credits", "included_tax", "tax", "due")
ISSUED_US = 1_700_000_000_000_000
DAY_US = 86_400_000_000


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_server").new_url()
    return f"sqlite:///{tmp_path / 'catalog.sqlite'}"


def insert_invoice(connection, number, due, state="issued"):
    values = {
        "tenant": "t1",
        "invoice_id": f"i{number}",
        "number": number,
        "state": state,
        "customer_id": "acme",
        "currency": "USD",
        "period_start_us": number,
        "period_end_us": number + 1,
        "close_id": "c",
        "as_of_us": 1,
        "catalog_revision": 1,
        "issued_at_us": ISSUED_US,
        "line_count": 0,
        **dict.fromkeys(SUMS, due),
        "voided_at_us": ISSUED_US + 1 if state == "void" else None,
        "void_reason": "",
    }
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    connection.execute(text(f"INSERT INTO invoices ({names}) VALUES ({marks})"), values)


def test_an_upgrade_enters_what_is_owed(url):
    """12.96 are owed, -5.00 are balance, nothing of 0.00 and of what is void."""
    with contextlib.closing(open_database(url, schema="0011")) as older, older.writing() as connection:
        for number, due in enumerate(("12.96", "-5.00", "0.00"), start=1):
            insert_invoice(connection, number, due)
        insert_invoice(connection, 4, "7.00", state="void")
    with contextlib.closing(open_database(url)) as database:
        with database.reading() as connection:
            account = load(connection, AccountKey("t1", "acme", "USD"))
            due_at = connection.scalars(text("SELECT due_at_us FROM invoices")).all()
        found = [
            (str(each.state), each.outstanding_minor)
            for each in sorted(account.invoices.values(), key=lambda each: each.number)
        ]
    assert found == [("issued", 1296), ("paid", 0), ("paid", 0), ("void", 0)]
    assert account.balance_minor == 500
    assert set(due_at) == {ISSUED_US + 30 * DAY_US}
