"""The journal of real invoices and all that happens to them: it balances, hledger says so, and its accounts are what others count."""

import csv
import io
import subprocess
from collections import Counter
from decimal import Decimal

import pytest
from sqlalchemy import delete, insert, select

from engine.access.caller import Caller, Scope
from engine.api.operation import Call
from engine.api.services.journal.journal_service import JournalService
from engine.api.services.turns import Turns
from engine.billing.accounts.account import EntryKind
from engine.billing.receivables.credit_note_store import creditable_lines
from engine.billing.receivables.journal import BilledLine, EnteredAmount, part_of_name, postings
from engine.billing.receivables.journal_reader import JournalReader
from engine.cli.receivables.journal_command import journal_text
from engine.errors import MeterlineError
from engine.sql.account_tables import ACCOUNT_ENTRIES
from engine.usage.store.usage_store import UsageStore
from meterline.v1.journal_pb2 import ListJournalEntriesRequest
from tests.support.accounts_world import AccountsWorld, account_key
from tests.support.closing_world import TENANT, ClosingWorld
from tests.support.observability.tools import outside_tool

CATALOG = """
meters: [{id: calls, event_type: call, aggregation: sum, value: value}]
plans:
  - {id: pro, name: Pro, currency: USD, prices: [{id: fee, model: flat, flat_amount: 10},
     {id: calls, meter: calls, model: per_unit, unit_amount: 0.50, product: api_calls}]}
tax_regions: [{id: home, name: Home, rates: [{id: vat, percent: 8}]}]
coupons: [{id: ten, name: Ten, percent_off: 10}]
credit_grants: [{id: gift, customer: acme, currency: USD, amount: 5, effective_at: 2026-11-01}]
customers:
  - {id: acme, name: Acme, tax_region: home, coupons: [{coupon: ten, start: 2026-10-01}]}
  - {id: bolt, name: Bolt}
  - {id: coil, name: Coil; Sons}
subscriptions:
  - {customer: acme, plan: pro, start: 2026-10-01}
  - {customer: bolt, plan: pro, start: 2026-10-01}
  - {customer: coil, plan: pro, start: 2026-10-01}
"""
CUSTOMERS = ("acme", "bolt", "coil")


class World:
    """November is closed: INV-000001 of acme, 2 of bolt, 3 of coil. Then money moves in every way."""

    def __init__(self, url, store):
        self.closing = ClosingWorld(url, store, CATALOG, "2026-11-01")
        self.closing.use("acme", "2026-11-05", 4)
        self.closing.at("2026-12-02").close("2026-11-01", "2026-12-01")
        self.accounts = AccountsWorld(url)
        self.accounts.now_us = self.closing.now_us
        reader = JournalReader(self.accounts.database, self.closing.booked, self.region_of)
        self.service = JournalService(reader, Turns("journals", at_once=1))

    def region_of(self, _tenant, customer, _revision):
        return {"acme": "home"}.get(customer, "")

    def invoice(self, name):
        return self.closing.invoices.invoice(TENANT, number=int(name[4:]))

    def happen(self):
        accounts, of = self.accounts, self.lines_of("INV-000001")
        accounts.pay("p1", "acme", 2000)
        accounts.refund("r1", "p1", 300)
        accounts.credit("c1", "INV-000001", of, (2, 77))
        accounts.uncredit(accounts.credit("c2", "INV-000001", of))
        accounts.write_off("INV-000002")
        accounts.pay("p2", "bolt", 400, "INV-000002")
        accounts.fail("p3", "coil", 500)
        accounts.pay("p4", "coil", 500)
        accounts.void("INV-000003")

    def lines_of(self, name):
        return creditable_lines(self.closing.booked.of_invoice(self.invoice(name))).amounts

    def entries(self, **fields):
        """A page for every two entries."""
        request, found = ListJournalEntriesRequest(page_size=2, **fields), []
        call = Call(Caller(TENANT, "key:test", frozenset({Scope.BILL})), lambda: True)
        while True:
            page = self.service.list_journal_entries(request, call)
            found += page.entries
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("journal")
    store = UsageStore.open_embedded(folder / "usage")
    made = World(f"sqlite:///{folder / 'catalog.sqlite'}", store)
    made.happen()
    yield made
    made.accounts.database.close()
    made.closing.finish()
    store.close()


def totals(entries):
    """Account -> its sum."""
    found = Counter()
    for entry in entries:
        assert sum(Decimal(each.amount) for each in entry.postings) == 0
        for each in entry.postings:
            found[each.account] += Decimal(each.amount)
    return {account: amount for account, amount in found.items() if amount}


def test_an_invoice_is_revenue_by_product_or_plan_tax_and_prepaid_credit(world):
    """12.00 less 10 %: 1.80 of calls and 9.00 of the plan; 5.00 are paid by credit, and 8 % of 5.80 are 0.46."""
    first = world.entries()[0]
    assert (first.kind, first.document, first.customer_id) == ("invoice", "INV-000001", "acme")
    assert {each.account: each.amount for each in first.postings} == {
        "Assets:Receivables": "6.26",
        "Income:Revenue:Api-calls": "-1.80",
        "Income:Revenue:Pro": "-9.00",
        "Liabilities:Prepaid-Credit": "5.00",
        "Liabilities:Taxes:Home": "-0.46",
    }


