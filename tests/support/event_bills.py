"""Prices with terms per event over a random history of events and corrections, billed by the engine and by slow lists.

The oracle takes the events that count from the ledger, sorts them by time and id, and works each one's fee out in fractions.
"""

import random
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np

from engine.billing.rater import Rater, Snapshot
from engine.catalog.documents.document import read_document
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import Versioned
from engine.times import datetime_us
from engine.usage.corrections.correction import Amendment
from engine.usage.query.periods_reader import PeriodsReader
from tests.support.catalogs import versions_of
from tests.support.rating.oracle_models import event_fees
from tests.support.rating.oracle_numbers import rounded
from tests.support.usage.correction_history import REGIONS, TENANT, History
from tests.support.usage.meter_oracle import value_of
from tests.support.usage.reused_ids import IDS, TIMES_US, event_of
from tests.support.usage.usage_histories import PERIOD_US

AT = datetime(2026, 11, 20, tzinfo=UTC)
# What is recorded under the second one is the first one's.
SUBJECTS = ("acme", "acme-1", "bolt", "coil")
CUSTOMER_OF = {"acme-1": "acme"}
CATALOG = """
meters:
  - {id: paid, event_type: call, aggregation: sum, value: value}
  - {id: by_region, event_type: call, aggregation: sum, value: value, group_by: [region]}
  - {id: cents, event_type: call, aggregation: sum, value: value, conversion: {divisor: 100, rounding: {mode: half_up, digits: 2}}}
plans:
  - id: p
    name: P
    currency: USD
    prices:
      - {id: fees, meter: paid, model: percentage, %s}
      - {id: regions, meter: by_region, model: percentage, %s}
      - {id: cents, meter: cents, model: percentage, %s}
      - {id: plain, meter: paid, model: percentage, percent: 1}
customers:
  - {id: acme, name: A, aliases: [acme-1]}
  - {id: bolt, name: B}
  - {id: coil, name: C}
subscriptions:
  - {customer: acme, plan: p, start: 2026-11-01}
  - {customer: bolt, plan: p, start: 2026-11-01}
  - {customer: coil, plan: p, start: 2026-10-01}
"""
METERS = {"fees": "paid", "regions": "by_region", "cents": "cents"}


def random_terms(dice):
    """Terms of a percentage price, at least one of them per event."""
    terms = {"percent": dice.choice(("0", "1.5", "2.9", "33.333"))}
    for name, values in (
        ("fixed_amount_per_event", ("0.30", "0.005", "1")),
        ("free_events", (0, 1, 2, 3)),
        ("free_amount", ("0", "1.5", "20", "100.01")),
        ("minimum_per_event", ("0.01", "0.5")),
        ("maximum_per_event", ("0.5", "0.9", "3")),
    ):
        if dice.random() < 0.5:
            terms[name] = dice.choice(values)
    if not terms.keys() & {"fixed_amount_per_event", "free_events", "minimum_per_event", "maximum_per_event"}:
        terms["fixed_amount_per_event"] = "0.1"
    return terms


