"""A small world of usage whose slices are dense, with everything that can happen to them; driven by a seed."""

import random
from dataclasses import replace

import numpy as np
import pyarrow as pa

from engine.billing.meter_usage import measure_of
from engine.catalog.kinds.meter import Meter
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.corrections.voids import EventKey, Kind, Void, record_voids
from engine.usage.facts.periods_request import Periods, PeriodsRequest
from engine.usage.query.periods_reader import PeriodsReader
from engine.usage.query.usage_reader import UsageReader
from engine.usage.rollups.coverage import Coverages
from engine.usage.rollups.rollups import Rollups
from engine.usage.rollups.write import Worth
from ingest import IngestClock
from tests.support.usage.conflict_oracle import Log
from tests.support.usage.content_hashes import content_hash
from tests.support.usage.meter_reads import deliver
from tests.support.usage.period_reads import one_by_one, said
from tests.support.usage.usage_histories import random_meter
from tests.support.usage.usage_oracle import usage_by_oracle

HOUR_US = 3_600_000_000
START_US = 1_793_491_200_000_000  # 2026-11-01T00:00:00Z, a Sunday
CUSTOMERS = ("acme", "bolt", "caldera", "'; DROP TABLE rollups; --")
GROUPS_MAX = 100_000
# Everything that the dice can make of customers: hours, days, and left alone.
WORTHS = (
    Worth(hour_events_min=1, hour_month_events_min=1, day_events_min=1, day_month_events_min=1),
    Worth(hour_events_min=3, hour_month_events_min=12, day_events_min=1, day_month_events_min=2),
    Worth(hour_events_min=99, hour_month_events_min=99, day_events_min=1, day_month_events_min=6),
)


