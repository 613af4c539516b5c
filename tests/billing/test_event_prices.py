"""Metered prices with terms per event, worked out by hand: from events in a store to lines and sums."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from engine.billing import rater as rating_path
from engine.billing.line_windows import LineWindows
from engine.billing.rater import Rater, Snapshot
from engine.errors import StoreUnavailableError
from engine.spend.spend import joined, spend_of
from engine.times import datetime_us
from engine.usage.query.periods_reader import PeriodsReader
from engine.usage.query.usage_reader import UsageReader
from engine.usage.store.usage_store import UsageStore
from rating import DecimalColumn, FeeSums, Part, Price, TierProration, prorated
from tests.support.event_bills import catalog_of
from tests.support.usage.correction_history import TENANT
from tests.support.usage.meter_reads import deliver
from tests.support.usage.reused_ids import event_of

AT = datetime(2026, 11, 20, tzinfo=UTC)
START = datetime(2026, 11, 1, tzinfo=UTC)
CATALOG = """
meters:
  - {{id: paid, event_type: {type}, aggregation: sum, value: value, group_by: [{group_by}]}}
plans:
  - id: p
    name: P
    currency: USD
    prices:
      - {{id: fees, meter: paid, model: percentage, {terms}}}
      - {{id: plain, meter: paid, model: percentage, percent: 1}}
customers:
  - {{id: acme, name: A}}
  - {{id: bolt, name: B}}
  - {{id: coil, name: C}}
subscriptions:
  - {{customer: acme, plan: p, start: 2026-11-01{phases}}}
  - {{customer: bolt, plan: p, start: 2026-11-01}}
  - {{customer: coil, plan: p, start: 2026-11-01}}
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    opened = UsageStore.open_embedded(tmp_path_factory.mktemp("events") / "usage")
    yield opened
    opened.close()


class Shop:
    """Payments of three customers under one price with terms per event, and one of 1 % without."""

    def __init__(self, store, name, terms, *, group_by="", phases=""):
        self.type = name
        self.catalog = catalog_of(CATALOG.format(type=name, terms=terms, group_by=group_by, phases=phases))
        self._store = store
        self.usage = PeriodsReader(store, UsageReader(store))
        self.rater = Rater(None, self.usage, None, None)
        self.snapshot = Snapshot(self.catalog, datetime_us(AT), 10)

    def paid(self, *amounts, customer="acme", ids=None, at=START, **properties):
        """A second after the other, or all at once where they have ids."""
        events = [
            event_of(
                f"{self.type}-{customer}-{ids[number] if ids else number}",
                amount,
                tenant=TENANT,
                event_type=self.type,
                customer=customer,
                time_us=datetime_us(at) + (0 if ids else number * 1_000_000),
                ingested_us=1,
            )
            for number, amount in enumerate(amounts)
        ]
        for each in events:
            each["properties"] |= properties
        # As they arrive says nothing of their order.
        deliver(self._store, events[::-1])

    def lines(self, customer="acme"):
        rated = self.rater.rate_customer(self.snapshot, customer)
        return rated.line_items(np.arange(len(rated)))

    def fees(self, customer="acme"):
        return [each for each in self.lines(customer) if each.charge.billed.price.id == "fees"]


@pytest.fixture
def shop(store, request):
    def opened(terms, **options):
        return Shop(store, request.node.name.replace("[", "-").rstrip("]"), terms, **options)

    return opened


def test_payments_after_a_hundred_free_ones(shop):
    """103 payments of 10.00: three pay 2.9 % and 0.30 each, 0.87 + 0.90 = 1.77."""
    made = shop("percent: 2.9, fixed_amount_per_event: 0.30, free_events: 100")
    made.paid(*["10"] * 103)
    (line,) = made.fees()
    assert (line.quantity, line.event_count, line.rated.amount) == (Decimal(1030), 103, Decimal("1.77"))
    assert line.rated.formula == "30 × 0.029 + 3 × 0.3 = 1.77 → 1.77 USD"
    assert line.rated.fees == FeeSums(
        100, 3, Decimal(30), Decimal("0.87"), Decimal("0.9"), Decimal(0), Decimal(0)
    )


