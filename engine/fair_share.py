"""How much of something bounded one tenant may hold while others want of it too. Pure but for the clock.

Rules:
1. A tenant may hold twice what it leaves free. So one that floods holds two thirds, two hold two fifths each, and so on: there
   is always room for who comes next, without anything set aside for anybody.
2. Who has been alone for _ALONE_AFTER_NS may hold everything. Who then comes may have to come again once; from then on rule 1
   holds.
3. Who holds nothing may take what is free, however much: a request must not be too large for a share for ever.
"""

from collections.abc import Callable
from typing import Final

_ALONE_AFTER_NS: Final = 60_000_000_000


class FairShare:
    """Of one bounded thing. Who calls holds its lock, or is one thread."""

    __slots__ = ("_bound", "_last", "_mixed_ns", "_monotonic_ns")

    def __init__(self, bound: int, monotonic_ns: Callable[[], int]) -> None:
        self._bound = bound
        self._monotonic_ns = monotonic_ns
        self._last: str | None = None
        self._mixed_ns: int | None = None

    def room(self, tenant: str, held_by_all: int, held: int) -> int:
        """How much more this tenant may take, of which `held` is its own part of what all hold."""
        free = self._bound - held_by_all
        if self._is_alone(tenant) or not held:
            return free
        return min(free, (2 * free - held) // 3)

    def _is_alone(self, tenant: str) -> bool:
        if tenant != self._last:
            # The first of all is alone.
            self._mixed_ns = None if self._last is None else self._monotonic_ns()
            self._last = tenant
        elif self._mixed_ns is not None and self._monotonic_ns() - self._mixed_ns > _ALONE_AFTER_NS:
            self._mixed_ns = None
        return self._mixed_ns is None
