"""A store whose events are corrected, and how."""

import itertools

from engine.billing.meter_usage import measure_of
from engine.catalog.kinds.meter import Meter
from engine.errors import (
    CorrectionRefusedError,
    InvalidRequestError,
    NotFoundError,
)
from engine.usage.corrections.correction import (
    Amendment,
    Correction,
    EventRef,
    EventRefs,
    Selection,
    Signature,
    Undone,
)
from engine.usage.corrections.correction_list import find_correction
from engine.usage.corrections.corrections import Corrections
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.corrections.voids import Kind
from engine.usage.query.usage_reader import UsageReader
from ingest import IngestClock
from tests.support.usage.meter_reads import deliver
from tests.support.usage.reused_ids import COUNT, CUSTOMERS
from tests.support.usage.usage_histories import PERIOD_US

SUM = COUNT | {"aggregation": "sum", "value": "value"}


EVER = Selection(0, 2 * PERIOD_US[1])


class World:
    """A store with its clock, whose stamps are small numbers, and corrections with ids of their own."""

    def __init__(self, store, tenant="t1"):
        self.store = store
        self.tenant = tenant
        self.now_us = itertools.count(1_000).__next__
        self.clock = IngestClock(0, lambda _ceiling_us: None)
        self.reconciler = Reconciler(store, self.clock, self.now_us)
        self.corrections = Corrections(
            store, self.clock, self.reconciler, self.now_us, itertools.count(1).__next__
        )
        self._ids = itertools.count(1)

    def deliver(self, *events):
        stamp_us = self.clock.begin(self.now_us())
        deliver(self.store, [{**event, "ingested_us": stamp_us} for event in events])
        self.clock.end(stamp_us)
        return stamp_us

    def correct(self, correction, correction_id=None, **options):
        """What is new is tried first, and comes as it was tried."""
        signature = Signature(correction_id or f"c{next(self._ids)}", "ada", "a reason")
        new = find_correction(self.store, self.tenant, signature.correction_id, self.as_of()) is None
        tried = self.tried(correction, signature) if new else None
        recorded = self.corrections.record(self.tenant, correction, signature, **options)
        if tried is not None:
            assert (recorded.event_count, self.sums()) == tried
        return recorded

    def tried(self, correction, signature):
        """How many events a correction would be about, and the sums with it; None if it would be refused."""
        try:
            plan = self.corrections.plan(self.tenant, correction, signature)
        except (CorrectionRefusedError, NotFoundError, InvalidRequestError):
            return None
        with self.corrections.draft(plan) as draft_id:
            return plan.event_count, self.sums(plan.as_of_us, draft_id)

    def void(self, *event_ids, **options):
        return self.correct(Correction(Kind.VOID, refs(*event_ids)), **options)

    def amend(self, event_id, amendment, **options):
        return self.correct(Correction(Kind.AMEND, refs(event_id), amendment), **options)

    def undo(self, undone, **options):
        return self.correct(Correction(Kind.UNDO, Undone(undone)), **options)

    def as_of(self):
        return self.clock.watermark(self.now_us())

    def sums(self, as_of_us=None, draft_id=None):
        as_of_us = self.as_of() if as_of_us is None else as_of_us
        measure = measure_of(self.tenant, Meter.read(SUM))
        request = measure.asked(CUSTOMERS, PERIOD_US, as_of_us, draft_id)
        found = UsageReader(self.store).read(request, 1_000)
        return {each.customer_id: (each.quantity, each.event_count) for each in found}


def refs(*event_ids):
    return EventRefs(tuple(each if isinstance(each, EventRef) else EventRef(each) for each in event_ids))


def setting(**properties):
    return Amendment(set_properties=tuple(sorted(properties.items())))
