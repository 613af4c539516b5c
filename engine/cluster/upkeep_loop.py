"""Upkeep in the background: one thread for each kind, one of all gateways at a time, a small share of a core.

Rules:
1. Of the gateways of a deployment the one that has the lock works; another takes over when that one ends, or loses the
   lock. Were two to work at once, they would do the same twice (engine.usage.corrections.voids, rule 2).
2. After a pass the thread sleeps nineteen times as long as the pass took: 5% of the time, so that ingestion and
   reads keep the machine however long the log has become. What grows with the log is how late the reconciler finds a
   conflict. What must be done in time whatever it takes has a bound to its sleep, or takes a larger share.
3. A store that does not answer is not a reason to stop: the next pass tries again, and a metric counts what failed. The
   log has it once an outage.
4. A pass may take minutes; where it may, nobody waits for it longer than a moment when the engine stops: it ends with
   the process, and is made again.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from engine.cluster.locks import Hold
from engine.errors import RetryLaterError
from engine.health.outages import Outage
from engine.metrics import METRICS

_log = structlog.get_logger(__name__)
# Of the time; the reason is rule 2.
_SLEEP_TIMES = 19
# A pass over nothing takes milliseconds: more often than this nobody looks.
_SLEEP_MIN_S = 5


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a loop sleeps after a pass: so many `times` as long as the pass took, within bounds (None: no upper one)."""

    least_s: float = _SLEEP_MIN_S
    most_s: float | None = None
    times: int = _SLEEP_TIMES

    def sleep_s(self, took_ns: int) -> float:
        found = max(took_ns * self.times / 1_000_000_000, self.least_s)
        return found if self.most_s is None else min(found, self.most_s)


class UpkeepPass(Protocol):
    """What is to be done again and again."""

    def next_pass(self) -> object: ...


class UpkeepLoop:
    """Runs passes until it is stopped."""

    def __init__(
        self,
        name: str,
        upkeep: UpkeepPass,
        try_hold: Callable[[], Hold | None],
        monotonic_ns: Callable[[], int],
        pace: Pace = Pace(),
        stopping: threading.Event | None = None,
        stop_within_s: int | None = None,
    ) -> None:
        """`try_hold` gives the lock, or None. `stopping` is set by `stop`, for an upkeep that can end a long pass early. `stop_within_s`: None waits for
        the pass that runs, which an embedded store must not be closed under.
        """
        self._name = name
        # There from the start: a rate needs a first value.
        METRICS.failed_upkeep_passes.labels(name)
        METRICS.upkeep_succeeded_timestamp_seconds.labels(name)
        METRICS.upkeep_pass_duration_seconds.labels(name)
        self._upkeep = upkeep
        self._try_hold = try_hold
        self._hold: Hold | None = None
        self._outage = Outage()
        self._monotonic_ns = monotonic_ns
        self._pace = pace
        self._stop_within_s = stop_within_s
        self._stop = stopping or threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"meterline-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends after the pass that runs, or leaves that to the end of the process."""
        self._stop.set()
        self._thread.join(self._stop_within_s)

    def _run(self) -> None:
        sleep_s = self._pace.least_s
        try:
            while not self._stop.wait(sleep_s):
                sleep_s = self._pass()
        finally:
            if self._hold is not None:
                self._hold.release()

    def _pass(self) -> float:
        """One pass, if it is this gateway's turn; how long to sleep after it."""
        began_ns = self._monotonic_ns()
        try:
            if self._hold is None or not self._hold.is_held():
                self._hold = self._try_hold()
            if self._hold is None:
                return max(self._pace.least_s, _SLEEP_MIN_S)
            self._upkeep.next_pass()
            METRICS.upkeep_succeeded_timestamp_seconds.labels(self._name).set_to_current_time()
            if failed_passes := self._outage.worked():
                _log.info("upkeep goes on", upkeep=self._name, failed_passes=failed_passes)
        except RetryLaterError as error:
            METRICS.failed_upkeep_passes.labels(self._name).inc()
            if self._outage.failed(type(error).__name__):
                _log.warning("upkeep pass failed", upkeep=self._name, error=str(error))
        except Exception as error:  # noqa: BLE001 - see below
            # The thread must outlive whatever one pass runs into.
            METRICS.failed_upkeep_passes.labels(self._name).inc()
            if self._outage.failed(type(error).__name__):
                _log.exception("upkeep pass failed", upkeep=self._name)
        took_ns = self._monotonic_ns() - began_ns
        METRICS.upkeep_pass_duration_seconds.labels(self._name).observe(took_ns / 1_000_000_000)
        return self._pace.sleep_s(took_ns)
