"""When an invoice is due, who bought and sold as it says, and what is told once it is overdue."""

import json

import pytest
from sqlalchemy import select

from engine.billing.accounts.invoice_states import (
    TRANSITIONS,
    InvoiceAction,
    InvoiceState,
    check_allowed,
    check_led,
    state_at,
    state_of,
)
from engine.billing.receivables.overdue import OverdueInvoices
from engine.errors import InvoiceStateError, MeterlineError
from engine.sql.schema import OUTBOX
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_world import TENANT, ClosingWorld, instant_us

DAY_US = 86_400_000_000
CATALOG = """
plans:
  - {id: slow, name: Slow, currency: USD, payment_terms_days: 45, prices: [{id: fee, model: flat, flat_amount: 10}]}
  - {id: quick, name: Quick, currency: USD, payment_terms_days: 0, prices: [{id: fee, model: flat, flat_amount: 5}]}
  - {id: plain, name: Plain, currency: USD, prices: [{id: fee, model: flat, flat_amount: 1}]}
  - {id: free, name: Free, currency: USD, prices: [{id: fee, model: flat, flat_amount: 0}]}
sellers:
  - {id: us, name: Meterline GmbH, address: {lines: [Ring 1], city: Berlin, country: DE}, email: due@meterline.example,
     tax_ids: [{type: eu_vat, value: DE136695976}]}
customers:
  - {id: both, name: Both}
  - {id: fast, name: Fast}
  - {id: own, name: Own, payment_terms_days: 7, billing_name: Own Ltd, purchase_order: PO-1,
     billing_address: {lines: [High Street 1], postal_code: "20457", city: Hamburg, country: DE},
     billing_email: ap@own.example, tax_ids: [{type: eu_vat, value: ATU13585627}]}
  - {id: usual, name: Usual}
  - {id: zero, name: Zero}
subscriptions:
  - {customer: both, plan: slow, start: 2026-10-01}
  - {customer: both, plan: quick, start: 2026-10-01}
  - {customer: fast, plan: quick, start: 2026-10-01}
  - {customer: own, plan: slow, start: 2026-10-01}
  - {customer: usual, plan: plain, start: 2026-10-01}
  - {customer: zero, plan: free, start: 2026-10-01}
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    opened = UsageStore.open_embedded(tmp_path_factory.mktemp("due") / "usage")
    yield opened
    opened.close()


@pytest.fixture
def world(tmp_path, store):
    made = ClosingWorld(f"sqlite:///{tmp_path / 'catalog.sqlite'}", store, CATALOG, "2026-11-20")
    made.at("2026-12-02").close("2026-11-01", "2026-12-01")
    yield made
    made.finish()


def invoices(world):
    return {each.key.customer_id: each for each in world.standing()}


def facts(world):
    """(type, payload) of every fact about invoices, in order."""
    with world.database.reading() as connection:
        rows = connection.execute(select(OUTBOX).where(OUTBOX.c.object_kind == "invoice")).all()
    return [(row.fact_type, json.loads(row.payload)) for row in rows]


def test_terms_are_the_customer_s_or_the_longest_of_its_plans_or_thirty_days(world):
    """Both has plans of 45 and of 0 days; own's plan has 45, and own says 7."""
    issued_us = instant_us("2026-12-02")
    found = {name: (each.due_at_us - issued_us) // DAY_US for name, each in invoices(world).items()}
    assert found == {"both": 45, "fast": 0, "own": 7, "usual": 30, "zero": 30}


def test_billing_details_stay_as_they_were(world):
    """The catalog changes afterwards."""
    world.apply(CATALOG.replace("Own Ltd", "Other Ltd").replace("Ring 1", "Ring 2"))
    details = json.loads(invoices(world)["own"].billing_details)
    assert details == {
        "customer": {
            "name": "Own Ltd",
            "address": {
                "lines": ["High Street 1"],
                "postal_code": "20457",
                "city": "Hamburg",
                "country": "DE",
            },
            "email": "ap@own.example",
            "purchase_order": "PO-1",
            "tax_ids": [{"type": "eu_vat", "value": "ATU13585627"}],
        },
        "seller": {
            "name": "Meterline GmbH",
            "address": {"lines": ["Ring 1"], "city": "Berlin", "country": "DE"},
            "email": "due@meterline.example",
            "tax_ids": [{"type": "eu_vat", "value": "DE136695976"}],
        },
    }


def test_an_invoice_is_overdue_for_whoever_looks_from_its_due_date_on(world):
    """Own's is due on 9 December: nobody has to have run anything. Zero's comes to nothing, and is paid."""

    def listed(state, at):
        found = world.invoices.invoices(TENANT, "", 0, 100, state=state, now_us=instant_us(at))
        return sorted(each.key.customer_id for each in found)

    assert listed(InvoiceState.OVERDUE, "2026-12-08T23:59:59") == ["fast"]
    assert listed(InvoiceState.OVERDUE, "2026-12-09") == ["fast", "own"]
    assert listed(InvoiceState.ISSUED, "2026-12-09") == ["both", "usual"]
    assert listed(InvoiceState.PAID, "2026-12-09") == ["zero"]


def test_what_has_become_overdue_is_told_once(world):
    upkeep = OverdueInvoices(world.database, lambda: world.now_us)
    assert upkeep.next_pass() == 1
    world.at("2026-12-10")
    assert (upkeep.next_pass(), upkeep.next_pass()) == (1, 0)
    told = [payload for of, payload in facts(world) if of == "invoice.overdue"]
    assert [each["customer_id"] for each in told] == ["fast", "own"]
    own = invoices(world)["own"]
    assert told[1] == {
        "number": own.name,
        "customer_id": "own",
        "currency": "USD",
        "due": "10.00",
        "paid": "0.00",
        "outstanding": "10.00",
        "due_at": "2026-12-09T00:00:00Z",
    }


def test_a_void_one_is_never_overdue(world):
    upkeep = OverdueInvoices(world.database, lambda: world.now_us)
    world.invoices.void(TENANT, invoices(world)["own"].invoice_id, 0, "wrong", world.now_us)
    world.at("2027-06-01")
    assert upkeep.next_pass() == 3


def test_every_state_and_every_action_stands_in_the_table():
    """Whatever an action leads to is a state with a row, and no action leads out of void."""
    assert set(TRANSITIONS) == set(InvoiceState)
    assert TRANSITIONS[InvoiceState.VOID] == {}
    led = {state for row in TRANSITIONS.values() for after in row.values() for state in after}
    assert led == set(InvoiceState)
    assert {action for row in TRANSITIONS.values() for action in row} == set(InvoiceAction)
    assert all(InvoiceAction.VOID in row for state, row in TRANSITIONS.items() if state != "void")


def test_time_alone_makes_overdue_of_what_is_open():
    for state in InvoiceState:
        is_open = state in ("issued", "partly_paid", "overdue")
        assert state_at(state, 100, 99) is state
        assert (state_at(state, 100, 100) is InvoiceState.OVERDUE) == is_open


@pytest.mark.parametrize(
    ("outstanding", "paid", "written_off", "state"),
    [(5, 0, 0, "issued"), (5, 1, 0, "partly_paid"), (0, 5, 0, "paid"), (0, 0, 0, "paid"), (0, 2, 3, "uncollectible")],
)  # fmt: skip
def test_the_state_follows_from_what_is_outstanding(outstanding, paid, written_off, state):
    assert state_of(outstanding, paid, written_off) == state


def test_what_is_not_in_the_table_is_refused():
    with pytest.raises(InvoiceStateError, match="INV-000001 is void: it can't be made void"):
        check_allowed(InvoiceState.VOID, InvoiceAction.VOID, "INV-000001")
    with pytest.raises(MeterlineError, match="nothing was changed"):
        check_led(InvoiceState.PAID, InvoiceAction.CREDIT, InvoiceState.ISSUED, "INV-000001")
