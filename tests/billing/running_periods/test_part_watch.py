"""What the engine bills by itself of running periods: who was touched, who was not, and whose tenant did not ask for it."""

import contextlib

import pytest

from engine.billing.automatic import part_watch
from engine.billing.automatic.billing_settings import BillingSettingsStore
from engine.billing.automatic.part_watch import PartWatch
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_world import TENANT, ClosingWorld

CATALOG = """
meters: [{id: calls, event_type: call, aggregation: sum, value: value}]
plans:
  - {id: pro, name: Pro, currency: USD, invoicing_threshold: 10, prices: [{id: calls, meter: calls, model: per_unit, unit_amount: 1}]}
customers: [{id: acme, name: A}, {id: bolt, name: B, aliases: [b]}]
subscriptions: [{customer: acme, plan: pro, start: 2026-08-01}, {customer: bolt, plan: pro, start: 2026-08-01}]
"""


@pytest.fixture
def world(tmp_path):
    store = UsageStore.open_embedded(tmp_path / "usage")
    made = ClosingWorld(f"sqlite:///{tmp_path / 'a.sqlite'}", store, CATALOG, "2026-08-10")
    made.settings = BillingSettingsStore(made.database)
    made.watch = PartWatch(
        made.settings, made.biller, store, contextlib.nullcontext, is_stopping=lambda: False
    )
    yield made
    made.finish()
    store.close()


def automatic(world, tenant=TENANT):
    world.settings.change(tenant, grace_us=None, automatic=True, since_us=None, now_us=world.now_us)


def billed(world):
    """What each pass has billed so far: customer and amount, in order."""
    world.watch.next_pass()
    return [(each.key.customer_id, int(each.sums["due"])) for each in world.standing()]


def test_it_bills_whoever_comes_to_the_threshold_where_the_tenant_asks_for_it(world):
    """Nothing while closing is manual; then what is there, and what comes in, under an alias too."""
    world.use("acme", "2026-08-05", 12)
    assert billed(world) == []
    automatic(world)
    assert billed(world) == [("acme", 12)]
    assert billed(world) == [("acme", 12)]
    world.use("b", "2026-08-06", 9)
    assert billed(world) == [("acme", 12)]
    world.use("b", "2026-08-06", 6)
    assert billed(world) == [("acme", 12), ("bolt", 15)]


def test_it_bills_in_steps_of_some_customers(world, monkeypatch):
    """Each step issues what it finds."""
    monkeypatch.setattr(part_watch, "_SUBSCRIPTIONS_AT_ONCE", 1)
    automatic(world)
    for customer, count in (("acme", 12), ("bolt", 13)):
        world.use(customer, "2026-08-05", count)
    assert billed(world) == [("acme", 12), ("bolt", 13)]


@pytest.fixture
def rated(world, monkeypatch):
    """Whom each step of the engine rates."""
    found = []
    real = world.biller.bill

    def bill(run, snapshot, wanted, rows):
        ids = snapshot.catalog.subscription_columns.customer_id
        found.append([ids[row].as_py() for row in rows.tolist()])
        return real(run, snapshot, wanted, rows)

    monkeypatch.setattr(world.biller, "bill", bill)
    return found


def test_only_customers_about_whom_something_came_in_are_rated(world, rated):
    """The others again once an hour, and when the catalog has changed."""
    automatic(world)
    for _ in range(2):
        world.watch.next_pass()
    world.use("bolt", "2026-08-05", 3)
    world.watch.next_pass()
    world.watch.next_pass()
    world.apply(CATALOG.replace("unit_amount: 1", "unit_amount: 2"))
    world.watch.next_pass()
    world.at("2026-08-10T02:00:00").watch.next_pass()
    both = ["acme", "bolt"]
    assert rated == [both, ["bolt"], both, both]


def test_a_void_part_is_not_billed_anew_by_the_engine(world):
    """Also where more comes in: the close of the period bills it."""
    automatic(world)
    world.use("acme", "2026-08-05", 12)
    assert billed(world) == [("acme", 12)]
    (part,) = world.standing()
    world.invoices.void(TENANT, part.invoice_id, 0, "said so", world.now_us)
    world.use("acme", "2026-08-05", 12)
    assert billed(world) == []
    world.at("2026-09-02").close("2026-08-01", "2026-09-01")
    assert [int(each.sums["due"]) for each in world.standing() if each.key.customer_id == "acme"] == [24]


ADVANCE = """
plans: [{id: base, name: Base, currency: USD, prices: [{id: fee, model: flat, flat_amount: 31, timing: in_advance}]}]
customers: [{id: cole, name: C}, {id: dana, name: D}]
subscriptions: [{customer: cole, plan: base, start: 2026-08-01}, {customer: dana, plan: base, start: 2026-08-20}]
"""


def test_fees_in_advance_are_billed_when_their_periods_begin(world):
    """What runs at first, then each period as it begins, without an event."""
    world.apply(ADVANCE)
    automatic(world)
    assert billed(world) == [("cole", 31)]
    assert billed(world.at("2026-08-19T23:59:59")) == [("cole", 31)]
    assert billed(world.at("2026-08-20T00:00:01")) == [("cole", 31), ("dana", 31)]
    assert billed(world.at("2026-09-01T00:00:01"))[2:] == [("cole", 31)]


def test_only_subscriptions_for_which_something_begins_are_rated_for_fees(world, rated):
    """Not those that the catalog leaves as they are; all again once an hour."""
    world.apply(ADVANCE)
    automatic(world)
    world.watch.next_pass()
    world.at("2026-08-10T00:10:00").watch.next_pass()
    world.apply(
        "customers: [{id: erin, name: E}]\nsubscriptions: [{customer: erin, plan: base, start: 2026-08-10}]"
    )
    world.watch.next_pass()
    world.at("2026-08-10T00:20:00").watch.next_pass()
    world.at("2026-08-10T01:00:01").watch.next_pass()
    everybody = ["acme", "bolt", "cole", "erin"]
    # Those with thresholds are looked at whenever the catalog has changed.
    assert rated == [["acme", "bolt", "cole"], ["acme", "bolt", "erin"], everybody]


def test_a_change_inside_a_period_is_billed_when_it_begins(world):
    """From the 21st on the subscription has 11 of 31 days of a fee of 62 in place of 31."""
    world.apply(ADVANCE)
    automatic(world)
    assert billed(world) == [("cole", 31)]
    world.apply(
        "plans: [{id: max, name: Max, currency: USD, prices: [{id: fee, model: flat, flat_amount: 62, timing: in_advance}]}]"
    )
    world.apply(
        "subscriptions: [{customer: cole, plan: base, start: 2026-08-01, phases: [{start: 2026-08-21, plan: max}]}]"
    )
    assert billed(world) == [("cole", 31)]
    assert ("cole", 11) in billed(world.at("2026-08-21T00:00:01"))


def test_a_pass_ends_where_the_engine_is_to_close_no_more(world, monkeypatch):
    """Turned off behind the first of two customers."""
    monkeypatch.setattr(part_watch, "_SUBSCRIPTIONS_AT_ONCE", 1)
    automatic(world)
    for customer in ("acme", "bolt"):
        world.use(customer, "2026-08-05", 12)
    real = world.biller.bill

    def bill(*arguments):
        world.settings.change(TENANT, grace_us=None, automatic=False, since_us=None, now_us=world.now_us)
        return real(*arguments)

    monkeypatch.setattr(world.biller, "bill", bill)
    assert billed(world) == [("acme", 12)]
