"""Credit notes on both catalog stores: numbers without gaps, each once, never more than is left; and usage that is corrected later."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.billing.closing.invoice import SUMS
from engine.billing.receivables.credit_note import AskedLine, CreditNoteRequest
from engine.billing.receivables.credit_note_store import CreditNoteStore, creditable_lines
from engine.errors import IdempotencyKeyUsedError, InvalidRequestError, InvoiceStateError, NotFoundError
from engine.usage.store.usage_store import UsageStore
from tests.support.accounts_world import TENANT, AccountsWorld, account_key
from tests.support.closing_world import TENANT as CLOSED
from tests.support.closing_world import ClosingWorld
from tests.support.credit_note_cases import line

# 10.00 and 1.90 of tax; 5.00 and 0.95.
LINES = {1: line(1000, tax=190), 2: line(500, tax=95)}


def test_a_note_of_a_line_s_part_gives_back_its_tax_and_is_told(world, customer):
    """4.00 of 10.00 and 0.76 of tax; the rest of the line, then of the invoice: 17.85 in all."""
    name = world.issue(customer, "17.85")
    notes = [
        world.credit(f"{customer} 1", name, LINES, (1, 400)),
        world.credit(f"{customer} 2", name, LINES, (1, None)),
        world.credit(f"{customer} 3", name, LINES),
    ]
    assert [str(each.sums["due"]) for each in notes] == ["4.76", "7.14", "5.95"]
    assert [str(each.sums["tax"]) for each in notes] == ["0.76", "1.14", "0.95"]
    assert [each.number for each in notes] == list(range(notes[0].number, notes[0].number + 3))
    assert world.states(customer) == {name: ("paid", 0)}
    assert world.notes.lines(TENANT, notes[0].credit_note_id) == {1: line(400, tax=76)}
    told = [
        (of, payload["due"])
        for of, payload in world.told("credit_note")
        if payload["customer_id"] == customer
    ]
    assert told == [("credit_note.issued", each) for each in ("4.76", "7.14", "5.95")]
    (statement,) = world.statement(customer)
    assert [(each.document, each.invoice, each.balance_minor) for each in statement.entries[1:]] == [
        (notes[0].name, name, 1309),
        (notes[1].name, name, 595),
        (notes[2].name, name, 0),
    ]
    with pytest.raises(InvalidRequestError, match="there is nothing of INV"):
        world.credit(f"{customer} 4", name, LINES)


def test_a_request_that_is_repeated_is_the_same_note(world, customer):
    """Another request under its key is refused; what is refused takes no number."""
    name = world.issue(customer, "17.85")
    first = world.credit(customer, name, LINES, (1, 400))
    assert world.credit(customer, name, {}, (1, 400)) == first
    with pytest.raises(
        IdempotencyKeyUsedError, match="created under this idempotency key with other content"
    ):
        world.credit(customer, name, LINES, (1, 401))
    with pytest.raises(InvalidRequestError):
        world.credit(f"{customer} 2", name, LINES, (1, 601))
    assert world.credit(f"{customer} 3", name, LINES, (2, None)).number == first.number + 1


def test_what_is_credited_of_a_paid_invoice_is_balance(world, customer):
    """It pays the next one; the note's void takes nothing back that was paid, and owes the invoice again."""
    name = world.issue(customer, "17.85")
    world.pay(customer, customer, 1785, name)
    note = world.credit(customer, name, LINES, (2, None))
    assert world.states(customer) == {name: ("paid", 0)}
    later = world.issue(customer, "10.00")
    assert world.states(customer) == {name: ("paid", 0), later: ("partly_paid", 405)}
    voided = world.uncredit(note)
    assert (voided.is_void, voided.void_reason) == (True, "wrong")
    assert world.states(customer) == {name: ("partly_paid", 595), later: ("partly_paid", 405)}
    with pytest.raises(InvoiceStateError, match=f"{note.name} is void already"):
        world.uncredit(note)
    # The line is there again, under a number of its own.
    assert world.credit(f"{customer} 2", name, LINES, (2, None)).number == note.number + 1


def test_an_invoice_with_notes_is_void_only_after_these(world, customer):
    name = world.issue(customer, "17.85")
    note = world.credit(customer, name, LINES, (1, None))
    with pytest.raises(InvoiceStateError, match=f"{name} has credit notes: make these void first"):
        world.void(name)
    world.uncredit(note)
    world.void(name)
    with pytest.raises(InvoiceStateError, match=f"{name} is void: it can't be credited"):
        world.credit(f"{customer} 2", name, LINES)


