"""Things that are lent to one caller each, such as connections: who waits for one waits in a lane (a tenant), lanes take turns."""

import contextlib
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class FairPool(Generic[Thing]):
    """Thread-safe."""

    def __init__(self, things: Iterable[Thing]) -> None:
        self._idle = list(things)
        # Whose turn it is comes first. Nobody waits while something is idle.
        self._lanes: OrderedDict[str, deque[_Waiting[Thing]]] = OrderedDict()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def lent(self, lane: str, wait_s: float | None = None) -> Iterator[Thing]:
        """One of the things, while the block runs.

        Raises:
            TimeoutError: none was free within `wait_s`; None: wait for as long as it takes.
        """
        thing = self._take(lane, wait_s)
        try:
            yield thing
        finally:
            self._give_back(thing)

    def _take(self, lane: str, wait_s: float | None) -> Thing:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            waiting = _Waiting[Thing]()
            self._lanes.setdefault(lane, deque()).append(waiting)
        waiting.given.wait(wait_s)
        with self._lock:
            if waiting.things:
                return waiting.things[0]
            self._lanes[lane].remove(waiting)
            if not self._lanes[lane]:
                del self._lanes[lane]
        raise TimeoutError

    def _give_back(self, thing: Thing) -> None:
        with self._lock:
            if not self._lanes:
                self._idle.append(thing)
                return
            lane, line = next(iter(self._lanes.items()))
            waiting = line.popleft()
            if line:
                self._lanes.move_to_end(lane)
            else:
                del self._lanes[lane]
            waiting.things.append(thing)
        waiting.given.set()


class _Waiting(Generic[Thing]):
    """Somebody who waits; `things` has what was given, once it is."""

    __slots__ = ("given", "things")

    def __init__(self) -> None:
        self.given = threading.Event()
        self.things: list[Thing] = []
