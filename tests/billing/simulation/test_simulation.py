"""Another catalog over past usage: what it comes to beside the catalog as it is, and that closing would bill just that."""

import random
from decimal import Decimal

import pytest

from engine.billing.closing.invoice import SUMS
from engine.billing.simulation.candidate import taken_by_all
from engine.billing.simulation.simulator import Simulation, Simulator
from engine.catalog.documents.document import read_document
from engine.times import us_datetime
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_histories import CATALOG as RANDOM_CATALOG
from tests.support.closing_histories import use
from tests.support.closing_world import TENANT, ClosingWorld, instant_us
from tests.support.long_forms import numbered

CATALOG = """
meters:
  - {id: calls, event_type: call, aggregation: sum, value: value}
plans:
  - id: pro
    name: Pro
    currency: USD
    prices:
      - {id: fee, model: flat, flat_amount: 10}
      - {id: calls, meter: calls, model: per_unit, unit_amount: 0.50}
tax_regions: [{id: home, name: Home, rates: [{id: vat, percent: 8}]}]
customers:
  - {id: acme, name: Acme, tax_region: home}
  - {id: bolt, name: Bolt}
  - {id: coil, name: Coil}
subscriptions:
  - {customer: acme, plan: pro, start: 2026-08-01}
  - {customer: bolt, plan: pro, start: 2026-08-15}
  - {customer: coil, plan: pro, start: 2026-08-01, phases: [{start: 2026-08-02, plan_version: 1}]}
"""
PLAN = "plans: [{id: pro, name: Pro, currency: USD, prices: [%s]}]"
AUGUST = ("2026-08-01", "2026-09-01")


@pytest.fixture
def store(tmp_path):
    opened = UsageStore.open_embedded(tmp_path / "usage")
    yield opened
    opened.close()


@pytest.fixture
def world(tmp_path, store):
    made = ClosingWorld(f"sqlite:///{tmp_path / 'catalog.sqlite'}", store, CATALOG, "2026-11-20")
    yield made
    made.finish()


def simulated(world, text, start, before, subscriptions=10_000):
    """All steps of a simulation; the rows of each, and the reasons why customers can't be rated."""
    snapshot = world.rater.snapshot(TENANT, None, None)
    found = read_document(text, "c.yaml").changes(snapshot.catalog, us_datetime(world.now_us))
    after = taken_by_all(snapshot.catalog, found.applied_to(snapshot.catalog))
    of = Simulation(snapshot, after, instant_us(start), instant_us(before))
    simulator, customer, rows, unrateable = Simulator(world.rater), "", [], [{}, {}]
    while True:
        step = simulator.step(of, customer, subscriptions)
        rows += step.rows.to_pylist()
        for known, more in zip(unrateable, (step.unrateable_before, step.unrateable_after), strict=True):
            known.update({who: item.unrateable_reason for who, item in more.items()})
        customer = step.next_customer
        if not customer:
            return rows, *unrateable


def short(rows, *names):
    return [
        (row["customer_id"], row["price_id"], *(f"{row[name].normalize():f}" for name in names))
        for row in rows
    ]


def test_a_new_price_is_beside_the_old_one_for_everybody(world):
    """4 calls at 0.50 are 2.00, at 0.75 they are 3.00; with 8 % of acme's 12.00 and 13.00, 0.96 and 1.04. coil names version 1, and has
    the new price all the same. bolt's first period ends on 15 September.
    """
    world.use("acme", "2026-08-05", 4)
    fee, calls = (
        "{id: fee, model: flat, flat_amount: 10}",
        "{id: calls, meter: calls, model: per_unit, unit_amount: 0.75}",
    )
    rows, before, after = simulated(world, PLAN % f"{fee}, {calls}", *AUGUST)
    assert (before, after) == ({}, {})
    assert short(
        rows, "amount_before", "amount_after", "tax_before", "tax_after", "due_before", "due_after"
    ) == [
        ("acme", "calls", "2", "3", "0.16", "0.24", "2.16", "3.24"),
        ("acme", "fee", "10", "10", "0.8", "0.8", "10.8", "10.8"),
        ("coil", "calls", "0", "0", "0", "0", "0", "0"),
        ("coil", "fee", "10", "10", "0", "0", "10", "10"),
    ]
    assert {(row["plan_id"], row["kind"], row["currency"]) for row in rows} == {("pro", "charge", "USD")}


def test_a_price_that_goes_and_one_that_comes_are_rows_of_one_side(world):
    """The largest call, of 7 and 2, is measured by a meter that only the candidate has: 7 x 3.00."""
    world.use("acme", "2026-08-05", 7)
    world.use("acme", "2026-08-06", 2)
    text = "meters: [{id: peak, event_type: call, aggregation: max, value: value}]\n"
    text += PLAN % "{id: peak, meter: peak, model: per_unit, unit_amount: 3}"
    rows, *_ = simulated(world, text, *AUGUST)
    own = [row for row in rows if row["customer_id"] == "acme"]
    assert short(own, "quantity_before", "quantity_after", "amount_before", "amount_after") == [
        ("acme", "calls", "9", "0", "4.5", "0"),
        ("acme", "fee", "0", "0", "10", "0"),
        ("acme", "peak", "0", "7", "0", "21"),
    ]