def test_each_payment_is_bounded(shop):
    """2.9 % of 10.00 is 0.29, at least 0.50; of 100.00 2.90; of 1,000.00 29.00, at most 5: 8.40."""
    made = shop("percent: 2.9, minimum_per_event: 0.5, maximum_per_event: 5")
    made.paid("10", "100", "1000")
    (line,) = made.fees()
    assert line.rated.amount == Decimal("8.40")
    assert line.rated.formula == (
        "1110 × 0.029 + -24 (at most 5 an event) + 0.21 (at least 0.5 an event) = 8.4 → 8.40 USD"
    )


def test_the_allowance_is_used_up_in_the_order_of_event_time(shop):
    """The example of docs/rating.md: two free events up to 150, then 0.88 + 0.59 + 5.00 of 70, 10 and 280."""
    made = shop(
        "percent: 2.9, fixed_amount_per_event: 0.30, free_events: 2, free_amount: 150, minimum_per_event: 0.5, "
        "maximum_per_event: 5"
    )
    made.paid("100", "70", "10", "280")
    (line,) = made.fees()
    assert (line.rated.amount, line.rated.fees.free_event_count) == (Decimal("6.47"), 1)


@pytest.mark.parametrize(("ids", "amount"), [("ab", "0.10"), ("ba", "1.00")])
def test_of_payments_at_one_time_the_lower_id_comes_first(shop, ids, amount):
    """One is free: of 10.00 and 1.00, at 10 %, it is the one with the lower id."""
    made = shop("percent: 10, free_events: 1")
    made.paid("10", "1", ids=ids)
    assert made.fees()[0].rated.amount == Decimal(amount)


def test_each_group_has_an_allowance_of_its_own_and_all_are_rounded_once(shop):
    """1 % of the second payment in each region: 0.003 and 0.004 are 0.007, 0.01 for the larger remainder."""
    made = shop("percent: 1, free_events: 1", group_by="region")
    made.paid("5", "0.3", region="eu")
    made.paid("7", "0.4", region="us", at=START + timedelta(hours=1), ids="xy")
    found = [(each.dimensions["region"], each.rated.exact_amount, each.rated.amount) for each in made.fees()]
    assert found == [
        ("eu", Decimal("0.003"), Decimal("0.00")),
        ("us", Decimal("0.004"), Decimal("0.01")),
    ]


def test_a_refund_bills_as_zero_and_is_said(shop):
    """A payment of 100.00 pays 3.20, and -100.00 gives nothing back."""
    made = shop("percent: 2.9, fixed_amount_per_event: 0.30")
    made.paid("100", "-100")
    (line,) = made.fees()
    assert (line.quantity, line.rated.amount, line.rated.negative_quantity) == (
        Decimal(0),
        Decimal("3.20"),
        True,
    )


def test_nobody_pays_without_payments(shop):
    """No event, no fee; the line is there."""
    (line,) = shop("percent: 2.9, fixed_amount_per_event: 0.30").fees("coil")
    assert (line.rated.amount, line.rated.formula) == (
        Decimal("0.00"),
        "0 × 0.029 + 0 × 0.3 = 0 → 0.00 USD",
    )


def test_a_charge_of_too_many_events_is_flagged_and_nothing_else(shop):
    """Bolt has four where three can be read: its line has no amount, its other line and acme's stand."""
    made = shop("percent: 10, free_events: 1")
    made.usage.amounts.events_max = 3
    made.paid("1", "2", "4")
    made.paid("1", "2", "4", "8", customer="bolt")
    assert [each.rated.amount for each in made.lines()] == [Decimal("0.60"), Decimal("0.07")]
    flagged, plain = made.lines("bolt")
    assert (flagged.rated, flagged.event_count, flagged.quantity) == (None, 4, Decimal(15))
    assert flagged.unrateable_reason == (
        "has more than 1,000,000 events, and its price has terms per event: bill shorter periods, or sum the events up "
        "before they are sent"
    )
    assert plain.rated.amount == Decimal("0.15")
    spends = joined(spend_of(each) for each in made.rater.rate_all(made.snapshot, digests=False))
    assert [(each.customer_id, each.amount, each.incomplete) for each in spends.by_amount(3)] == [
        ("acme", Decimal("0.67"), False),
        ("bolt", Decimal("0.15"), True),
        ("coil", Decimal("0.00"), False),
    ]


