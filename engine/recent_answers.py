"""Answers of a store that are remembered for a while: the one cache with an age."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class RecentAnswers(Generic[Key, Answer]):
    """The answers of the keys that were asked for last, as old as the moment before they were read. Thread-safe: what two
    threads miss at once both of them read.
    """

    def __init__(self, monotonic_ns: Callable[[], int], age_max_ns: int, keys_max: int) -> None:
        self._monotonic_ns = monotonic_ns
        self._age_max_ns = age_max_ns
        self._keys_max = keys_max
        self._known: OrderedDict[Key, tuple[int, Answer]] = OrderedDict()
        # Moves with every `forget`: what was being read by then is not remembered.
        self._forgotten = 0
        self._lock = Lock()

    def of(self, key: Key, read: Callable[[Answer | None], Answer]) -> Answer:
        """What is known, or what `read` makes of it if it is too old; None if nothing is known."""
        with self._lock:
            read_ns, known = self._known.get(key, (0, None))
        if known is not None and self._monotonic_ns() - read_ns < self._age_max_ns:
            return known
        return self.anew(key, read, known)

    def anew(self, key: Key, read: Callable[[Answer | None], Answer], known: Answer | None = None) -> Answer:
        """What `read` makes of it now, whatever its age. That there is nothing (None) is not remembered."""
        read_ns = self._monotonic_ns()
        with self._lock:
            forgotten = self._forgotten
        fresh = read(known)
        with self._lock:
            if fresh is None or forgotten != self._forgotten:
                self._known.pop(key, None)
                return fresh
            self._known[key] = (read_ns, fresh)
            self._known.move_to_end(key)
            if len(self._known) > self._keys_max:
                self._known.popitem(last=False)
        return fresh

    def forget(self, key: Key) -> None:
        """Has it read anew when it is asked for next; what is being read meanwhile is not remembered."""
        with self._lock:
            self._known.pop(key, None)
            self._forgotten += 1
