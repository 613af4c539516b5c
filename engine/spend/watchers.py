"""Who watches the spend of a customer, and when it is read again for them.

Rules:
1. What is watched is one question (WatchKey). It is read once for all who ask it, by one of a few threads, and the answer goes
   to each of them.
2. After a commit that touched the customer (`touched`) it is read again and told. Where only something may have changed
   (`look`) it is read again, and told if it is another than before.
3. It is not read more often than every _PACE_NS: what was committed meanwhile is in the next answer. Of answers that a watcher
   has not taken the newest counts.
4. A mark that comes while it is read has it read once more, and who comes meanwhile waits for that: an answer has all that was
   stored before its reading began.
5. A store that does not answer is asked again after _RETRY_NS. Whatever else goes wrong ends the watch with its error.
"""

import heapq
import itertools
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from engine.errors import MeterlineError, RetryLaterError, StoreUnavailableError

_log = structlog.get_logger(__name__)
# Half of what a push may take; a reading takes some milliseconds.
_PACE_NS: Final = 100_000_000
_SECOND_NS: Final = 1_000_000_000
_RETRY_NS: Final = _SECOND_NS
# Half of what the store reads with.
_READERS: Final = 2
_RETRY_AFTER_MS: Final = 1_000

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class WatchKey:
    """What is asked: the billing period that contains `at_us` (None: the current one) of a customer, and whether the answer
    shows how the customer's money is divided.
    """

    tenant: str
    customer_id: str
    at_us: int | None
    shows_shares: bool


@dataclass(frozen=True, slots=True)
class ReadSpend(Generic[Answer]):
    """An answer; `content` is what tells it from another, whatever its watermark; `names` are those under which the
    customer's events come.
    """

    answer: Answer
    content: bytes
    names: frozenset[str]


class _Mark(IntEnum):
    """Why a spend is to be read: it may have changed, or a commit touched its customer."""

    LOOK = 1
    TOUCHED = 2


class Watch(Generic[Answer]):
    """One who watches. `wake` is called, from any thread, when there is something to take."""

    def __init__(self, key: WatchKey, wake: Callable[[], None]) -> None:
        self.key = key
        self._wake = wake
        self._lock = threading.Lock()
        self._answer: Answer | None = None
        self._error: MeterlineError | None = None

    def take(self) -> Answer | None:
        """The newest answer that was not taken yet.

        Raises:
            MeterlineError: the watch has ended.
        """
        with self._lock:
            answer, self._answer = self._answer, None
            if answer is None and self._error is not None:
                raise self._error
            return answer

    def put(self, answer: Answer) -> None:
        with self._lock:
            self._answer = answer
        self._wake()

    def end(self, error: MeterlineError) -> None:
        with self._lock:
            self._error = error
        self._wake()


@dataclass(slots=True)
class _Watched(Generic[Answer]):
    """One question, and who asks it. `is_due`: it waits to be read."""

    key: WatchKey
    names: frozenset[str]
    watches: set[Watch[Answer]] = field(default_factory=set)
    newcomers: set[Watch[Answer]] = field(default_factory=set)
    mark: _Mark | None = None
    read: ReadSpend[Answer] | None = None
    read_at_ns: int | None = None
    is_due: bool = False
    is_being_read: bool = False


