"""Turns: what may take long, a few at a time, so that quick answers stay quick beside it; tenants that wait take turns."""

import contextlib
from collections.abc import Iterator

from engine.errors import TooManyCallsError
from engine.fair_pool import FairPool

# Well below what callers wait for an answer.
_WAIT_S = 20.0
_RETRY_AFTER_MS = 2_000


class Turns:
    """So many at once. Thread-safe."""

    def __init__(self, what: str, at_once: int, wait_s: float = _WAIT_S) -> None:
        """`what` is answered, in the words of the line that refuses."""
        self._what = what
        self._at_once = at_once
        self._wait_s = wait_s
        self._free = FairPool(range(at_once))

    @contextlib.contextmanager
    def turn(self, tenant: str) -> Iterator[None]:
        """Waits for a turn, and holds it.

        Raises:
            TooManyCallsError: none was free in time.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._free.lent(tenant, self._wait_s))
            except TimeoutError:
                raise TooManyCallsError(
                    f"{self._at_once} {self._what} are being answered, and others wait: try again",
                    retry_after_ms=_RETRY_AFTER_MS,
                ) from None
            yield