class World:
    """One tenant's log, its rollups, and lists that know better."""

    def __init__(self, store, tenant, seed, clock):
        self.dice = random.Random(seed)
        self.store, self.tenant, self.clock = store, tenant, clock
        self.log = Log()
        self.now_us = iter(range(clock.watermark(0) + 1, 2**62)).__next__
        self.rollups = Rollups(store, clock, self.now_us, self.dice.choice(WORTHS))
        self.reader = UsageReader(store, Coverages(store, lambda: 0, age_max_ns=0), days_for_customers_min=1)
        self.reconciler = Reconciler(store, clock, self.now_us)
        # Quantities are converted after they are read (engine.billing.meter_usage).
        self.meter_fields = [{**random_meter(self.dice), "conversion": None} for _ in range(3)]
        self.blurred = []
        self.steps = []

    def asked(self, fields):
        """What a meter asks."""
        return measure_of(self.tenant, Meter.read(fields)).asked((), (0, 1), 1)

    def step(self):
        action = self.dice.choice(
            (self.ingest, self.ingest, self.ingest, self.retry, self.decide, self.reconcile, self.roll_up)
        )
        self.steps.append(action.__name__)
        action()

    def ingest(self):
        """On time, late, with ids that were used before."""
        self._deliver([self._random_event() for _ in range(self.dice.randint(1, 12))])

    def retry(self):
        if self.log.events:
            self._deliver(self.dice.choices(self.log.events, k=self.dice.randint(1, 4)))

    def decide(self):
        """A person voids events, one or all of an hour, or brings them back."""
        if not self.log.events:
            return
        chosen, voided = self.dice.choice(self.log.events), self.dice.random() < 0.7
        together = [chosen]
        if self.dice.random() < 0.5:
            together = [
                each
                for each in self.log.events
                if (each["customer"], each["time_us"] // HOUR_US)
                == (chosen["customer"], chosen["time_us"] // HOUR_US)
            ]
        facts = [
            Void(
                event=EventKey(
                    self.tenant,
                    event["customer"],
                    event["event_type"],
                    event["time_us"],
                    event["event_id"],
                    content_hash(event["properties"]),
                ),
                voided=voided,
                kind=Kind.VOID,
                correction_id="c",
                reason="r",
                recorded_by="p",
            )
            for event in together
        ]
        stamp_us = record_voids(facts, self.store, self.clock, self.now_us)
        for event in together:
            self.log.decide(stamp_us, event, voided)

    def reconcile(self):
        before_us = self.clock.watermark(self.now_us())
        self.reconciler.reconcile(self.tenant, 0, 2 * START_US)
        # The oracle's losers become void at the stamp that their facts have: somewhere after `before_us`, at which a read
        # still sees them.
        after_us = self.clock.watermark(self.now_us())
        self.log.reconcile(before_us + 1, lambda event: event["tenant"] == self.tenant)
        self.blurred.append((before_us, after_us))

    def roll_up(self):
        for fields in self.meter_fields:
            self.rollups.keep_up(self.asked(fields))

    def differences(self):
        """What a read from rows and events, one from events alone and the lists say differently."""
        for fields in self.meter_fields:
            yield from self._differences_of(fields)
        yield from self._differences_at_once()

    def _differences_of(self, fields):
        request = self.asked(fields)
        as_of_us = self.clock.watermark(self.now_us())
        if self.dice.random() < 0.5:
            as_of_us = self.dice.randint(0, as_of_us)
        request = replace(
            request,
            customer_ids=sorted(self.dice.sample(CUSTOMERS, self.dice.randint(1, len(CUSTOMERS)))),
            bounds_us=self._random_bounds(),
            as_of_us=as_of_us,
            by_customer=self.dice.random() < 0.8,
        )
        found = self.reader.read(request, GROUPS_MAX)
        raw = self.reader.read(request, GROUPS_MAX, raw_only=True)
        if found != raw:
            yield f"{request}: rows {found}, events {raw}"
        yield from self.against_lists(request, fields)

    def _differences_at_once(self):
        """What one read of all meters, for customers in periods of their own, and a read of each from events say
        differently.
        """
        places = sorted(
            (self.dice.choice(CUSTOMERS), *self._random_bounds()[:2]) for _ in range(self.dice.randint(1, 6))
        )
        customers, starts_us, ends_us = zip(*places, strict=True)
        request = PeriodsRequest(
            measures=[self.asked(fields) for fields in self.meter_fields],
            periods=Periods(pa.array(customers), np.array(starts_us), np.array(ends_us)),
            wanted=[np.arange(len(places)) for _ in self.meter_fields],
            as_of_us=self.dice.randint(0, self.clock.watermark(self.now_us())),
        )
        found = PeriodsReader(self.store, self.reader).read(request)
        for usage, wanted, raw in zip(found, request.wanted, one_by_one(self.store, request), strict=True):
            if said(usage, wanted) != raw:
                yield f"{request}: at once {said(usage, wanted)}, one by one {raw}"

    def against_lists(self, request, fields):
        """What a read and the lists say differently of the whole of a request's period."""
        as_of_us = request.as_of_us
        certain = not any(first < as_of_us < last for first, last in self.blurred)
        if certain and request.by_customer:
            bounds = (request.bounds_us[0], request.bounds_us[-1])
            one = self.reader.read(replace(request, bounds_us=bounds), GROUPS_MAX)
            lists = usage_by_oracle(
                self.log.alive(as_of_us),
                fields,
                tenant=self.tenant,
                customers=request.customer_ids,
                period_us=bounds,
                as_of_us=as_of_us,
            )
            answers = {
                (each.customer_id, each.dimensions): (
                    each.quantity,
                    each.event_count,
                    each.unreadable_event_count,
                    each.event_digest,
                )
                for each in one
            }
            if answers != lists:
                yield f"{request}: rows {answers}, lists {lists}"

    def _deliver(self, events):
        stamp_us = self.clock.begin(self.now_us())
        deliver(self.store, [{**each, "ingested_us": stamp_us} for each in events])
        self.clock.end(stamp_us)
        for each in events:
            self.log.accept(stamp_us, each)

    def _random_event(self):
        number = self.dice.randrange(60)
        value = self.dice.choice(("1", "2.5", "-3", "0.000000000001", "many", None, str(number)))
        properties = {
            "value": value,
            "region": self.dice.choice(("eu", "us", None)),
            "size": self.dice.choice(("5", None)),
        }
        return {
            "tenant": self.tenant,
            "event_id": f"e{self.dice.randrange(10**9) if self.dice.random() < 0.9 else number}",
            "event_type": "call",
            "customer": self.dice.choice(CUSTOMERS),
            "time_us": self._random_instant(),
            "properties": {name: text for name, text in properties.items() if text is not None},
        }

    def _random_instant(self):
        """In few hours of few days, often at their very ends."""
        hour_us = START_US + self.dice.choice((-24, -1, 0, 1, 23, 24, 25, 30 * 24)) * HOUR_US
        return hour_us + self.dice.choice((0, 1, HOUR_US - 1, self.dice.randrange(HOUR_US)))

    def _random_bounds(self):
        if self.dice.random() < 0.5:
            whole = [START_US + 24 * HOUR_US * days for days in (-2, -1, 0, 1, 2, 40)]
            return tuple(sorted(self.dice.sample(whole, self.dice.randint(2, 5))))
        return tuple(
            sorted({self._random_instant() for _ in range(self.dice.randint(3, 6))} | {1, START_US + 99})
        )


def new_clock():
    return IngestClock(0, lambda _ceiling_us: None)