def test_a_customer_whom_the_candidate_cannot_rate_is_named_and_in_no_row(world):
    world.use("acme", "2026-08-05", 4, region="mars")
    text = "meters: [{id: by_region, event_type: call, aggregation: sum, value: value, group_by: [region]}]\n"
    text += PLAN % (
        "{id: calls, meter: by_region, model: matrix, dimensions: [region], "
        "cells: [{match: {region: moon}, unit_amount: 1}]}"
    )
    rows, before, after = simulated(world, text, *AUGUST)
    assert (before, list(after)) == ({}, ["acme"])
    assert "region=mars" in after["acme"]
    assert {row["customer_id"] for row in rows} == {"coil"}


def test_a_commitment_is_a_row_of_the_plan_that_the_subscription_has(world):
    """Committed 25.00, spent 12.00: the true-up is 13.00, taxed."""
    world.use("acme", "2026-08-05", 4)
    fee, calls = (
        "{id: fee, model: flat, flat_amount: 10}",
        "{id: calls, meter: calls, model: per_unit, unit_amount: 0.50}",
    )
    text = (PLAN % f"{fee}, {calls}").replace(
        "currency: USD", "currency: USD, commitments: [{amount: 25, true_up: true}]"
    )
    rows, *_ = simulated(world, text, *AUGUST)
    (added,) = (row for row in rows if row["kind"] == "true_up" and row["customer_id"] == "acme")
    assert (added["plan_id"], added["price_id"]) == ("pro", "")
    assert (added["amount_before"], added["amount_after"], added["due_after"]) == (0, 13, Decimal("14.04"))


def test_steps_of_any_size_give_the_same_rows(world):
    """Also where the candidate has subscriptions and customers that the catalog hasn't."""
    world.use("acme", "2026-08-05", 4)
    text = "customers: [{id: aaa, name: A}, {id: zed, name: Z}]\n"
    text += "plans: [{id: more, name: More, currency: EUR, prices: [{id: fee, model: flat, flat_amount: 1}]}]\nsubscriptions:\n"
    text += "".join(
        f"  - {{customer: {who}, plan: more, start: 2026-08-01}}\n" for who in ("aaa", "zed", "bolt")
    )
    whole, *_ = simulated(world, text, "2026-08-01", "2026-11-01")
    assert {row["customer_id"] for row in whole} == {"aaa", "acme", "bolt", "coil", "zed"}
    for size in (1, 2, 3):
        parts, *_ = simulated(world, text, "2026-08-01", "2026-11-01", size)
        assert parts == whole


CANDIDATE = """
coupons:
  - {id: ten, name: Ten, percent_off: 25}
tax_regions:
  - {id: DE, name: Germany, country: DE, rates: [{id: vat, percent: 21}]}
plans:
  - id: pro
    name: Pro
    currency: USD
    prices:
      - {id: fee, model: flat, flat_amount: 7.77}
      - {id: tiers, meter: calls, model: graduated, tiers: [{up_to: 30, unit_amount: 0.15}, {unit_amount: 0.05}]}
      - {id: peak, meter: peak, model: per_unit, unit_amount: 0.66}
    currencies:
      JPY:
        prices:
          fee: {flat_amount: 1290}
          tiers: {tiers: [{up_to: 25, unit_amount: 21.5}, {unit_amount: 8}]}
          peak: {unit_amount: 95}
  - {id: euro, name: Euro, currency: EUR, billing_period: week, prices: [{id: calls, meter: calls, model: per_unit, unit_amount: 0.023}]}
credit_grants:
  - {id: more, customer: coil, currency: USD, amount: 5, effective_at: 2026-08-01}
"""


@pytest.mark.parametrize("number", numbered(1, 20))
def test_both_sides_are_what_closing_would_bill(tmp_path, store, seed, number):
    """Before: a close of the same span. After: a close of a tenant that had the candidate from its first day on."""
    dice = random.Random(f"{seed}-{number}")
    world = ClosingWorld(f"sqlite:///{tmp_path / 'a.sqlite'}", store, RANDOM_CATALOG, "2026-11-20")
    for _ in range(40):
        use(dice, world, "2026-08-01", "2026-11-01")
    start, before = dice.choice((("2026-08-01", "2026-11-01"), ("2026-09-01", "2026-10-10")))
    rows, *unrateable = simulated(world, CANDIDATE, start, before, dice.choice((1, 2, 10_000)))
    assert unrateable == [{}, {}]
    other = ClosingWorld(
        f"sqlite:///{tmp_path / 'b.sqlite'}", store, RANDOM_CATALOG, "2026-07-01", world.clock
    )
    # Nobody has begun: the candidate is the first version for all.
    other.apply(CANDIDATE)
    other.at("2026-11-20")
    for side, made in (("before", world), ("after", other)):
        made.close(start, before)
        billed = {key: nonzero(sums) for key, sums in made.totals().items() if any(sums.values())}
        assert sums_of(rows, side) == billed, side
        made.finish()


def sums_of(rows, side):
    found = {}
    for row in rows:
        own = found.setdefault((row["customer_id"], row["currency"]), dict.fromkeys(SUMS, Decimal(0)))
        names = {"amount": "amount" if row["kind"] == "charge" else "commitments", "discount": "discounts"}
        names |= {"credit": "credits", "included_tax": "included_tax", "tax": "tax", "due": "due"}
        for name, of_invoice in names.items():
            own[of_invoice] += row[f"{name}_{side}"]
    return {key: nonzero(own) for key, own in found.items() if any(own.values())}


def nonzero(sums):
    return {name: value for name, value in sums.items() if value}