class SpendWatchers(Generic[Answer]):
    """Everybody who watches, at this gateway. Thread-safe."""

    def __init__(
        self, read: Callable[[WatchKey], ReadSpend[Answer]], monotonic_ns: Callable[[], int]
    ) -> None:
        self._read = read
        self._monotonic_ns = monotonic_ns
        self._changed = threading.Condition()
        self._watched: dict[WatchKey, _Watched[Answer]] = {}
        self._by_name: dict[tuple[str, str], set[WatchKey]] = {}
        self._due: list[tuple[int, int, WatchKey]] = []
        self._order = itertools.count()
        self._is_stopped = False
        self._threads = [
            threading.Thread(target=self._run, name=f"meterline-spend-{number}", daemon=True)
            for number in range(_READERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends every watch, and takes no more; what is being read is read to its end."""
        with self._changed:
            self._is_stopped = True
            ended = [watch for each in self._watched.values() for watch in each.watches]
            self._changed.notify_all()
        for watch in ended:
            watch.end(_shutting_down())
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def watch(self, key: WatchKey, wake: Callable[[], None]) -> Watch[Answer]:
        """The first answer comes as soon as it is read.

        Raises:
            StoreUnavailableError: the engine is shutting down.
        """
        watch: Watch[Answer] = Watch(key, wake)
        with self._changed:
            if self._is_stopped:
                raise _shutting_down()
            watched = self._watched.get(key)
            if watched is None:
                watched = self._watched[key] = _Watched(key, frozenset())
                self._rename(watched, frozenset({key.customer_id}))
            watched.watches.add(watch)
            watched.newcomers.add(watch)
            self._mark(watched, _Mark.LOOK)
        return watch

    def leave(self, watch: Watch[Answer]) -> None:
        """It is told nothing more."""
        with self._changed:
            watched = self._watched.get(watch.key)
            if watched is None:
                return
            watched.watches.discard(watch)
            watched.newcomers.discard(watch)
            if not watched.watches:
                self._forget(watched)

    def tell_stored(self, events: pa.RecordBatch) -> None:
        """These events are stored. Costs nothing where nobody watches."""
        if not self._watched:
            return
        with self._changed:
            names = pa.array(sorted({name for _, name in self._by_name}), pa.string())
        found = events.select(["tenant", "customer_id"]).filter(
            pc.is_in(events.column("customer_id"), value_set=names)
        )
        self.touched({(each["tenant"], each["customer_id"]) for each in found.to_pylist()})

    def touched(self, customers: Collection[tuple[str, str]]) -> None:
        """Events of these customers of tenants, by whatever name, were stored."""
        with self._changed:
            for name in customers:
                for key in self._by_name.get(name, ()):
                    self._mark(self._watched[key], _Mark.TOUCHED)

    def look(self, tenant: str | None, customers: Collection[tuple[str, str]] | None = None) -> None:
        """The spend of all of a tenant (None: of everybody), or of these customers, may have changed."""
        with self._changed:
            if customers is not None:
                keys = {key for name in customers for key in self._by_name.get(name, ())}
            else:
                keys = {key for key in self._watched if tenant is None or key.tenant == tenant}
            for key in keys:
                self._mark(self._watched[key], _Mark.LOOK)

    def names(self) -> list[tuple[str, str]]:
        """The tenants and names of customers who are watched."""
        with self._changed:
            return sorted(self._by_name)

    def _mark(self, watched: _Watched[Answer], mark: _Mark) -> None:
        watched.mark = max(mark, watched.mark or mark)
        self._put_in_line(watched, watched.read_at_ns and watched.read_at_ns + _PACE_NS)

    def _put_in_line(self, watched: _Watched[Answer], not_before_ns: int | None) -> None:
        if watched.is_due or watched.is_being_read:
            return
        watched.is_due = True
        due_ns = max(self._monotonic_ns(), not_before_ns or 0)
        heapq.heappush(self._due, (due_ns, next(self._order), watched.key))
        self._changed.notify()

    def _rename(self, watched: _Watched[Answer], names: frozenset[str]) -> None:
        tenant = watched.key.tenant
        for name in watched.names - names:
            keys = self._by_name[tenant, name]
            keys.discard(watched.key)
            if not keys:
                del self._by_name[tenant, name]
        for name in names - watched.names:
            self._by_name.setdefault((tenant, name), set()).add(watched.key)
        watched.names = names

    def _forget(self, watched: _Watched[Answer]) -> None:
        self._rename(watched, frozenset())
        del self._watched[watched.key]

    def _run(self) -> None:
        for watched, mark, newcomers in self._next():
            try:
                read = self._read(watched.key)
            except RetryLaterError as error:
                _log.info("watched spend was not read", error=str(error))
                self._failed(watched, mark, newcomers)
            except MeterlineError as error:
                self._end(watched, error)
            except Exception:  # noqa: BLE001 - see below
                # The thread must outlive whatever one question runs into.
                _log.exception("watched spend was not read")
                self._end(watched, _not_read())
            else:
                self._tell(watched, mark, newcomers, read)

    def _next(self) -> Iterator[tuple[_Watched[Answer], _Mark, set[Watch[Answer]]]]:
        """What is due, one after the other, until the end."""
        while True:
            with self._changed:
                watched = self._await_due()
                if watched is None:
                    return
                mark, watched.mark = watched.mark or _Mark.LOOK, None
                newcomers, watched.newcomers = watched.newcomers, set()
                watched.is_due, watched.is_being_read = False, True
            yield watched, mark, newcomers

    def _await_due(self) -> _Watched[Answer] | None:
        while not self._is_stopped:
            if not self._due:
                self._changed.wait()
                continue
            due_ns, _, key = self._due[0]
            wait_ns = due_ns - self._monotonic_ns()
            if wait_ns > 0:
                self._changed.wait(wait_ns / _SECOND_NS)
                continue
            heapq.heappop(self._due)
            watched = self._watched.get(key)
            # One that was left and asked for anew has another place in the line.
            if watched is not None and watched.is_due:
                return watched
        return None

    def _tell(
        self, watched: _Watched[Answer], mark: _Mark, newcomers: set[Watch[Answer]], read: ReadSpend[Answer]
    ) -> None:
        with self._changed:
            before, watched.read = watched.read, read
            watched.read_at_ns = self._monotonic_ns()
            is_news = mark is _Mark.TOUCHED or before is None or before.content != read.content
            told = set(watched.watches - watched.newcomers if is_news else newcomers & watched.watches)
            if self._watched.get(watched.key) is watched and read.names != watched.names:
                # Of events that came under the new names since it was read nobody has told.
                self._rename(watched, read.names)
                self._mark(watched, _Mark.LOOK)
            self._after_reading(watched, watched.read_at_ns + _PACE_NS)
        for watch in told:
            watch.put(read.answer)

    def _failed(self, watched: _Watched[Answer], mark: _Mark, newcomers: set[Watch[Answer]]) -> None:
        with self._changed:
            watched.newcomers |= newcomers & watched.watches
            watched.mark = max(mark, watched.mark or mark)
            self._after_reading(watched, self._monotonic_ns() + _RETRY_NS)

    def _after_reading(self, watched: _Watched[Answer], not_before_ns: int) -> None:
        watched.is_being_read = False
        if watched.mark is not None and self._watched.get(watched.key) is watched:
            self._put_in_line(watched, not_before_ns)

    def _end(self, watched: _Watched[Answer], error: MeterlineError) -> None:
        with self._changed:
            ended = set(watched.watches)
            if self._watched.get(watched.key) is watched:
                self._forget(watched)
        for watch in ended:
            watch.end(error)


def _shutting_down() -> StoreUnavailableError:
    return StoreUnavailableError("the engine is shutting down: watch again", retry_after_ms=_RETRY_AFTER_MS)


def _not_read() -> StoreUnavailableError:
    return StoreUnavailableError(
        "the spend can't be read, the log has the reason: watch again", retry_after_ms=_RETRY_AFTER_MS
    )
