"""The order of ingestion: which instants are stamped on events, and up to which instant a read may look.

Two forms keep the same rules: IngestClock within one process, here, and engine.cluster.shared_clock across several.

Rules:
1. Every group of events is stamped with an instant later than any stamp and any watermark before it.
2. A watermark never reaches a group that is still being stored: what a reader sees at a watermark is complete,
   and stays the same for ever.
3. A watermark given out after a group was stored reaches that group: the first read after an ack includes it.
4. Rules 1 and 2 hold over restarts, whatever the machine's clock does: no instant past the ceiling is handed out
   before a higher ceiling is kept where the next start finds it.
"""

import threading
from collections.abc import Callable
from typing import Protocol

# A ceiling is kept once for so much time, and so far may the first instants after a crash run ahead.
CEILING_STEP_US = 1_000_000


class IngestOrder(Protocol):
    """Hands out stamps and watermarks, in microseconds since 1970. Thread-safe."""

    def begin(self, now_us: int) -> int:
        """Stamps a group that is about to be stored."""

    def end(self, stamp_us: int) -> None:
        """The group with this stamp is stored. If this raises, it must not be acknowledged."""

    def abandon(self, stamp_us: int) -> None:
        """An insert of the group has failed; parts of it may be stored all the same."""

    def complete_before(self, stamp_us: int) -> None:
        """Returns when everything with an earlier stamp has its outcome: what there is of it can be read, and no
        more will come. For whoever holds this stamp.
        """

    def watermark(self, now_us: int) -> int:
        """An instant up to which everything is stored for ever, and which reaches all that was acknowledged."""

    def settled(self) -> int:
        """An instant up to which everything has its outcome, at every gateway; later stamps are later. It waits for nobody and
        moves nothing: what was acknowledged may lie behind it for as long as an older insert runs.
        """

    def reached(self, now_us: int) -> int:
        """What an acknowledgement names: a read at it or later includes all that was stored here so far. It never
        waits for others.
        """


class IngestClock:
    """The order within one process, whose inserts have ended when they return."""

    def __init__(self, latest_us: int, keep_ceiling_us: Callable[[int], None]) -> None:
        """`latest_us`: the newest stamp in the store or the ceiling that was kept, whichever is later;
        `keep_ceiling_us` makes a ceiling durable before it returns.
        """
        self._changed = threading.Condition()
        self._latest_us = latest_us
        self._stored_us = latest_us
        self._ceiling_us = latest_us
        self._keep_ceiling_us = keep_ceiling_us
        self._in_flight: set[int] = set()

    def begin(self, now_us: int) -> int:
        """Stamps a group that is about to be stored."""
        with self._changed:
            self._advance(max(now_us, self._latest_us + 1))
            self._in_flight.add(self._latest_us)
            return self._latest_us

    def end(self, stamp_us: int) -> None:
        """The group with this stamp is stored."""
        with self._changed:
            self._in_flight.remove(stamp_us)
            self._stored_us = max(self._stored_us, stamp_us)
            self._changed.notify_all()

    def abandon(self, stamp_us: int) -> None:
        """An insert of the group has failed, and ended with its call: what it stored is there by now."""
        with self._changed:
            self._in_flight.remove(stamp_us)
            self._changed.notify_all()

    def complete_before(self, stamp_us: int) -> None:
        """Waits for the inserts with an earlier stamp."""
        with self._changed:
            self._changed.wait_for(lambda: all(each >= stamp_us for each in self._in_flight))

    def watermark(self, now_us: int) -> int:
        """The instant up to which everything is stored, as late as can be.

        Waits for an older insert of somebody else where a newer one is stored: rule 3.
        """
        with self._changed:
            stored_us = self._stored_us
            self._changed.wait_for(lambda: all(each > stored_us for each in self._in_flight))
            self._advance(max(now_us, self._latest_us))
            if self._in_flight:
                return min(self._in_flight) - 1
            return self._latest_us

    def settled(self) -> int:
        """The instant before the oldest insert that runs, or the latest that was handed out."""
        with self._changed:
            return min(self._in_flight) - 1 if self._in_flight else self._latest_us

    def reached(self, now_us: int) -> int:
        """The newest stamp that was stored; as late as can be where nothing is in flight."""
        with self._changed:
            if self._in_flight:
                return self._stored_us
            self._advance(max(now_us, self._latest_us))
            return self._latest_us

    def _advance(self, instant_us: int) -> None:
        if instant_us > self._ceiling_us:
            ceiling_us = instant_us + CEILING_STEP_US
            self._keep_ceiling_us(ceiling_us)
            self._ceiling_us = ceiling_us
        self._latest_us = instant_us
