"""An expiry that a process makes until it is killed."""

from engine.upkeep.expire import Clock, Expire
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.rollups.rollups import Rollups
from ingest import IngestClock
from tests.support.usage.expired_usage import COUNT, JULY, JUNE, SUM, meter
from tests.support.usage.rollup_world import HOUR_US

METERS = [meter(SUM, "t1"), meter(COUNT, "t1")]


class _Running:
    """What a start makes of a store; the clock goes on behind what is stored."""

    def __init__(self, store):
        self.clock = IngestClock(store.latest_stamp_us(), lambda _ceiling_us: None)
        self.now_us = iter(range(JULY + store.latest_stamp_us() % HOUR_US, 2**62)).__next__
        self.rollups = Rollups(store, self.clock, self.now_us)

    def as_of_us(self):
        return self.clock.watermark(self.now_us())


def expire(store):
    running = _Running(store)
    clock = Clock(running.clock, running.now_us, lambda _seconds: None)
    reconciler = Reconciler(store, running.clock, running.now_us)
    Expire(store, running.rollups, reconciler, clock).expire("t1", METERS, JUNE, ())