class BilledHistory(History):
    """A corrected history whose lines are asked for again and again."""

    def __init__(self, store, seed, events_max):
        super().__init__(store, random.Random(seed))
        self.terms = {price: random_terms(self.dice) for price in METERS}
        written = [
            ", ".join(f"{name}: {value}" for name, value in terms.items()) for terms in self.terms.values()
        ]
        self.catalog = catalog_of(CATALOG % tuple(written))
        self.events_max = events_max
        usage = PeriodsReader(store, self.reader)
        usage.amounts.events_max = events_max
        self.rater = Rater(None, usage, None, None)
        self.billed = []

    def begin(self):
        """Events of chance, and three of one customer, which chance can't take away before the first look."""
        for _ in range(6):
            self.deliver("")
        self.record(
            event_of(
                tenant=TENANT,
                event_id=f"begin-{number}",
                event_type="call",
                customer="coil",
                time_us=PERIOD_US[0] + number,
                properties={"value": "1.25"},
            )
            for number in range(3)
        )
        self.look()

    def random_event(self):
        if self.sent and self.dice.random() < 0.3:
            return self.dice.choice(self.sent)
        region = self.dice.choice(REGIONS)
        properties = {"value": self.random_value(), **({"region": region} if region else {})}
        if self.dice.random() < 0.05:
            del properties["value"]
        return event_of(
            tenant=TENANT,
            event_id=self.dice.choice([*IDS, *(f"e{number}" for number in range(40))]),
            event_type=self.dice.choice(("call", "call", "call", "other")),
            customer=self.dice.choice(SUBJECTS),
            time_us=self.dice.choice((*TIMES_US, PERIOD_US[0] + self.dice.randrange(10**12))),
            properties=properties,
        )

    def random_value(self):
        kind = self.dice.random()
        if kind < 0.15:
            return self.dice.choice(("many", "-3.5", "0", "", "-0.000000000001"))
        if kind < 0.25:
            return self.dice.choice(("0.333333333333", "99999999999999999999999999.5", "12345678901.25"))
        return f"{self.dice.randrange(0, 6000) / Decimal(100)}"

    def random_change(self, *, moves):
        change = super().random_change(moves=False)
        properties = (("value", self.random_value()), *(p for p in change.set_properties if p[0] != "value"))
        moved = moves and self.dice.random() < 0.3
        return Amendment(
            tuple(sorted(properties)),
            change.remove_properties,
            self.dice.choice(SUBJECTS) if moved else None,
            self.dice.choice(TIMES_US) if moved else None,
        )

    def look(self):
        as_of_us = self.world.as_of()
        lines = self.lines(as_of_us)
        assert lines == self.lines_by_oracle(), self.terms
        self.billed.append((as_of_us, lines, self.shown(as_of_us)))

    def look_again(self):
        """All that was billed is the same, at its watermark."""
        for as_of_us, lines, shown in self.billed:
            assert self.lines(as_of_us) == lines
            assert self.shown(as_of_us) == shown

    def rated(self, as_of_us):
        (rated,) = self.rater.rate_all(Snapshot(self.catalog, datetime_us(AT), as_of_us))
        return rated

    def shown(self, as_of_us):
        rated = self.rated(as_of_us)
        return [
            (
                each.rated and (each.rated.formula, each.rated.fees, each.rated.negative_quantity),
                each.event_digest,
            )
            for each in rated.line_items(np.arange(len(rated)))
        ]

    def lines(self, as_of_us):
        """(customer, price, region) -> (events, exact amount), or why there is none; and charge -> its rounded sum."""
        rated = self.rated(as_of_us)
        lines, sums = {}, {}
        for each in rated.line_items(np.arange(len(rated))):
            charge = each.charge.subscription.customer, each.charge.billed.price.id
            key = (*charge, each.dimensions.get("region"))
            assert key not in lines
            if each.rated is None:
                lines[key] = (each.event_count, each.unrateable_reason[:9])
                sums[charge] = None
                continue
            lines[key] = (each.event_count, Fraction(each.rated.exact_amount))
            sums[charge] = sums.get(charge, 0) + Fraction(each.rated.amount)
        return lines, sums

    def lines_by_oracle(self):
        events = [
            each
            for each in self.ledger.counting()
            if each["event_type"] == "call" and PERIOD_US[0] <= each["time_us"] < PERIOD_US[1]
        ]
        events.sort(key=lambda each: (each["time_us"], each["event_id"].encode()))
        lines, sums = {}, {}
        for customer in ("acme", "bolt", "coil"):
            own = [each for each in events if CUSTOMER_OF.get(each["customer"], each["customer"]) == customer]
            for price, meter in [*METERS.items(), ("plain", "paid")]:
                groups = {None: []} if meter != "by_region" or not own else {}
                for event in own:
                    region = event["properties"].get("region") if meter == "by_region" else None
                    groups.setdefault(region, []).append(event)
                found = {
                    (customer, price, region): self._of_group(price, meter, group)
                    for region, group in groups.items()
                }
                counted = [value_of(each["properties"], "value")[1] for each in own]
                if price != "plain" and len([each for each in counted if each is not None]) > self.events_max:
                    lines |= {key: (count, "has more ") for key, (count, _) in found.items()}
                    sums[customer, price] = None
                    continue
                lines |= found
                exact = sum((amount for _, amount in found.values()), Fraction(0))
                sums[customer, price] = rounded(exact, 2, "half_up")
        return lines, sums

    def _of_group(self, price, meter, events):
        values = [value_of(each["properties"], "value")[1] for each in events]
        values = [each for each in values if each is not None]
        if price == "plain":
            return len(events), max(sum(values, Fraction(0)), Fraction(0)) / 100
        if meter == "cents":
            values = [rounded(each / 100, 2, "half_up") for each in values]
        terms = {
            name: value if name == "free_events" else Fraction(value)
            for name, value in self.terms[price].items()
        }
        return len(events), sum(event_fees(terms, values), Fraction(0))


def catalog_of(text, tenant=TENANT):
    empty = Catalog.empty(tenant)
    resources = read_document(text, "c.yaml").resources(empty, datetime(2026, 1, 1, tzinfo=UTC))
    return empty.advanced(1, versions_of(Versioned(each, 1, 1) for each in resources))