def test_what_is_rated_at_once_is_bounded_by_events_and_says_the_same(shop, monkeypatch):
    """With room for four events customers are rated one by one: the same sums, and the same lines page by page."""
    made = shop("percent: 10, free_events: 1")
    for number, customer in enumerate(("acme", "bolt", "coil")):
        made.paid("1", "2", f"{number}", customer=customer)
    (whole,) = made.rater.rate_all(made.snapshot)
    expected = whole.line_items(np.arange(len(whole)))
    monkeypatch.setattr(rating_path, "EVENTS_AT_ONCE", 4)
    parts = list(made.rater.rate_all(made.snapshot))
    assert len(parts) == 3
    found = [each for part in parts for each in part.line_items(np.arange(len(part)))]
    assert found == expected
    windows = LineWindows(made.rater, lambda _seconds, _do: None)
    pages = [
        line
        for rated, first in windows.lines_from(made.snapshot, slice(0, 3), 100)
        for line in rated.line_items(np.arange(first, len(rated)))
    ]
    assert pages == expected
    assert spend_of(whole).totals() == joined(map(spend_of, parts)).totals()


def test_what_is_kept_of_events_counts_as_lines(shop):
    """Of six lines and 50 events of each priced charge: 50 / 25 more than six."""
    made = shop("percent: 10, free_events: 1")
    made.paid(*["1"] * 50)
    (rated,) = made.rater.rate_all(made.snapshot)
    assert (len(rated), rated.size) == (6, 8)
    assert rated.without_events().size == 6
    assert rated.without_events().amount.to_decimals() == rated.amount.to_decimals()


def test_values_that_don_t_sum_up_to_what_was_counted_make_no_answer(shop, monkeypatch):
    """As if an event had come between the two reads."""
    made = shop("percent: 10, free_events: 1")
    made.paid("1", "2")
    read = made.usage.read

    def counted(request):
        (usage,) = read(request)
        object.__setattr__(usage, "quantity", DecimalColumn.of(["4"]))
        return [usage]

    monkeypatch.setattr(made.usage, "read", counted)
    with pytest.raises(StoreUnavailableError, match="try again"):
        made.lines()


def test_a_part_of_a_period_has_its_share_of_the_allowance(shop):
    """10 free events of November, and a price of its own from the 16th on: five in each half. Of six payments of 10.00 before
    and six from then on one pays in each: 10 % is 1.00, 20 % is 2.00.
    """
    phases = ", phases: [{start: 2026-11-16, overrides: {fees: {percent: 20}}}]"
    made = shop("percent: 10, free_events: 10", phases=phases)
    made.paid(*["10"] * 6)
    made.paid(*["10"] * 6, ids="abcdef", at=START + timedelta(days=15))
    assert [(each.rated.fees.free_event_count, each.rated.amount) for each in made.fees()] == [
        (5, Decimal("1.00")),
        (5, Decimal("2.00")),
    ]


def test_free_events_of_parts_add_up_to_those_of_the_whole(seed):
    """Half up: of 7 in thirds 2, 3 and 2; of any number in any parts, all of them and no more than a part's share."""
    price = Price.read(
        {"currency": "USD", "model": "percentage", "percent": "1", "free_events": 7, "free_amount": "10"}
    )

    def shares(total, cuts):
        parts = [Part(first, last, total) for first, last in zip([0, *cuts], [*cuts, total], strict=True)]
        return [prorated(price, part, TierProration.PRORATE).free_events for part in parts]

    assert shares(3, [1, 2]) == [2, 3, 2]
    dice = random.Random(seed)
    for _ in range(200):
        total = dice.randint(1, 3_000)
        cuts = sorted(dice.randint(0, total) for _ in range(dice.randint(0, 5)))
        found = shares(total, cuts)
        assert sum(found) == 7
        for first, last, share in zip([0, *cuts], [*cuts, total], found, strict=True):
            assert abs(Fraction(7 * (last - first), total) - share) <= 1
    assert prorated(price, Part(0, 1, 3), TierProration.RESTART).free_events == 7
