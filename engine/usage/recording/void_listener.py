"""What was decided on acknowledged events, brought to this gateway's hot window: whoever decided it, wherever.

The window tells a retry from a conflict by what was stored first. A decision may change which content that is: the
reconciler voids one that another gateway took first, a person voids one that was wrong.

Rules:
1. It listens to the recorded facts alone (engine.usage.corrections.voids), so it hears the reconciler of another gateway and a
   person's decision alike.
2. It says what the window is to believe: a void content is forgotten, and what stands in its place is known. Where
   that was never sent (a person's amendment), the sent content stays what its id is known by. What is not in the
   window is none of its business.
3. It is advice, not money: what counts is decided by the facts. A gateway that hears late answers as it did before.
4. It takes a bounded number of facts at a time, and waits until the window knows them.
"""

import threading
from collections.abc import Callable, Iterator

import pyarrow as pa
import structlog

from engine.errors import RetryLaterError
from engine.health.outages import Outage
from engine.usage.corrections.voids import (
    Heard,
    newest_heard_query,
    standing_events_query,
    void_events_query,
)
from engine.usage.recording.committer import Decisions
from engine.usage.store.query import Query, number
from engine.usage.store.usage_store import UsageStore
from ingest import EVENT_SCHEMA, Fingerprints, IngestOrder

_log = structlog.get_logger(__name__)
# As often as the reconciler looks at most; a look at no facts takes milliseconds.
_SLEEP_S = 5
# Of one look: a stamp more is taken whole.
FACTS_AT_ONCE = 10_000
# Of one page, and so in memory: some 70 MiB if each is as large as an event may be.
_EVENTS_AT_ONCE = 1_000
# The window was warmed by what was decided by then: heard again is what was recorded meanwhile, by whatever clock.
_HEARD_AGAIN_US = 3_600_000_000


class VoidListener:
    """Looks every few seconds; `listen` looks at once. Thread-safe."""

    def __init__(
        self,
        store: UsageStore,
        clock: IngestOrder,
        now_us: Callable[[], int],
        fingerprints_of: Callable[[pa.RecordBatch], Fingerprints],
        tell: Callable[[Decisions], None],
        sleep_s: int = _SLEEP_S,
    ) -> None:
        self._store = store
        self._clock = clock
        self._now_us = now_us
        self._fingerprints_of = fingerprints_of
        self._tell = tell
        self._sleep_s = sleep_s
        self._after_us = max(0, now_us() - _HEARD_AGAIN_US)
        self._listening = threading.Lock()
        self._stop = threading.Event()
        self._outage = Outage()
        self._thread = threading.Thread(target=self._run, name="meterline-void-listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends after the look that is under way."""
        self._stop.set()
        self._thread.join()

    def listen(self) -> None:
        """Returns when the hot window knows all that was recorded before the call.

        Raises:
            RetryLaterError: the store does not answer, or the engine is shutting down; nothing is lost, call again.
        """
        with self._listening:
            as_of_us = self._clock.watermark(self._now_us())
            while self._after_us < as_of_us:
                ((last_us,),) = self._store.query(newest_heard_query(self._after_us, as_of_us, FACTS_AT_ONCE))
                heard = Heard(self._after_us, number(last_us) or as_of_us)
                if number(last_us):
                    self._hear(heard)
                self._after_us = heard.until_us

    def _hear(self, heard: Heard) -> None:
        nothing = self._fingerprints_of(pa.RecordBatch.from_pylist([], EVENT_SCHEMA))
        for events in self._pages(void_events_query, heard):
            self._learn(Decisions(void=self._fingerprints_of(events), standing=nothing))
        for events in self._pages(standing_events_query, heard):
            self._learn(Decisions(void=nothing, standing=self._fingerprints_of(events)))

    def _pages(self, query: Callable[[Heard, int, int], Query], heard: Heard) -> Iterator[pa.RecordBatch]:
        first = 0
        while len(events := self._store.events(query(heard, first, _EVENTS_AT_ONCE))):
            yield events
            first += len(events)

    def _learn(self, decisions: Decisions) -> None:
        self._tell(decisions)
        decisions.done.result()

    def _run(self) -> None:
        while not self._stop.wait(self._sleep_s):
            try:
                self.listen()
                self._outage.worked()
            except RetryLaterError as error:
                if self._outage.failed(type(error).__name__):
                    _log.warning("decisions on events were not heard", error=str(error))
            except Exception as error:  # noqa: BLE001 - see below
                # The thread must outlive whatever one look runs into.
                if self._outage.failed(type(error).__name__):
                    _log.exception("decisions on events were not heard")
