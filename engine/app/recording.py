"""Builds what takes events in: admission by the catalog, the hot window, the intake and the committer."""

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import pyarrow as pa

from engine.app.stores import Stores, Warming
from engine.catalog.admission_rules import AdmissionRules
from engine.tracing import Tracing
from engine.usage.recording.committer import Committer
from engine.usage.recording.intake import ChargeEvents, Intake
from engine.usage.recording.problem_log import ProblemLog
from engine.usage.recording.recorder import Recorder
from engine.usage.recording.void_listener import VoidListener
from ingest import Admission, Fingerprinter, HotWindow, Limits

# Identities that are read back at start, so that a reused id is still seen after a restart; about a second.
_WARM_EVENTS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class KnownEvents:
    """The newest events by their fingerprints, and how they are read back at the start."""

    fingerprinter: Fingerprinter
    window: HotWindow
    warming: Warming

    @classmethod
    def none(cls, limits: Limits) -> Self:
        fingerprinter = Fingerprinter(secrets.token_bytes())
        window = HotWindow(limits.hot_window_events_max)
        events_max = min(_WARM_EVENTS_MAX, limits.hot_window_events_max)
        return cls(
            fingerprinter,
            window,
            Warming(events_max, lambda events: window.remember(fingerprinter.of(events))),
        )


@dataclass(frozen=True, slots=True)
class Recording:
    """Events on their way into the store."""

    admission_for: Callable[[str], Admission]
    intake: Intake
    committer: Committer
    listener: VoidListener
    problems: ProblemLog
    recorder: Recorder

    def moving_parts(self) -> list[tuple[str, Callable[[], bool]]]:
        """What must move for events to be taken, each with its name."""
        return [
            ("the thread that admits events", self.intake.worker.is_moving),
            ("the thread that stores events", self.committer.worker.is_moving),
        ]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Takes events in; at the end what waits is stored."""
        with contextlib.ExitStack() as stack:
            self.problems.start()
            stack.callback(self.problems.drain)
            self.committer.start()
            stack.callback(self.committer.drain)
            self.listener.start()
            stack.callback(self.listener.stop)
            self.intake.start()
            stack.callback(self.intake.drain)
            yield


def build_recording(
    stores: Stores,
    known: KnownEvents,
    limits: Limits,
    charge_events: ChargeEvents,
    now_us: Callable[[], int],
    tracing: Tracing | None,
    tell_stored: Callable[[pa.RecordBatch], None],
) -> Recording:
    committer = Committer(stores.usage, known.window, stores.order, limits, now_us, tracing, tell_stored)
    admission_for = AdmissionRules(stores.catalog, limits, time.monotonic_ns).for_tenant
    intake = Intake(
        committer, admission_for, known.fingerprinter, limits, now_us, charge_events, time.monotonic_ns
    )
    problems = ProblemLog(stores.usage, limits, now_us, secrets.randbits)
    return Recording(
        admission_for,
        intake,
        committer,
        VoidListener(stores.usage, stores.order, now_us, known.fingerprinter.of, committer.tell),
        problems,
        Recorder(intake, problems),
    )
