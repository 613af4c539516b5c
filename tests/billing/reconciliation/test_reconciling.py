"""Closed periods worked out a second time: nothing is reported of what is right, and each fault is."""

import random

import pytest

from engine.billing.reconciliation.findings import Check
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_histories import CATALOG, MONTHS, use
from tests.support.closing_world import TENANT, ClosingWorld
from tests.support.long_forms import numbered
from tests.support.reconciled_world import reconciled


@pytest.fixture
def store(tmp_path):
    opened = UsageStore.open_embedded(tmp_path / "usage")
    yield opened
    opened.close()


@pytest.mark.parametrize("number", numbered(1, 40))
def test_nothing_is_reported_of_a_history_without_a_fault(tmp_path, store, seed, number):
    """Late usage, usage billed while its period runs, closes in parts, voids and regenerations, with every term of money."""
    dice = random.Random(f"{seed}-{number}")
    world = ClosingWorld(f"sqlite:///{tmp_path / 'a.sqlite'}", store, CATALOG, "2026-08-01")
    closed_until = 0
    for place in range(1, len(MONTHS)):
        world.at(MONTHS[place]).now_us -= dice.randrange(1, 400) * 3_600_000_000
        for _ in range(dice.randint(0, 12)):
            use(dice, world, MONTHS[0], MONTHS[place])
            if dice.random() < 0.3:
                world.bill_parts()
        world.at(MONTHS[place]).now_us += dice.randrange(2, 200) * 3_600_000_000
        if dice.random() < 0.8:
            world.close(MONTHS[closed_until], MONTHS[place], dice.choice((1, 10_000)), grace_us=0)
            closed_until = place
        standing = world.standing()
        if standing and dice.random() < 0.4:
            world.now_us += 1
            chosen = dice.choice(standing)
            world.invoices.void(TENANT, chosen.invoice_id, 0, "said so", world.now_us)
        if dice.random() < 0.4:
            found = reconciled(world, customers=dice.choice((1, 2, 500)))
            assert (found.differences, found.difference_count) == ([], 0)
    world.at("2027-02-01").close(MONTHS[0], MONTHS[-1], grace_us=0)
    found = reconciled(world)
    assert found.differences == []
    assert found.judged[Check.LINES] > 20
    world.finish()
