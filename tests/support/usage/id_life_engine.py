"""The engine beside which a model of ids lives: a real embedded store, two gateways, corrections and the rater.

Everything that answers is real; the clock alone counts instead of looking, so that a run can be repeated.
"""

import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from engine.billing.meter_usage import measure_of
from engine.billing.rater import Rater, Snapshot
from engine.catalog.documents.document import read_document
from engine.catalog.kinds.meter import Meter
from engine.catalog.store import CatalogStore
from engine.spend.correction_effect import correction_effect
from engine.usage.corrections.conflict_list import list_conflicts
from engine.usage.corrections.correction_list import list_corrections
from engine.usage.corrections.corrections import Corrections
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.query.periods_reader import PeriodsReader
from engine.usage.query.usage_reader import UsageReader
from engine.usage.recording.committer import Committer
from engine.usage.recording.intake import Intake
from engine.usage.recording.void_listener import VoidListener
from engine.usage.rollups.coverage import Coverages
from engine.usage.rollups.rollups import Rollups
from engine.usage.rollups.write import Worth
from engine.usage.store.usage_store import UsageStore
from ingest import (
    Admission,
    Fingerprinter,
    HotWindow,
    IngestClock,
    Limits,
    RequestKind,
    Verdict,
    partition_batches,
)
from meterline.v1.usage_pb2 import RecordUsageRequest
from tests.support.ingest.admission_oracle import Row
from tests.support.ingest.event_columns import columns_of, message_of

TENANT = "t'1"
HOUR_US = 3_600_000_000
# Two hours of November and one of October 2026: two billing periods, two partitions, three windows.
NOVEMBER_US = 1_793_491_200_000_000
TIMES_US = (NOVEMBER_US, NOVEMBER_US + HOUR_US, NOVEMBER_US - 30 * 24 * HOUR_US)
BOUNDS_US = (TIMES_US[2], NOVEMBER_US, TIMES_US[1], NOVEMBER_US + 2 * HOUR_US)
CUSTOMERS = ("acme", "bolt", "Zed")
TYPES = ("call", "other")
WINDOW_EVENTS = 128
LIMITS = Limits(
    request_events_max=WINDOW_EVENTS,
    columns_events_max=WINDOW_EVENTS,
    insert_events_max=WINDOW_EVENTS,
    queue_events_max=WINDOW_EVENTS,
    hot_window_events_max=WINDOW_EVENTS,
    event_age_max_s=10**9,
)
ROWS_MAX = 100_000
CATALOG = """
meters:
  - {id: value, event_type: call, aggregation: sum, value: value}
  - {id: calls, event_type: call, aggregation: count}
plans:
  - id: p
    name: P
    currency: USD
    prices:
      - {id: value, meter: value, model: per_unit, unit_amount: "1"}
      - {id: calls, meter: calls, model: per_unit, unit_amount: "0.25"}
customers:
  - {id: acme, name: Acme}
  - {id: bolt, name: Bolt}
  - {id: Zed, name: Zed}
subscriptions:
  - {customer: acme, plan: p, start: 2026-10-01}
  - {customer: bolt, plan: p, start: 2026-10-01}
  - {customer: Zed, plan: p, start: 2026-10-01}
"""
# Each version of each id is a group of its own, so that one read tells what counts of all of them.
CENSUS = {
    each: Meter.read(
        {"id": "m", "event_type": each, "aggregation": "sum", "value": "value", "group_by": ["id", "value"]}
    )
    for each in TYPES
}
EVERYBODY_IS_WORTH_IT = Worth(
    hour_events_min=1, hour_month_events_min=1, day_events_min=1, day_month_events_min=1
)


WHAT = ("usage", "lines", "conflicts", "corrections")


@dataclass(frozen=True)
class Answers:
    """All that is asked at one watermark; None was not asked."""

    as_of_us: int
    # (event_type, group) each: of every version that counts a group.
    usage: list | None = None
    # By line_item_id, of both billing periods.
    lines: dict | None = None
    conflicts: list | None = None
    corrections: list | None = None


class Clock(IngestClock):
    """Remembers the newest stamp, which no answer tells."""

    stamp_us = 0

    def begin(self, now_us):
        self.stamp_us = super().begin(now_us)
        return self.stamp_us


class Gateway:
    """One way in: its own window, fingerprints, listener and corrections; the window is warmed as at every start."""

    def __init__(self, store, clock, now_us, number):
        admission = Admission(LIMITS, {each: frozenset() for each in TYPES})
        fingerprinter = Fingerprinter(bytes([number]))
        window = HotWindow(WINDOW_EVENTS)
        window.remember(fingerprinter.of(store.recent_events(WINDOW_EVENTS)))
        self.committer = Committer(store, window, clock, LIMITS, now_us)
        self.intake = Intake(
            self.committer, lambda _tenant: admission, fingerprinter, LIMITS, lambda: BOUNDS_US[-1]
        )
        self.listener = VoidListener(store, clock, now_us, fingerprinter.of, self.committer.tell)
        self.reconciler = Reconciler(store, clock, now_us)
        self.corrections = Corrections(store, clock, self.reconciler, now_us, now_us)
        self.committer.start()
        self.intake.start()

    def record(self, rows):
        data = RecordUsageRequest(events=map(message_of, rows)).SerializeToString()
        recorded = self.intake.submit(TENANT, RequestKind.RECORD, data).result(60)
        return [Verdict(each) for each in recorded.verdicts.tolist()]

    def stop(self):
        self.intake.drain()
        self.committer.drain()


