"""A random history of events, retries, reused ids, voids, amendments, restorings and undoings, beside slow lists.

What is asked after a step is asked again at the end: the same answer, to the byte; and from rollups as from events.
"""

import random
from dataclasses import replace

import pytest

from engine.billing.meter_usage import measure_of
from engine.catalog.kinds.meter import Meter
from engine.errors import CorrectionRefusedError, NotFoundError
from engine.usage.corrections.correction import Amendment, Correction, PropertyFilter, Selection, Undone
from engine.usage.corrections.voids import Kind
from engine.usage.query.usage_reader import UsageReader
from engine.usage.rollups.coverage import Coverages
from engine.usage.rollups.rollups import Rollups
from engine.usage.store.usage_store import UsageStore
from tests.support.usage.correction_oracle import Ledger, RefusedError
from tests.support.usage.correction_world import World, refs
from tests.support.usage.meter_reads import usage_by_store
from tests.support.usage.reused_ids import CUSTOMERS, IDS, TIMES_US, as_quantities, event_of
from tests.support.usage.rollup_world import WORTHS
from tests.support.usage.usage_histories import PERIOD_US, random_meter
from tests.support.usage.usage_oracle import usage_by_oracle

TENANT = "t'1"
VALUES = ("1", "2", "2.0", "many", "-3.5", "")
REGIONS = ("eu", "us", "'; --", None)