def test_the_accounts_of_the_journal_are_what_statements_and_documents_count(world):
    """Receivables, balances and bad debts by the statements; money by the reports; taxes by the headers of documents."""
    found = totals(world.entries())
    accounts = [
        world.accounts.statements.summary(account_key(each), world.accounts.now_us) for each in CUSTOMERS
    ]

    def sum_of(name):
        return Decimal(sum(getattr(each, name) for each in accounts)) / 100

    (note,) = [each for each in world.accounts.notes.notes(TENANT, "", "", 0, 9) if not each.is_void]
    standing = [world.invoice(each) for each in ("INV-000001", "INV-000002")]
    assert found.get("Assets:Receivables", 0) == sum_of("outstanding_minor")
    assert found["Liabilities:Customer-Balances"] == -sum_of("unused_minor")
    assert found["Expenses:Bad-Debts"] == sum_of("written_off_minor") == Decimal("6.00")
    assert found["Assets:Payments"] == Decimal("26.00")
    assert found["Liabilities:Taxes:Home"] == note.sums["tax"] - sum(each.sums["tax"] for each in standing)
    assert found["Liabilities:Prepaid-Credit"] == Decimal("5.00")
    revenue = sum(amount for account, amount in found.items() if account.startswith("Income"))
    billed = sum(each.sums["amount"] - each.sums["discounts"] for each in standing)
    assert -revenue == billed - (note.sums["due"] - note.sums["tax"])


def test_hledger_takes_the_journal_and_comes_to_the_same_sums(world, request, tmp_path):
    hledger = outside_tool(request, "hledger", "hledger")
    entries, file = world.entries(), tmp_path / "books.journal"
    file.write_text(journal_text("ledger", entries), encoding="utf-8")
    for words in (["check"], ["balance", "--flat", "-N", "-O", "csv"]):
        done = subprocess.run(
            [hledger, "-f", str(file), *words],
            capture_output=True,
            text=True,
            check=False,
            env={"LANG": "C.UTF-8"},
        )
        assert (done.returncode, done.stderr) == (0, "")
    _, *rows = csv.reader(io.StringIO(done.stdout))
    assert {account: Decimal(amount.split()[0]) for account, amount in rows} == totals(entries)


def test_each_format_has_every_posting(world):
    """The second one of coil's has a name that would begin a comment in ledger's form."""
    entries = world.entries()
    count = sum(len(each.postings) for each in entries)
    assert len(journal_text("csv", entries).splitlines()) == count + 1
    assert journal_text("ledger", entries).count(" USD\n") == count
    beancount = journal_text("beancount", entries)
    assert beancount.count(" USD\n") == count
    assert "1970-01-01 open Income:Revenue:Api-calls\n" in beancount
    assert (
        '\n2026-12-02 * "acme" "payment p1"\n  Liabilities:Customer-Balances  -20.00 USD\n  Assets:Payments  20.00 USD\n'
        in beancount
    )


def test_a_span_has_what_was_recorded_in_it(world):
    """From the first payment on: no invoice, and the whole is both parts."""
    entries = world.entries()
    (first,) = [each for each in entries if each.document == "p1" and each.kind == "payment"]
    before, since = (
        world.entries(recorded_before=first.recorded_at),
        world.entries(recorded_from=first.recorded_at),
    )
    assert {each.kind for each in before} == {"invoice"}
    assert [*before, *since] == entries


def test_names_of_accounts_are_plain():
    assert [part_of_name(each) for each in ("api_calls", "pro", "é", "42:x", "_a")] == [
        "Api-calls", "Pro", "X-", "42-x", "X-a",
    ]  # fmt: skip


def test_what_does_not_balance_is_not_given(world):
    """An entry of 6.27 beside a line of 6.26; and half of a movement of balance."""
    line = BilledLine("", "pro", 626, 0, 0, 0, 0)
    with pytest.raises(MeterlineError, match="does not balance: it is not given"):
        postings([EnteredAmount(EntryKind.INVOICE, "i", 627)], [line], "Liabilities:Taxes")
    halves = (ACCOUNT_ENTRIES.c.kind == "applied", ACCOUNT_ENTRIES.c.invoice_id == "")
    with world.accounts.database.writing() as connection:
        rows = connection.execute(select(ACCOUNT_ENTRIES).where(*halves)).mappings().all()
        connection.execute(delete(ACCOUNT_ENTRIES).where(*halves))
    with pytest.raises(MeterlineError, match="half of a movement of balance is missing"):
        world.entries()
    with world.accounts.database.writing() as connection:
        connection.execute(insert(ACCOUNT_ENTRIES), [dict(row) for row in rows])
