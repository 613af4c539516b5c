"""Whatever comes in late, is closed in parts, voided and closed again: all documents add up to one close at the end, and to spend."""

import random

import pytest

from engine.billing.closing.invoice import SUMS
from engine.billing.terms.history import History
from engine.spend.spend import spend_of
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_world import TENANT, ClosingWorld, instant_us
from tests.support.long_forms import numbered

MONTHS = ("2026-08-01", "2026-09-01", "2026-10-01", "2026-11-01", "2026-12-01", "2027-01-01")
CATALOG = """
meters:
  - {id: calls, event_type: call, aggregation: sum, value: value}
  - {id: by_region, event_type: call, aggregation: sum, value: value, group_by: [region]}
  - {id: peak, event_type: call, aggregation: max, value: value}
tax_regions:
  - {id: DE, name: Germany, country: DE, rates: [{id: vat, percent: 19}]}
  - {id: GR, name: Greece, country: GR, rates: [{id: vat, percent: 24, inclusive: true}]}
coupons:
  - {id: ten, name: Ten, percent_off: 10}
  - {id: three, name: Three, amount_off: 3, currency: USD, periods: 2}
plans:
  - id: pro
    name: Pro
    currency: USD
    prices:
      - {id: fee, model: flat, flat_amount: 9.99}
      - {id: tiers, meter: calls, model: graduated, tiers: [{up_to: 50, unit_amount: 0.113}, {unit_amount: 0.07}]}
      - {id: volume, meter: calls, model: volume, tiers: [{up_to: 60, unit_amount: 0.21}, {unit_amount: 0.11}]}
      - {id: regions, meter: by_region, model: per_unit, unit_amount: 0.0333}
      - {id: peak, meter: peak, model: per_unit, unit_amount: 0.55}
  - id: fine
    name: Fine
    currency: USD
    commitments: [{amount: 20, true_up: true}]
    prices:
      - {id: calls, meter: calls, model: per_unit, unit_amount: 0.0123, rounding: {digits: 4}}
  - {id: euro, name: Euro, currency: EUR, billing_period: week, prices: [{id: fee, model: flat, flat_amount: 3.33}, {id: calls, meter: calls, model: per_unit, unit_amount: 0.017}]}
customers:
  - {id: acme, name: A, tax_region: DE, coupons: [{coupon: ten, start: 2026-09-01}]}
  - {id: bolt, name: B, tax_region: GR}
  - {id: coil, name: C}
credit_grants:
  - {id: paid, customer: acme, currency: USD, amount: 60, category: paid, effective_at: 2026-08-01}
  - {id: monthly, customer: bolt, currency: USD, amount: 7, effective_at: 2026-08-10, recurs_months: 1}
subscriptions:
  - {customer: acme, plan: pro, start: 2026-08-01}
  - {customer: acme, plan: fine, start: 2026-08-15}
  - {customer: bolt, plan: pro, start: 2026-08-31, coupons: [{coupon: three, start: 2026-09-01}]}
  - {customer: bolt, plan: euro, start: 2026-08-05}
  - {customer: coil, plan: fine, start: 2026-08-01, end: 2026-10-11}
"""


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
    assert set(live) == {("acme", "USD"), ("bolt", "USD"), ("bolt", "EUR"), ("coil", "USD")}
    assert {key: {name: own[name] for name in SUMS[1:]} for key, own in closed.items()} == live
    world.finish()


def use(dice, world, start, end):
    region = {} if dice.random() < 0.3 else {"region": dice.choice(("eu", "us"))}
    time_us = dice.randrange(instant_us(start), min(instant_us(end), world.now_us))
    world.use(dice.choice(("acme", "bolt", "coil")), time_us, dice.randrange(1, 90), **region)


def close(world, start, end, dice):
    world.close(start, end, subscriptions=dice.choice((1, 2, 10_000)), grace_us=0)


def void(world, invoice):
    world.invoices.void(TENANT, invoice.invoice_id, 0, "said so", world.now_us)


def numbers(world):
    return sorted(each.number for each in world.invoices.invoices(TENANT, "", 0, 10_000))


def booked(world):
    """What each line comes to over all documents that stand; without those that come to nothing."""
    found = {}
    for invoice in world.standing():
        for line in world.lines(invoice):
            key = invoice.key.customer_id, line["currency"], line["line_item_id"], line["period_start"]
            own = found.setdefault(key, dict.fromkeys(AMOUNTS, 0))
            for name in AMOUNTS:
                own[name] += line[name]
    return {key: own for key, own in found.items() if any(own.values())}


AMOUNTS = ("amount_minor", "discount_minor", "credit_minor", "included_tax_minor", "tax_minor", "due_minor")
