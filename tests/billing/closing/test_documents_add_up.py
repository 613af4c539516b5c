"""Whatever comes in late, is billed while its period runs, closed in parts, voided and closed again: all documents add up to one close at the end, and to spend."""

import random

import pytest

from engine.billing.closing.invoice import SUMS
from engine.billing.terms.history import History
from engine.spend.spend import spend_of
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_bills import booked, numbers
from tests.support.closing_histories import CATALOG, MONTHS, use
from tests.support.closing_world import TENANT, ClosingWorld, instant_us
from tests.support.long_forms import numbered


@pytest.fixture
def store(tmp_path):
    opened = UsageStore.open_embedded(tmp_path / "usage")
    yield opened
    opened.close()


@pytest.mark.parametrize("number", numbered(2, 40))
def test_documents_add_up_to_one_close_at_the_end(tmp_path, store, seed, number):
    """Sums of every kind, by customer and currency; and every line's amounts, by what was billed."""
    dice = random.Random(f"{seed}-{number}")
    world = ClosingWorld(f"sqlite:///{tmp_path / 'a.sqlite'}", store, CATALOG, "2026-08-01")
    closed_until = 0
    for place in range(1, len(MONTHS)):
        world.at(MONTHS[place]).now_us -= dice.randrange(1, 400) * 3_600_000_000
        for _ in range(dice.randint(0, 12)):
            use(dice, world, MONTHS[0], MONTHS[place])
            if dice.random() < 0.3:
                bill_parts(world, dice)
        world.at(MONTHS[place]).now_us += dice.randrange(2, 200) * 3_600_000_000
        for _ in range(dice.randint(0, 4)):
            use(dice, world, MONTHS[0], MONTHS[place])
        if dice.random() < 0.8:
            close(world, MONTHS[closed_until], MONTHS[place], dice)
            closed_until = place
        standing = world.standing()
        if standing and dice.random() < 0.4:
            void(world, dice.choice(standing))
    # What was voided is open, and what is closed may have changed: two more runs bill all of it.
    world.at("2027-02-01")
    close(world, MONTHS[0], MONTHS[-1], dice)
    use(dice, world, "2026-08-20", "2027-01-01")
    world.at("2027-03-02")
    close(world, "2027-01-01", "2027-02-01", dice)
    close(world, "2027-02-01", "2027-03-01", dice)
    once = ClosingWorld(f"sqlite:///{tmp_path / 'b.sqlite'}", store, CATALOG, "2026-08-01", world.clock)
    once.at("2027-03-02")
    for step in once.close(MONTHS[0], "2027-03-01"):
        assert step.adjusted_count == 0
    assert world.totals() == once.totals()
    assert booked(world) == booked(once)
    assert numbers(world) == list(range(1, len(numbers(world)) + 1))
    for made in (world, once):
        made.finish()


def test_invoices_are_what_spend_says_at_their_watermark(tmp_path, store, seed):
    """Of every customer and currency all sums of the billing periods that contain 31 August, noon."""
    dice = random.Random(seed)
    world = ClosingWorld(f"sqlite:///{tmp_path / 'a.sqlite'}", store, CATALOG, "2026-09-30")
    for _ in range(60):
        use(dice, world, MONTHS[0], MONTHS[2])
    (step,) = world.at("2026-10-02").close(MONTHS[0], MONTHS[2])
    at_us = instant_us("2026-08-31T12:00:00")
    closed = world.totals([each for each in step.issued if each.key.start_us <= at_us < each.key.end_us])
    snapshot, rated = world.rated_at("2026-08-31T12:00:00")
    assert snapshot.as_of_us == step.issued[0].as_of_us
    live = {
        (each.customer_id, each.currency): dict(
            zip(SUMS[1:], (getattr(each.settled, name) for name in SUMS[1:]), strict=True)
        )
        for each in spend_of(rated, History.of(world.rater, snapshot)).by_amount(10)
    }
    assert set(live) == {
        *(("acme", "USD"), ("bolt", "USD"), ("bolt", "EUR"), ("coil", "USD"), ("dyne", "JPY")),
    }
    assert {key: {name: own[name] for name in SUMS[1:]} for key, own in closed.items()} == live
    world.finish()


def close(world, start, end, dice):
    world.close(start, end, subscriptions=dice.choice((1, 2, 10_000)), grace_us=0)


def bill_parts(world, dice):
    """What has come to its threshold, or whatever is not billed yet of one customer."""
    if dice.random() < 0.7:
        world.bill_parts(subscriptions=dice.choice((1, 10_000)))
    else:
        world.bill_parts(customer_id=dice.choice(("acme", "bolt", "coil")), regardless=True)


def void(world, invoice):
    world.invoices.void(TENANT, invoice.invoice_id, 0, "said so", world.now_us)
