"""A commitment over three months, or one that rolls over, closed month by month: what it adds, what comes late, and what stays as it
was billed.

A unit is 1.00. 100.00 are committed over August, September and October, and 100.00 more over the months behind.
"""

import numpy as np
import pytest

from engine.billing.terms.history import History
from engine.billing.terms.settled import settled
from engine.spend.applied_terms import applied_commitments
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_bills import booked
from tests.support.closing_world import TENANT, ClosingWorld, instant_us

CATALOG = """
meters:
  - {id: calls, event_type: call, aggregation: sum, value: value}
plans:
  - id: pro
    name: Pro
    currency: USD
    commitments: [{amount: 100, periods: 3, overage_factor: 2}]
    prices: [{id: calls, meter: calls, model: per_unit, unit_amount: 1}]
customers: [{id: acme, name: A}]
subscriptions:
  - {customer: acme, plan: pro, start: 2026-08-01}
"""
MONTHS = ("2026-08-01", "2026-09-01", "2026-10-01", "2026-11-01", "2026-12-01", "2027-01-01")
USED = (30, 30, 20)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'contract.sqlite'}"
    return request.getfixturevalue("postgres_server").new_url()


@pytest.fixture
def store(tmp_path):
    opened = UsageStore.open_embedded(tmp_path / "usage")
    yield opened
    opened.close()


@pytest.fixture
def world(url, store):
    """August, September and October are closed, each on the 5th."""
    made = ClosingWorld(url, store, CATALOG, MONTHS[0])
    for number, value in enumerate(USED):
        made.at(f"{MONTHS[number + 1][:8]}02").use("acme", f"{MONTHS[number][:8]}15", value)
        close(made, number)
    yield made
    made.finish()


def close(world, number):
    """Of a month, on the 5th of the next one: its steps."""
    return world.at(f"{MONTHS[number + 1][:8]}05").close(MONTHS[number], MONTHS[number + 1])


def lines(world, invoice):
    """(kind, month, amount) of each line that comes to something, in the order of the invoice."""
    return [
        (each["kind"], f"{each['period_start']:%m}", each["amount_minor"])
        for each in world.lines(invoice)
        if each["amount_minor"]
    ]


def all_lines(world):
    return [lines(world, each) for each in world.standing()]


def left(world, at, as_of_us, revision):
    """What is left of the commitment at the end of a month, by what was known at a watermark."""
    snapshot = world.rater.snapshot(TENANT, instant_us(at), as_of_us, revision)
    rated = world.rater.rate(snapshot, np.arange(1))
    (found,) = applied_commitments(settled(rated, History.of(world.rater, snapshot)))
    return str(found.left)


def test_the_last_month_of_the_term_owes_what_is_left(world):
    """100.00 - 80.00 = 20.00, on October's invoice."""
    assert all_lines(world) == [
        [("charge", "08", 3000)],
        [("charge", "09", 3000)],
        [("charge", "10", 2000), ("true_up", "10", 2000)],
    ]


def test_what_comes_late_is_taken_off_what_was_made_up_for(world):
    """15.00 in August: October's 20.00 fall by 15.00. Then 10.00 in September: by 5.00 more, and 5.00 lie beyond 100.00, twice."""
    world.at("2026-11-20").use("acme", "2026-08-20", 15)
    world.use("acme", "2026-11-20", 40)
    close(world, 3)
    assert lines(world, world.standing()[-1]) == [
        ("charge", "11", 4000),
        ("charge", "08", 1500),
        ("true_up", "10", -1500),
    ]
    world.at("2026-12-20").use("acme", "2026-09-20", 10)
    close(world, 4)
    corrections = lines(world, world.standing()[-1])
    assert sorted(corrections) == [("charge", "09", 1000), ("overage", "10", 500), ("true_up", "10", -500)]


def test_months_of_an_open_term_are_adjusted_by_what_came_before_them(world):
    """November and December: 90.00 and 5.00. With 20.00 late in November, 10.00 of that month lie beyond, and all of December's 5.00; so
    does January's 1.00.
    """
    world.at("2026-12-02").use("acme", "2026-11-15", 90)
    close(world, 3)
    world.at("2027-01-02").use("acme", "2026-12-15", 5)
    close(world, 4)
    world.at("2027-01-20").use("acme", "2026-11-16", 20)
    world.use("acme", "2027-01-20", 1)
    world.at("2027-02-05").close("2027-01-01", "2027-02-01")
    assert lines(world, world.standing()[-1]) == [
        ("charge", "01", 100),
        ("overage", "01", 100),
        ("charge", "11", 2000),
        ("overage", "11", 1000),
        ("overage", "12", 500),
    ]


def test_a_past_bill_stays_the_same_whatever_is_agreed_later(world):
    """The amount, the plan and the end of the subscription change from December on: nothing of the closed term does."""
    before = [(each, world.lines(each)) for each in world.standing()]
    world.apply(
        CATALOG.replace(
            "start: 2026-08-01}",
            "start: 2026-08-01, end: 2026-12-16, phases: [{start: 2026-12-01, commitments: [{amount: 70, periods: 3}]}]}",
        )
    )
    world.at("2026-12-02").use("acme", "2026-11-15", 10)
    (step,) = close(world, 3)
    assert step.adjusted_count == 0
    assert [(each, world.lines(each)) for each in world.standing()][:3] == before
    # The term ends with the subscription: 70.00 less 10.00 in November.
    close(world, 4)
    assert all_lines(world)[3:] == [[("charge", "11", 1000)], [("true_up", "12", 6000)]]


