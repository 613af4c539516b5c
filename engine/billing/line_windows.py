"""Stretches of rated lines that the pages of one listing share: a page is cut from what an earlier one has read.

Rules:
1. What is kept is only ever a shorter way to the same bytes: lines of the same tenant, instant, watermark and revision are the
   same for ever (engine.billing.rater). A page for which nothing is kept, after a restart or at another engine, is rated by itself.
2. The first page of a listing rates no more than it shows. The next one rates a window of as many lines as several pages have,
   by how many lines a charge had so far.
3. All windows together have at most LINES_MAX lines (what is kept of events counts as lines, too), and none is kept longer
   than AGE_S, whether anybody comes back or not. Where there is no room, a page rates no more than it shows: nobody's window is taken away, to be read again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias

import numpy as np

from engine.billing.rated import Rated
from engine.billing.rater import Rater, Snapshot
from engine.billing.segments import NthPeriod

AGE_S = 30
# Of a line some 200 bytes are kept: 60 MB. Five listings at once in the largest pages have their windows.
LINES_MAX = 300_000
# More of them save little, and a larger read takes more memory.
PAGES_AT_ONCE = 3
# Listings of which it is remembered how many lines a charge has.
_LISTINGS_MAX = 100

Later: TypeAlias = Callable[[int, Callable[[], None]], None]
"""Does something once, after so many seconds."""

_Key: TypeAlias = tuple[str, int, NthPeriod | None, int, int, int]


@dataclass(frozen=True, eq=False, slots=True)
class _Window:
    """The lines of the subscriptions in [first, last): how many of how many charges; and themselves, if they are kept.

    Its length is what it keeps, in lines.
    """

    first: int
    last: int
    lines: int
    charges: int
    rated: Rated | None

    def __len__(self) -> int:
        return 0 if self.rated is None else self.rated.size


class LineWindows:
    """Thread-safe."""

    def __init__(self, rater: Rater, later: Later, lines_max: int = LINES_MAX) -> None:
        self._rater = rater
        self._later = later
        self._lines_max = lines_max
        self._windows: dict[_Key, _Window] = {}
        # Of which listings a window came since the last sweep; whether there is a next one.
        self._new: set[_Key] = set()
        self._sweeps = False
        self._lock = Lock()

    @property
    def line_count(self) -> int:
        """How many lines are kept."""
        with self._lock:
            return sum(map(len, self._windows.values()))

    def lines_from(self, snapshot: Snapshot, rows: slice, lines: int) -> Iterator[tuple[Rated, int]]:
        """The lines of a stretch of subscriptions, for who stops when it has so many: columns, and where in them to begin."""
        catalog = snapshot.catalog
        key = (
            *(catalog.tenant, snapshot.at_us, snapshot.nth, snapshot.as_of_us, catalog.revision),
            rows.stop,
        )
        first = rows.start
        with self._lock:
            window = self._windows.get(key)
        if window is not None and window.rated is not None and window.first <= first < window.last:
            yield window.rated, _line_of_row(window.rated, first)
            first = window.last
        for rated, last in self._rater.rate_from(
            snapshot, slice(first, rows.stop), self._charges(key, window, lines)
        ):
            self._keep(key, rated, first, last)
            yield rated, 0
            first = last
        # The listing is at its end.
        with self._lock:
            self._windows.pop(key, None)

    def _charges(self, key: _Key, window: _Window | None, lines: int) -> int:
        """How many charges are rated at once (rule 2): as many as the page has lines, or those of a window."""
        wanted = PAGES_AT_ONCE * lines
        with self._lock:
            room = self._room(key)
        if window is None or wanted > room:
            return lines
        return max(1, wanted * window.charges // max(1, window.lines, window.charges))

    def _room(self, key: _Key) -> int:
        """How many lines the window of a listing may have; for who holds the lock."""
        return self._lines_max - sum(len(window) for other, window in self._windows.items() if other != key)

    def _keep(self, key: _Key, rated: Rated, first: int, last: int) -> None:
        with self._lock:
            kept = rated if rated.size <= self._room(key) else None
            if key not in self._windows and len(self._windows) >= _LISTINGS_MAX:
                return
            self._windows[key] = _Window(first, last, len(rated), len(rated.charges), kept)
            self._new.add(key)
            begins, self._sweeps = not self._sweeps, True
        if begins:
            self._later(AGE_S // 2, self._sweep)

    def _sweep(self) -> None:
        """Forgets what was there at the last sweep already."""
        with self._lock:
            self._windows = {key: self._windows[key] for key in self._new if key in self._windows}
            self._new = set()
            self._sweeps = bool(self._windows)
            goes_on = self._sweeps
        if goes_on:
            self._later(AGE_S // 2, self._sweep)


def _line_of_row(rated: Rated, row: int) -> int:
    """The first line of the subscriptions from this row of the catalog's columns on."""
    return int(rated.offsets[np.searchsorted(rated.charges.row, row)])