class History:
    """A real world beside a ledger."""

    def __init__(self, store, dice):
        self.world, self.dice, self.ledger = World(store, TENANT), dice, Ledger()
        self.rollups = Rollups(store, self.world.clock, self.world.now_us, WORTHS[0])
        self.reader = UsageReader(store, Coverages(store, lambda: 0, age_max_ns=0), days_for_customers_min=1)
        self.sent, self.names, self.seen, self.done, self.refusals = [], [], [], [], []

    def run(self, steps, *, look=True):
        for step in range(steps):
            act = self.dice.choices(
                (self.deliver, self.void, self.amend, self.amend_many, self.restore, self.undo, self.roll_up),
                (5, 2, 3, 1, 1, 4, 1),
            )[0]
            act(f"c{step}")
            if look:
                self.look()
        for meter, as_of_us, rows in self.seen:
            assert self.read(meter, as_of_us) == rows, (meter, as_of_us)

    def deliver(self, _name):
        events = [self.random_event() for _ in range(self.dice.randint(1, 4))]
        # Also what is in the place of something already: a producer who mends his event himself.
        mended = list(self.ledger.replacements.values())
        if mended and self.dice.random() < 0.4:
            events.append({**self.dice.choice(mended)})
        self.record(events)

    def record(self, events):
        """Delivers these, whatever they are."""
        events = list(events)
        stamp_us = self.world.deliver(*events)
        self.ledger.accept(stamp_us, events)
        self.sent += events
        self.world.reconciler.settle_until(self.world.as_of())

    def random_event(self):
        if self.sent and self.dice.random() < 0.3:
            return self.dice.choice(self.sent)
        region = self.dice.choice(REGIONS)
        return event_of(
            tenant=TENANT,
            event_id=self.dice.choice(IDS),
            event_type=self.dice.choice(("call", "call", "call", "other")),
            customer=self.dice.choice(CUSTOMERS),
            time_us=self.dice.choice(TIMES_US),
            properties={"value": self.dice.choice(VALUES), **({"region": region} if region else {})},
        )

    def void(self, name):
        event_id = self.dice.choice(IDS)
        chosen = lambda: [each for each in self.ledger.counting() if each["event_id"] == event_id]  # noqa: E731
        self.both(
            name, Correction(Kind.VOID, refs(event_id)), lambda _stamp: self.ledger.void(name, chosen())
        )

    def amend(self, name):
        event_id = self.dice.choice(IDS)
        change = self.random_change(moves=True)
        chosen = lambda: [each for each in self.ledger.counting() if each["event_id"] == event_id]  # noqa: E731

        def in_lists(stamp_us):
            if len(chosen()) > 1:
                raise RefusedError
            self.ledger.amend(name, stamp_us, chosen(), lambda event: changed(event, change))

        self.both(name, Correction(Kind.AMEND, refs(event_id), change), in_lists)

    def amend_many(self, name):
        customers = tuple(sorted(self.dice.sample(CUSTOMERS, self.dice.randint(0, 2))))
        start, end = sorted(self.dice.sample([*TIMES_US, PERIOD_US[1] + 1], 2))
        region = self.dice.choice(REGIONS)
        wanted = PropertyFilter("region", (region,) if region else (), None if region else False)
        change = self.random_change(moves=False)

        def chosen():
            return [
                each
                for each in self.ledger.counting()
                if start <= each["time_us"] < end
                and (not customers or each["customer"] in customers)
                and each["event_type"] == "call"
                and each["properties"].get("region") == region
            ]

        selection = Selection(start, end, customers, "call", (wanted,))
        if self.dice.random() < 0.3:
            self.both(name, Correction(Kind.VOID, selection), lambda _stamp: self.ledger.void(name, chosen()))
            return
        self.both(
            name,
            Correction(Kind.AMEND, selection, change),
            lambda stamp_us: self.ledger.amend(
                name, stamp_us, chosen(), lambda event: changed(event, change)
            ),
        )

    def random_change(self, *, moves):
        region = self.dice.choice(REGIONS)
        properties = [("value", self.dice.choice(VALUES))] if self.dice.random() < 0.8 else []
        if region and self.dice.random() < 0.5:
            properties = [("region", region), *properties]
        customer = self.dice.choice(CUSTOMERS) if moves and self.dice.random() < 0.3 else None
        time_us = self.dice.choice(TIMES_US) if moves and self.dice.random() < 0.3 else None
        return Amendment(tuple(properties), () if region else ("region",), customer, time_us)

    def restore(self, name):
        restorable = self.ledger.restorable_ids()
        event_id = self.dice.choice(restorable if restorable and self.dice.random() < 0.7 else IDS)
        self.both(
            name,
            Correction(Kind.RESTORE, refs(event_id)),
            lambda _stamp: self.ledger.restore(name, event_id),
        )

    def undo(self, name):
        if self.names:
            # Of the newest as a rule: the others are in each other's way.
            undone = self.dice.choice(self.names[-3:] if self.dice.random() < 0.4 else self.names)
            self.both(
                name, Correction(Kind.UNDO, Undone(undone)), lambda _stamp: self.ledger.undo(name, undone)
            )

    def roll_up(self, _name):
        for meter, *_ in self.seen[-2:]:
            self.rollups.keep_up(self.request(meter, 1))

    def both(self, name, correction, in_lists):
        """Does it in both worlds, which must agree on whether it can be done."""
        try:
            recorded = self.world.correct(correction, correction_id=name)
        except (CorrectionRefusedError, NotFoundError) as refusal:
            with pytest.raises(RefusedError):
                in_lists(0)
            self.refusals.append(refusal)
            return
        in_lists(recorded.recorded_at_us)
        self.names.append(name)
        self.done.append(correction.kind)

    def request(self, meter, as_of_us):
        return measure_of(TENANT, Meter.read(meter)).asked(CUSTOMERS, PERIOD_US, as_of_us)

    def read(self, meter, as_of_us):
        return usage_by_store(
            self.world.store,
            meter,
            tenant=TENANT,
            customers=list(CUSTOMERS),
            period_us=PERIOD_US,
            as_of_us=as_of_us,
        )

    def look(self):
        meter, as_of_us = random_meter(self.dice), self.world.as_of()
        rows = self.read(meter, as_of_us)
        expected = usage_by_oracle(
            self.ledger.counting(),
            meter,
            tenant=TENANT,
            customers=CUSTOMERS,
            period_us=PERIOD_US,
            as_of_us=as_of_us,
        )
        assert as_quantities(rows) == expected, (meter, self.done)
        request = replace(
            self.request(meter, as_of_us),
            bounds_us=(PERIOD_US[0], PERIOD_US[0] + 3_600_000_000, PERIOD_US[1]),
        )
        assert self.reader.read(request, 1_000) == self.reader.read(request, 1_000, raw_only=True)
        self.seen.append((meter, as_of_us, rows))


def changed(event, change):
    properties = {
        name: text for name, text in event["properties"].items() if name not in change.remove_properties
    }
    return {
        **event,
        "properties": properties | dict(change.set_properties),
        "customer": change.customer_id or event["customer"],
        "time_us": event["time_us"] if change.event_time_us is None else change.event_time_us,
    }


def play(path, seed, steps, *, look=True):
    store = UsageStore.open_embedded(path)
    try:
        made = History(store, random.Random(seed))
        made.run(steps, look=look)
    finally:
        store.close()
    return made
