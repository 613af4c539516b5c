"""What a process knows of a store that it alone writes, without asking it: an embedded one is nobody else's.

Rules:
1. A fact can be seen while it is inserted, and is in no watermark before its insert has ended
   (engine.usage.corrections.voids). So `facts` is raised at the end: what was asked about all facts stands for every
   watermark while it is the same. So it is with events, and `events`.
2. A row of rollups can be seen while the statement runs that computes it, and has nothing in it that happened after the
   watermark it is computed as of. So that watermark is known before the statement begins: a read whose own watermark is
   not earlier, when it ends as well, saw no row that had moved on.
"""

from threading import Lock


class OwnWrites:
    """Thread-safe."""

    def __init__(self, rows_as_of_us: int) -> None:
        """`rows_as_of_us`: the latest watermark that rows were computed as of by earlier processes."""
        self._lock = Lock()
        self._facts = self._events = 0
        self._found_as_of_us = rows_as_of_us
        self._rows_as_of_us: dict[str, int] = {}

    @property
    def facts(self) -> int:
        """How often facts were inserted."""
        return self._facts

    def facts_inserted(self) -> None:
        """Facts were inserted, or perhaps."""
        with self._lock:
            self._facts += 1

    @property
    def events(self) -> int:
        """How often events were inserted."""
        return self._events

    def events_inserted(self) -> None:
        """Events were inserted, or perhaps."""
        with self._lock:
            self._events += 1

    def rows_as_of_us(self, tenant: str) -> int:
        """The latest watermark that rows of this tenant are computed as of."""
        return self._rows_as_of_us.get(tenant, self._found_as_of_us)

    def rows_begin(self, tenant: str, as_of_us: int) -> None:
        """Rows are about to be computed as of this watermark."""
        with self._lock:
            self._rows_as_of_us[tenant] = max(as_of_us, self.rows_as_of_us(tenant))
