"""Payments, failures, refunds and write-offs reported in, on both catalog stores: each counts once, whoever repeats it and when."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert

from engine.billing.receivables.payment import PaymentReport
from engine.errors import (
    IdempotencyKeyUsedError,
    InvalidRequestError,
    InvoiceStateError,
    MeterlineError,
    NotFoundError,
)
from engine.sql.account_tables import ACCOUNT_ENTRIES
from tests.support.accounts_world import TENANT, account_key


def test_a_payment_pays_the_invoice_that_it_names_before_the_one_that_is_due_first(world, customer):
    """15.00 for 10.00 due last and 20.00 due first: 5.00 are left for the other."""
    first, last = world.issue(customer, "20.00", 10**14), world.issue(customer, "10.00")
    paid = world.pay(f"{customer} 1", customer, 1500, last)
    assert world.states(customer) == {first: ("partly_paid", 1500), last: ("paid", 0)}
    numbers = [int(each.partition("-")[2]) for each in (first, last)]
    assert paid.applied == [(numbers[0], 500), (numbers[1], 1000)]
    assert (paid.balance_minor, paid.refunded_minor) == (0, 0)
    told = [of for of, payload in world.told("invoice") if payload["customer_id"] == customer]
    assert told[2:] == ["invoice.paid", "invoice.partly_paid"]
    assert (
        "payment.succeeded",
        {"payment_id": f"{customer} 1", "customer_id": customer, "currency": "USD", "amount": "15.00"},
    ) in world.told()


def test_a_report_that_is_repeated_changes_nothing(world, customer):
    """Also by the id of the invoice in the place of its number, and after the invoice is void: the money is balance once."""
    name = world.issue(customer, "10.00")
    (invoice_id,) = world.account(customer).invoices
    first = world.pay(customer, customer, 1000, name)
    assert world.pay(customer, customer, 1000, invoice_id) == first
    world.void(name)
    again = world.pay(customer, customer, 1000, name)
    assert (again.applied, again.balance_minor) == ([], 1000)
    assert world.states(customer) == {name: ("void", 0)}
    assert [of for of, payload in world.told() if payload["payment_id"] == customer] == ["payment.succeeded"]
    assert world.statements.summary(account_key(customer), world.now_us).balance_minor == -1000


def test_a_report_that_arrives_after_the_void_is_balance_once(world, customer):
    """It names what was never owed: it pays the invoice that took its place."""
    name = world.issue(customer, "10.00")
    world.void(name)
    anew = world.issue(customer, "8.00")
    for _ in range(2):
        paid = world.pay(customer, customer, 1000, name)
    assert paid.balance_minor == 200
    assert world.states(customer) == {name: ("void", 0), anew: ("paid", 0)}


@pytest.mark.parametrize(
    "other",
    [
        {"amount_minor": 999},
        {"account": account_key("else")},
        {"method": "card"},
        {"reference": "rent"},
        {"received_at_us": 5},
    ],
)
def test_another_report_under_the_id_is_refused(world, customer, other):
    """The first stands."""
    said = {"account": account_key(customer), "payment_id": f"{customer} {other}", "amount_minor": 1000}
    world.payments.record(PaymentReport(**said), world.tick())
    before = world.statements.summary(account_key(customer), world.now_us)
    with pytest.raises(IdempotencyKeyUsedError, match="other content, which stands: nothing was changed"):
        world.payments.record(PaymentReport(**said | other), world.tick())
    assert world.statements.summary(account_key(customer), world.now_us) == before


def test_a_payment_that_failed_moves_nothing_and_is_told(world, customer):
    """Its invoice stays as it is; the attempt does not succeed later under the same id."""
    name = world.issue(customer, "10.00")
    failed = [world.fail(customer, customer, 1000, name) for _ in range(2)]
    assert failed[0] == failed[1]
    assert world.states(customer) == {name: ("issued", 1000)}
    assert [of for of, payload in world.told() if payload["payment_id"] == customer] == ["payment.failed"]
    ((_, told),) = [each for each in world.told("invoice") if each[1].get("payment_id") == customer]
    assert (told["number"], told["outstanding"]) == (name, "10.00")
    with pytest.raises(IdempotencyKeyUsedError):
        world.pay(customer, customer, 1000, name)
    with pytest.raises(InvalidRequestError, match="it brought no money"):
        world.refund(customer, customer, 1)
    assert len(world.statement(customer)[0].entries) == 1


def test_a_refund_opens_what_its_money_paid_and_is_never_more_than_the_payment(world, customer):
    """10.00 of 12.00 paid; 5.00 back: 2.00 from the balance and 3.00 from the invoice. Then 7.01 are too much."""
    name = world.issue(customer, "10.00")
    world.pay(customer, customer, 1200)
    for _ in range(2):
        refund, payment = world.refund(customer, customer, 500)
    assert (refund.amount_minor, payment.refunded_minor, payment.balance_minor) == (500, 500, 0)
    assert world.states(customer) == {name: ("partly_paid", 300)}
    with pytest.raises(InvalidRequestError, match=r"is 7.01: of payment .* 7.00 USD are left"):
        world.refund(f"{customer} 2", customer, 701)
    with pytest.raises(IdempotencyKeyUsedError):
        world.refund(customer, customer, 499)
    world.refund(f"{customer} 2", customer, 700)
    assert world.states(customer) == {name: ("issued", 1000)}
    told = [payload["refunded"] for of, payload in world.told() if of == "payment.refunded"]
    assert told[-2:] == ["5.00", "7.00"]


def test_what_is_written_off_is_paid_by_who_names_it(world, customer):
    """Money without a name does not pay it: that is balance. What is paid is recovered."""
    name = world.issue(customer, "10.00")
    assert str(world.write_off(name).state) == "uncollectible"
    with pytest.raises(InvoiceStateError, match="is uncollectible: there is nothing to write off"):
        world.write_off(name)
    assert world.pay(f"{customer} 1", customer, 100).balance_minor == 100
    world.pay(f"{customer} 2", customer, 400, name)
    summary = world.statements.summary(account_key(customer), world.now_us)
    assert (summary.written_off_minor, summary.unused_minor, summary.balance_minor) == (600, 100, -100)


def test_what_names_nobody_or_another_s_invoice_is_refused(world, customer):
    name = world.issue(customer, "10.00")
    with pytest.raises(NotFoundError, match="there is no customer 'nobody'"):
        world.pay(customer, "nobody", 1000)
    with pytest.raises(NotFoundError, match="there is no invoice INV-999999"):
        world.pay(customer, customer, 1000, "INV-999999")
    with pytest.raises(InvalidRequestError, match=r"invoices\[0\]: is not an invoice of 'else' in USD"):
        world.pay(customer, "else", 1000, name)
    with pytest.raises(NotFoundError, match="there is no payment"):
        world.refund(customer, "unknown", 1)
    assert world.states(customer) == {name: ("issued", 1000)}


def test_two_who_report_at_once_on_one_account_end_as_one(world, customer):
    """Eight payments and a refund of each, every report by two clients: 24.00 of 30.00, less 8.00."""
    world.issue(customer, "30.00")
    ids = [f"{customer} {number}" for number in range(8)]
    with ThreadPoolExecutor(4) as clients:
        list(clients.map(lambda each: world.pay(each, customer, 300), [*ids, *ids]))
        list(clients.map(lambda each: world.refund(each, each, 100), [*ids, *ids]))
    summary = world.statements.summary(account_key(customer), world.now_us)
    assert (summary.outstanding_minor, summary.unused_minor) == (3000 - 2400 + 800, 0)
    kinds = [str(each.kind) for each in world.statement(customer)[0].entries]
    assert kinds == ["invoice", *["payment"] * 8, *["refund"] * 8]


def test_payments_are_listed_the_newest_first_page_by_page(world, customer):
    for number in range(5):
        world.pay(f"{customer} {number}", customer, 100 + number)
    found, before = [], None
    while some := world.payments.payments(TENANT, customer, before, 2):
        found += [each.amount_minor for each in some]
        before = some[-1].recorded_at_us, some[-1].payment_id
    assert found == [104, 103, 102, 101, 100]


def test_a_statement_has_what_was_owed_before_and_after(world, customer):
    """Invoices of 10.00 and 5.00, 12.00 paid, 2.00 back, 5.00 written off: 10, 15, 3, 5, 0."""
    name, other = world.issue(customer, "10.00", 10**14), world.issue(customer, "5.00")
    since = world.now_us
    world.pay(f"{customer} p", customer, 1200, name)
    world.refund(f"{customer} r", f"{customer} p", 200)
    before = world.now_us + 1
    world.write_off(other)
    (whole,) = world.statement(customer)
    assert [(each.document, each.amount_minor, each.balance_minor) for each in whole.entries] == [
        (name, 1000, 1000),
        (other, 500, 1500),
        (f"{customer} p", -1200, 300),
        (f"{customer} r", 200, 500),
        (other, -500, 0),
    ]
    part = world.statement(customer, (since, before), count=2)
    assert {(page.opening_minor, page.closing_minor) for page in part} == {(1000, 500)}
    assert [each.balance_minor for page in part for each in page.entries] == [1500, 300, 500]


def test_what_is_recorded_between_two_pages_is_on_neither(world, customer):
    for number in range(3):
        world.pay(f"{customer} {number}", customer, 100)
    first = world.statements.page(account_key(customer), (None, None), None, 2)
    world.pay(f"{customer} 3", customer, 100)
    second = world.statements.page(account_key(customer), (None, None), first.place_behind(), 2)
    assert [each.balance_minor for each in second.entries] == [-300]
    assert (first.closing_minor, second.closing_minor, second.has_more) == (-300, -300, False)


def test_a_statement_that_does_not_add_up_is_not_given(world, customer):
    """Half of a pair that should move money within the account."""
    world.pay(customer, customer, 100)
    stray = {
        "tenant": TENANT,
        "customer_id": customer,
        "currency": "USD",
        "invoice_id": "",
        "kind": "applied",
    }
    stray |= {"amount_minor": 7, "payment_id": customer, "document_id": "", "recorded_at_us": world.now_us}
    with world.database.writing() as connection:
        connection.execute(insert(ACCOUNT_ENTRIES).values(**stray))
    with pytest.raises(MeterlineError, match="does not add up: it is not shown"):
        world.statement(customer)
    with pytest.raises(MeterlineError, match="does not add up to what became of it"):
        world.payments.payments(TENANT, customer, None, 1)
