"""Corrections that a process makes until it is killed."""

import random

from engine.usage.corrections.correction import Correction, Signature
from engine.usage.corrections.corrections import Corrections
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.corrections.voids import Kind
from ingest import IngestClock
from tests.support.usage.correction_world import EVER, setting
from tests.support.usage.usage_histories import PERIOD_US


def corrections_of(store):
    """As a start makes them: the clock goes on behind what is stored."""
    clock = IngestClock(max(store.latest_stamp_us(), PERIOD_US[1]), lambda _ceiling_us: None)
    now_us = lambda: PERIOD_US[1]  # noqa: E731 - the clock goes on by itself
    draft_id = random.SystemRandom().getrandbits(60)
    return Corrections(store, clock, Reconciler(store, clock, now_us), now_us, lambda: draft_id)


def amend_all(corrections, number):
    correction = Correction(Kind.AMEND, EVER, setting(value=f"{number}"))
    return corrections.record("t1", correction, Signature(f"m{number}", "ada", "why"))