class Engine:
    """A store in a directory, with all that reads and writes it; `restart` closes and opens it.

    Read are the events of these types, and the lines of the billing periods of these times.
    """

    def __init__(self, path, types=TYPES[:1], times_us=TIMES_US[:2], catalog=CATALOG):
        self._path, self._types = path, types
        self._in_periods_us = sorted({min(at_us, NOVEMBER_US) for at_us in times_us})
        self.now_us = itertools.count(1_000).__next__
        self._catalog = CatalogStore.open(f"sqlite:///{path}.sqlite")
        document = read_document(catalog, "catalog.yaml")
        self._catalog.apply(TENANT, document, applied_at=datetime.now(UTC))
        self._open()

    def _open(self):
        self.store = UsageStore.open_embedded(self._path)
        self.clock = Clock(self.store.latest_stamp_us(), lambda _ceiling_us: None)
        self.gateways = [Gateway(self.store, self.clock, self.now_us, number) for number in range(2)]
        self._raw = UsageReader(self.store)
        self._rater = Rater(self._catalog, PeriodsReader(self.store, self._raw), self.clock, self.now_us)
        self._rollups = Rollups(self.store, self.clock, self.now_us, EVERYBODY_IS_WORTH_IT)
        self._rolled = UsageReader(
            self.store, Coverages(self.store, lambda: 0, age_max_ns=0), days_for_customers_min=1
        )

    def restart(self):
        self._shut()
        self._open()

    def close(self):
        self._shut()
        self._catalog.close()

    def _shut(self):
        for gateway in self.gateways:
            gateway.stop()
        self.store.close()

    def deliver(self, events):
        """What any gateway would store that remembers nothing; the stamp."""
        stamp_us = self.clock.begin(self.now_us())
        for batch, _ in partition_batches(columns_of(_rows(events)), stamp_us, 10_000):
            self.store.insert(batch)
        self.clock.end(stamp_us)
        return stamp_us

    def send(self, gateway, events):
        """(stamp, verdicts); the stamp means nothing if none is accepted."""
        verdicts = self.gateways[gateway].record(_rows(events))
        return self.clock.stamp_us, verdicts

    def as_of_us(self):
        return self.clock.watermark(self.now_us())

    def answers(self, as_of_us=None, asked=WHAT):
        as_of_us = self.as_of_us() if as_of_us is None else as_of_us
        return Answers(as_of_us, **{what: getattr(self, what)(as_of_us) for what in asked})

    def usage(self, as_of_us, draft_id=None):
        return [
            (event_type, group)
            for event_type, request in self._census(as_of_us)
            for group in self._raw.read(replace(request, draft_id=draft_id), ROWS_MAX)
        ]

    def rolled_usage(self, as_of_us):
        """The same from rollups, where there are some."""
        return [
            (event_type, group)
            for event_type, request in self._census(as_of_us)
            for group in self._rolled.read(request, ROWS_MAX)
        ]

    def _census(self, as_of_us):
        for event_type in self._types:
            yield event_type, measure_of(TENANT, CENSUS[event_type]).asked(CUSTOMERS, BOUNDS_US, as_of_us)

    def lines(self, as_of_us):
        catalog = self._catalog.snapshot(TENANT)
        return {
            line.line_item_id: line
            for at_us in self._in_periods_us
            for rated in self._rater.rate_all(Snapshot(catalog, at_us, as_of_us))
            for line in rated.line_items(np.arange(len(rated)))
        }

    def conflicts(self, as_of_us):
        return list_conflicts(self.store, TENANT, "", as_of_us, (0, ROWS_MAX))

    def corrections(self, as_of_us):
        return list_corrections(self.store, TENANT, as_of_us, (0, ROWS_MAX))

    def roll_up(self):
        for event_type in self._types:
            self._rollups.keep_up(measure_of(TENANT, CENSUS[event_type]))

    def tried(self, plan, gateway):
        """(usage, effect) with the draft of a plan."""
        with self.gateways[gateway].corrections.draft(plan) as draft_id:
            return (
                self.usage(plan.as_of_us, draft_id),
                correction_effect(self._rater, TENANT, plan, draft_id),
            )


def _rows(events):
    """Of (event_id, version) each."""
    return [
        Row(TENANT, event_id, event_type, customer_id, time_us, properties)
        for event_id, (customer_id, event_type, time_us, properties) in events
    ]