def test_what_is_left_is_derived_at_every_watermark(world):
    """By October's close 20.00 were left; 15.00 late in August leave 5.00 from then on."""
    invoice = world.standing()[-1]
    then = ("2026-10-15", invoice.as_of_us, invoice.catalog_revision)
    assert left(world, *then) == "20.00"
    world.at("2026-11-20").use("acme", "2026-08-20", 15)
    assert left(world, *then) == "20.00"
    assert left(world, "2026-10-15", None, None) == "5.00"


def test_month_by_month_adds_up_to_one_close_of_everything(world, tmp_path, store):
    world.at("2026-11-20").use("acme", "2026-08-20", 15)
    close(world, 3)
    world.at("2026-12-20").use("acme", "2026-09-20", 33)
    close(world, 4)
    once = ClosingWorld(f"sqlite:///{tmp_path / 'once.sqlite'}", store, CATALOG, MONTHS[0], world.clock)
    once.at("2027-01-05").close(MONTHS[0], MONTHS[-1])
    assert booked(world) == booked(once)
    assert world.totals() == once.totals()
    once.finish()


def test_a_part_of_a_running_month_draws_on_and_owes_nothing_of_what_is_left(world):
    """90.00 in November, then 30.00 in December: 20.00 of them lie beyond; what is left is owed by January alone."""
    world.at("2026-12-02").use("acme", "2026-11-15", 90)
    close(world, 3)
    world.at("2026-12-20").use("acme", "2026-12-15", 30)
    (part,) = world.bill_parts(customer_id="acme", regardless=True)
    assert lines(world, part) == [("charge", "12", 3000), ("overage", "12", 2000)]
    close(world, 4)
    assert lines(world, world.standing()[-1]) == []


def test_what_comes_late_is_not_rolled_over(url, store):
    """50.00 a month: August leaves 20.00, of which September's 60.00 use 10.00. With 15.00 late in August it leaves 5.00: 15.00 of what it
    was charged are given back, and September is charged 5.00 of what it was given back.
    """
    rolls = "[{amount: 50, rollover_periods: 1}]"
    text = CATALOG.replace("[{amount: 100, periods: 3, overage_factor: 2}]", rolls)
    made = ClosingWorld(url, store, text, MONTHS[0])
    for number, value in enumerate((30, 60, 55)):
        made.at(f"{MONTHS[number + 1][:8]}02").use("acme", f"{MONTHS[number][:8]}15", value)
        close(made, number)
    assert all_lines(made) == [
        [("charge", "08", 3000), ("true_up", "08", 2000)],
        [("charge", "09", 6000), ("true_up", "09", -1000)],
        [("charge", "10", 5500)],
    ]
    before = [(each, made.lines(each)) for each in made.standing()]
    made.at("2026-11-20").use("acme", "2026-08-20", 15)
    made.use("acme", "2026-11-20", 50)
    close(made, 3)
    assert sorted(lines(made, made.standing()[-1])) == [
        ("charge", "08", 1500),
        ("charge", "11", 5000),
        ("true_up", "08", -1500),
        ("true_up", "09", 500),
    ]
    assert [(each, made.lines(each)) for each in made.standing()][:3] == before
    made.finish()


def test_a_contract_that_comes_in_a_pause_keeps_nobody_from_being_closed(url, store):
    """The fee is 80.00 a month, 24.00 for 9 of September's 30 days. October owes 300.00 - 80.00 - 24.00 = 196.00 of the first contract.
    Bolt commits to nothing.
    """
    text = """
plans:
  - {id: pro, name: Pro, currency: USD, prices: [{id: fee, model: flat, flat_amount: 80}, {id: more, model: flat, flat_amount: 0}]}
customers: [{id: acme, name: A}, {id: bolt, name: B}]
subscriptions:
  - {customer: acme, plan: pro, start: 2026-08-01, commitments: [FEE], phases: [{start: 2026-09-10, paused: true, commitments: [FEE, MORE]}]}
  - {customer: bolt, plan: pro, start: 2026-08-01}
"""
    text = text.replace("FEE", "{amount: 300, periods: 3, prices: [fee]}")
    text = text.replace("MORE", "{amount: 60, periods: 3, prices: [more]}")
    world = ClosingWorld(url, store, text, MONTHS[0])
    for number in range(3):
        close(world, number)
    found = {"acme": [], "bolt": []}
    for each in world.standing():
        found[each.key.customer_id] += lines(world, each)
    assert found["acme"] == [("charge", "08", 8000), ("charge", "09", 2400), ("true_up", "10", 19600)]
    assert found["bolt"] == [("charge", month, 8000) for month in ("08", "09", "10")]
    world.finish()
