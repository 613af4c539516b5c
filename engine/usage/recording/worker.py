"""A worker: what waits in line, and one thread that hands it to a step, as much at a time as fits.

Rules:
1. There is one way in, `put`. How much may wait is for those to bound who put it in (engine.usage.recording.intake).
2. A step gets what waits, up to a bound of events and of bytes, but at least one item. Each lane (a tenant) is in its
   own order, and lanes take turns item by item: who puts much in keeps only himself waiting. Items of different keys
   have nothing to do with each other: each key has a step of its own.
3. Whatever a step runs into ends the callers of the items that it got, and of no others; the thread goes on.
4. Draining does what waits, then refuses.
5. The thread only repeats `turn`. Who has no thread, such as a simulation, takes the turns himself.
6. A worker whose items go on to another one (`Gathering`) lets them gather while something waits there already: what
   it did sooner would wait there. So the price of a step is paid for many. It goes on once the other one takes what
   waits, once there is enough for a step, and after some milliseconds in any case.
"""

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import structlog

from engine.errors import MeterlineError, StoreUnavailableError

_log = structlog.get_logger(__name__)
RETRY_AFTER_MS = 200


class Item(Protocol):
    """What can wait: its size, behind what it stands in line, what it may be taken together with, and how its callers
    learn of an error.
    """

    @property
    def lane(self) -> str: ...

    @property
    def key(self) -> Hashable: ...

    @property
    def events(self) -> int: ...

    @property
    def nbytes(self) -> int: ...

    def fail(self, error: Exception) -> None:
        """Ends those of its callers that have no answer yet."""


ItemT = TypeVar("ItemT", bound=Item)


@dataclass(frozen=True, slots=True)
class Gathering:
    """When items may gather: while `is_ahead`, up to so many bytes, and no longer than that."""

    is_ahead: Callable[[], bool]
    enough_bytes: int
    within_ms: int


def attempt(name: str, step: Callable[[Sequence[ItemT]], None], items: Sequence[ItemT]) -> None:
    """Does a step; whatever it runs into ends the callers of its items."""
    try:
        step(items)
    except Exception as error:  # noqa: BLE001 - the thread must outlive it, and no caller wait for ever
        if not isinstance(error, MeterlineError):
            _log.exception("step failed", worker=name)
        for item in items:
            item.fail(error)


class Worker(Generic[ItemT]):
    """A line of items and the thread that works through it."""

    def __init__(
        self,
        name: str,
        step: Callable[[Sequence[ItemT]], None],
        *,
        turn_events_max: int,
        turn_bytes_max: int,
        gathering: Gathering | None = None,
    ) -> None:
        self._gathering = gathering
        self._when_taken: Callable[[], None] = lambda: None
        self._name = name
        self._step = step
        self._turn_events_max = turn_events_max
        self._turn_bytes_max = turn_bytes_max
        # Whose turn it is comes first.
        self._lanes: OrderedDict[str, deque[ItemT]] = OrderedDict()
        self._lane_events: Counter[str] = Counter()
        self._lane_bytes: Counter[str] = Counter()
        self._waiting = 0
        self._waiting_events = 0
        self._waiting_bytes = 0
        self._open = True
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"meterline-{name}", daemon=True)

    @property
    def waiting_events(self) -> int:
        """The events of all items that wait."""
        return self._waiting_events

    @property
    def waiting_bytes(self) -> int:
        """The bytes of all items that wait."""
        return self._waiting_bytes

    def waiting_events_of(self, lane: str) -> int:
        """The events of all items of one lane that wait."""
        return self._lane_events[lane]

    def waiting_bytes_of(self, lane: str) -> int:
        """And their bytes."""
        return self._lane_bytes[lane]

    def start(self) -> None:
        self._thread.start()

    def is_moving(self) -> bool:
        """Whether its thread is there; how long a step takes is its store's matter."""
        return self._thread.is_alive()

    def when_taken(self, tell: Callable[[], None]) -> None:
        """Calls `tell` each time that what waits has been taken. Before the start."""
        self._when_taken = tell

    def wake(self) -> None:
        """Items gather no longer."""
        with self._changed:
            self._changed.notify()

    def put(self, item: ItemT) -> None:
        """Raises StoreUnavailableError once the worker drains."""
        with self._changed:
            if not self._open:
                raise StoreUnavailableError("the engine is shutting down", retry_after_ms=RETRY_AFTER_MS)
            self._lanes.setdefault(item.lane, deque()).append(item)
            self._waiting += 1
            self._lane_events[item.lane] += item.events
            self._lane_bytes[item.lane] += item.nbytes
            self._waiting_events += item.events
            self._waiting_bytes += item.nbytes
            # The thread waits for a first item, or for enough of them.
            if self._waiting == 1 or self._is_enough():
                self._changed.notify()

    def drain(self) -> None:
        """Does what waits, then ends the thread. What is put later is refused."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join()

    def turn(self) -> bool:
        """Takes as much of what waits as fits, and does it; False if nothing waits."""
        taken: dict[Hashable, list[ItemT]] = {}
        for item in self._take():
            taken.setdefault(item.key, []).append(item)
        self._when_taken()
        for together in taken.values():
            attempt(self._name, self._step, together)
        return bool(taken)

    def _run(self) -> None:
        while self._wait():
            self.turn()

    def _wait(self) -> bool:
        """Returns when something waits; False if nothing will any more."""
        with self._changed:
            while self._open and not self._waiting:
                self._changed.wait()
            if self._gathering is not None:
                self._gather(self._gathering)
            return self._waiting > 0

    def _gather(self, gathering: Gathering) -> None:
        until_ns = time.monotonic_ns() + gathering.within_ms * 1_000_000
        while self._open and not self._is_enough() and gathering.is_ahead():
            rest_ns = until_ns - time.monotonic_ns()
            if rest_ns <= 0:
                return
            self._changed.wait(rest_ns / 1_000_000_000)

    def _is_enough(self) -> bool:
        return self._gathering is None or self._waiting_bytes >= self._gathering.enough_bytes

    def _take(self) -> list[ItemT]:
        with self._changed:
            taken: list[ItemT] = []
            events = nbytes = 0
            while self._lanes:
                lane, items = next(iter(self._lanes.items()))
                events += items[0].events
                nbytes += items[0].nbytes
                if taken and (events > self._turn_events_max or nbytes > self._turn_bytes_max):
                    break
                taken.append(items.popleft())
                self._lane_events[lane] -= taken[-1].events
                self._lane_bytes[lane] -= taken[-1].nbytes
                if items:
                    self._lanes.move_to_end(lane)
                else:
                    del self._lanes[lane], self._lane_events[lane], self._lane_bytes[lane]
            self._waiting -= len(taken)
            self._waiting_events -= sum(item.events for item in taken)
            self._waiting_bytes -= sum(item.nbytes for item in taken)
            return taken
