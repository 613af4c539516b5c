"""Changes of subscriptions that reach into what is billed already: all documents come to what one close at the end would bill."""

from decimal import Decimal
from itertools import pairwise

import pytest

from engine.errors import CatalogDocumentError
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_world import ClosingWorld

# 10.00 and 0.50 a call; in the second version, for those who are moved to it, 20.00 and 0.60.
CATALOG = """
meters: [{id: calls, event_type: call, aggregation: sum, value: value}]
plans:
  - id: pro
    name: Pro
    currency: USD
    prices:
      - {id: fee, model: flat, flat_amount: 10}
      - {id: calls, meter: calls, model: per_unit, unit_amount: 0.50}
customers: [{id: acme, name: Acme}]
"""
DEARER = CATALOG.replace("flat_amount: 10", "flat_amount: 20").replace(
    "unit_amount: 0.50", "unit_amount: 0.60"
)
MONTHS = ("2026-10-01", "2026-11-01", "2026-12-01", "2027-01-01")


@pytest.fixture(params=["sqlite", "postgresql"])
def made(request, tmp_path):
    """Makes worlds on one usage store, each with a database of its own."""
    store, worlds = UsageStore.open_embedded(tmp_path / "usage"), []

    def make(text, clock=None):
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path / f'catalog{len(worlds)}.sqlite'}"
        else:
            url = request.getfixturevalue("postgres_server").new_url()
        worlds.append(ClosingWorld(url, store, text, "2026-10-02", clock))
        return worlds[-1]

    yield make
    for each in worlds:
        each.finish()
    store.close()


def due(world):
    """What all invoices that stand come to."""
    return sum((each.sums["due"] for each in world.standing()), Decimal(0))


def closed_at_the_end(made, world, *texts, until=MONTHS[-1]):
    """What a tenant owes that had these documents from the first day on, and closed all months at once."""
    other = made(CATALOG, world.clock)
    for text in texts:
        other.apply(text)
    other.at(f"{until[:8]}02").close(MONTHS[0], until)
    return other.totals()


SUBSCRIBED = "subscriptions: [{customer: acme, plan: pro, start: 2026-10-01}]"
MOVED = "subscriptions: [{customer: acme, plan: pro, start: 2026-10-01, phases: [{start: 2026-11-16, plan_version: 2}]}]"


def test_a_version_that_is_migrated_while_its_period_is_open_counts_from_then_on(made):
    """November has thirty days: 5.00 and 10.00 of fees, 4 calls at 0.50 and 4 at 0.60. October and December have one version."""
    world = made(CATALOG)
    world.apply(SUBSCRIBED)
    world.at("2026-11-02").close(*MONTHS[:2])
    world.use("acme", "2026-11-05", 4)
    world.at("2026-11-16")
    world.apply(DEARER)
    world.apply(MOVED)
    world.use("acme", "2026-11-16", 4)
    for start, before in pairwise(MONTHS[1:]):
        world.at(f"{before[:8]}02").close(start, before)
    assert [str(each.sums["due"]) for each in world.standing()] == ["10.00", "19.40", "20.00"]
    assert world.totals() == closed_at_the_end(made, world, SUBSCRIBED, DEARER, MOVED)


def test_a_version_that_is_migrated_after_its_period_was_billed_adjusts_it(made):
    """November was billed 14.00 and comes to 19.40: December has 20.00 and the 5.40 that are missing."""
    world = made(CATALOG)
    world.apply(SUBSCRIBED)
    world.use("acme", "2026-11-05", 4)
    world.use("acme", "2026-11-20", 4)
    world.at("2026-12-02").close(*MONTHS[:2])
    world.close(*MONTHS[1:3])
    assert due(world) == Decimal("24.00")
    world.apply(DEARER)
    world.apply(MOVED)
    world.at("2027-01-02").close(*MONTHS[2:])
    assert [str(each.sums["due"]) for each in world.standing()] == ["10.00", "14.00", "25.40"]
    assert world.totals() == closed_at_the_end(made, world, SUBSCRIBED, DEARER, MOVED)


TWO = (
    "subscriptions: [{id: first, customer: acme, plan: pro, start: 2026-10-01, end: 2026-11-01}, "
    "{id: second, customer: acme, plan: pro, start: START}]"
)


def test_a_subscription_is_not_backdated_past_one_that_ended(made):
    """The same usage would be billed twice; up to its end it can be."""
    world = made(CATALOG)
    world.apply(TWO.replace("START", "2026-11-16"))
    with pytest.raises(CatalogDocumentError, match="overlaps 'first'"):
        world.apply(TWO.replace("START", "2026-10-20"))
    world.apply(TWO.replace("START", "2026-11-01"))


def test_a_backdated_subscription_is_billed_for_its_whole_time_once(made):
    """Its months now begin on the first. Before: half of November to the middle of December, 10.00 and 2 calls. After: November with
    6 calls, December, and January less the 11.00 that were billed: 12.00 of October, 13.00, 10.00, and 10.00 - 11.00.
    """
    world = made(CATALOG)
    later = TWO.replace("START", "2026-11-16")
    world.apply(later)
    world.use("acme", "2026-10-05", 4)
    world.use("acme", "2026-11-05", 4)
    world.use("acme", "2026-11-20", 2)
    world.at("2026-12-17").close(MONTHS[0], "2026-12-17")
    # What was used before it began isn't billed: 12.00 of October, 11.00 from 16 November on.
    assert due(world) == Decimal("23.00")
    world.apply(TWO.replace("START", "2026-11-01"))
    world.at("2027-01-02").close(MONTHS[0], MONTHS[-1])
    # What lies within the run's own months is corrected by the next invoice.
    world.at("2027-02-02").close(MONTHS[-1], "2027-02-01")
    assert [str(each.sums["due"]) for each in world.standing()] == [
        "12.00",
        "11.00",
        "13.00",
        "10.00",
        "-1.00",
    ]
    assert world.totals() == closed_at_the_end(
        made, world, TWO.replace("START", "2026-11-01"), until="2027-02-01"
    )