def test_lines_that_correct_leave_less_of_the_invoice_than_of_a_line(world, customer):
    """10.00 less 3.00: no note of 10.00."""
    name = world.issue(customer, "7.00")
    booked = {1: line(1000), 2: line(-300)}
    with pytest.raises(InvalidRequestError, match=f"lines: come to 10.00: 7.00 USD are left of {name}"):
        world.credit(customer, name, booked, (1, None))
    assert str(world.credit(customer, name, booked).sums["due"]) == "7.00"


def test_two_who_credit_at_once_give_back_no_more_than_there_is(world, customer):
    """Twelve notes of 1.00 on a line of 10.00, each asked for twice: ten are made, with numbers without a gap."""
    name = world.issue(customer, "17.85")

    def credited(key):
        try:
            return world.credit(key, name, LINES, (1, 100)).number
        except InvalidRequestError:
            return None

    keys = [f"{customer} {number}" for number in range(12)]
    with ThreadPoolExecutor(4) as clients:
        found = set(clients.map(credited, [*keys, *keys])) - {None}
    assert len(found) == 10
    assert max(found) - min(found) == 9
    assert world.states(customer) == {name: ("issued", 595)}


def test_notes_are_listed_by_customer_and_invoice(world, customer):
    name, other = world.issue(customer, "17.85"), world.issue(customer, "17.85")
    keyed = {f"{customer} 1": name, f"{customer} 2": other, f"{customer} 3": name}
    made = [world.credit(key, each, LINES, (1, 100)).number for key, each in keyed.items()]
    invoice_id = world.invoices.invoice(TENANT, number=int(name[4:])).invoice_id
    listed = world.notes.notes(TENANT, customer, "", 0, 2)
    assert [each.number for each in listed] == [made[2], made[1]]
    assert [each.number for each in world.notes.notes(TENANT, customer, "", made[1], 2)] == [made[0]]
    of_invoice = world.notes.notes(TENANT, "", invoice_id, 0, 9)
    assert [each.number for each in of_invoice] == [made[2], made[0]]
    with pytest.raises(NotFoundError, match="there is no credit note CN-999999"):
        world.notes.note(TENANT, "", 999_999)


CATALOG = """
meters: [{id: calls, event_type: call, aggregation: sum, value: value}]
plans:
  - {id: pro, name: Pro, currency: USD, prices: [{id: fee, model: flat, flat_amount: 10},
     {id: calls, meter: calls, model: per_unit, unit_amount: 0.50}]}
coupons: [{id: ten, name: Ten, percent_off: 10}]
tax_regions: [{id: home, name: Home, rates: [{id: vat, percent: 8}]}]
customers: [{id: acme, name: Acme, tax_region: home, coupons: [{coupon: ten, start: 2026-10-01}]}]
subscriptions: [{customer: acme, plan: pro, start: 2026-10-01}]
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    opened = UsageStore.open_embedded(tmp_path_factory.mktemp("notes") / "usage")
    yield opened
    opened.close()


def test_what_a_note_gave_back_is_not_billed_again_when_usage_is_corrected(tmp_path, store):
    """November: 10 + 4 x 0.50, less 10 %, and 8 %: 11.66. The calls' 1.94 are given back; then two more calls of November are on
    December's invoice as if there were no note: 1.00 - 0.10 + 0.08, as the month's tax is 0.94 then. All documents: what was billed, less the note.
    """
    world = ClosingWorld(f"sqlite:///{tmp_path / 'catalog.sqlite'}", store, CATALOG, "2026-11-01")
    world.use("acme", "2026-11-05", 4)
    world.at("2026-12-02").close("2026-11-01", "2026-12-01")
    (november,) = world.standing()
    lines = creditable_lines(world.booked.of_invoice(november))
    notes = CreditNoteStore(world.database)

    def credit(key, *asked):
        request = CreditNoteRequest(CLOSED, key, november.invoice_id, asked, "goodwill")
        return notes.create(request, lambda: lines, world.now_us)

    part = credit("a", AskedLine(2, 100))
    assert [str(part.sums[name]) for name in ("amount", "discounts", "tax", "due")] == [
        "1.00",
        "0.10",
        "0.07",
        "0.97",
    ]
    rest = credit("b", AskedLine(2, None))
    world.use("acme", "2026-11-20", 2)
    world.at("2027-01-02").close("2026-12-01", "2027-01-01")
    _, december = world.standing()
    *_, late = world.lines(december)
    assert (late["corrects_invoice_id"], int(late["due_minor"])) == (november.invoice_id, 98)
    whole = credit("c")
    for name in SUMS:
        assert part.sums[name] + rest.sums[name] + whole.sums[name] == november.sums[name], name
    # What is left is December's: its fee, and what came late.
    account = AccountsWorld(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
    summary = account.statements.summary(account_key("acme"), world.now_us)
    assert summary.balance_minor == int(december.sums["due"] * 100)
    account.database.close()
    world.finish()
