"""Event ids: unique without coordination, cheap, and alike enough to compress well.

1. An id is the run's random prefix, "-", and a counter: "k7q3…w2-41".
2. The prefix has 80 random bits: among a billion runs the chance of any two alike is below 1 in 2 million.
3. One generator belongs to one client in one process. A forked child must make a new one (the client
   does): parent and child would otherwise count on from the same place.
"""

import base64
import itertools
from collections.abc import Callable

_PREFIX_BYTES = 10  # 80 bits, 16 characters in base 32


class EventIds:
    """A run's ids: each call of `new` returns one never returned before, from any thread."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._prefix = base64.b32encode(random_bytes(_PREFIX_BYTES)).decode("ascii").lower()
        # One step of the interpreter: threads can't come between, nor can a signal handler that records.
        self._numbers = itertools.count(1)

    def new(self) -> str:
        """The next id, of at most 36 characters."""
        return f"{self._prefix}-{next(self._numbers)}"
