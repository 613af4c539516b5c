"""Why events were not stored: written down beside the way of events, as much as fits.

Rules:
1. An answer never waits for it. What is given to `offer` was answered already, or is about to be; offering it counts it, and
   puts the request's bytes in a bounded line. Whatever fails from there on fails nobody's call.
2. One thread takes what waits, about once a second. It reads the requests' bytes again, for the events that have problems
   alone, and writes rows and counts: two inserts, whatever came in.
3. Of a tenant, an hour and a reason only so many rows are written (engine.usage.store.tables.problem_schema), by all gateways
   together: how many there are is asked of the store each time. Gateways that write at the same moment may pass that bound
   by what each of them writes at once.
4. All problems are counted, those too that get no row: since the hour has its rows, or the line is full. What is lost is
   lost with the engine or with its store, and is in the metrics alone.
5. Once an hour has its rows of a reason, a problem of it costs a look into a set: a flood is no work.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

import pyarrow as pa
import structlog

from engine.errors import MeterlineError, StoreUnavailableError
from engine.metrics import METRICS
from engine.usage.recording.worker import Gathering, Worker
from engine.usage.store.query import Query, number
from engine.usage.store.tables.problem_schema import (
    HOUR_US,
    LOGGED_AN_HOUR_MAX,
    PROBLEM_COUNTS_TABLE,
    PROBLEMS_TABLE,
)
from ingest import Decoded, Limits, Problem, Reason, RequestKind, decode

_log = structlog.get_logger(__name__)
# Requests that wait to be read again: four of the largest.
_WAITING_BYTES_MAX = 16 * 1024 * 1024
_GATHER_MS = 1_000
# Characters of what a producer sent. A sound id is no longer than 128 bytes, a sound field no longer than a key's 128 and
# its "properties.".
_ID_CHARACTERS_MAX = 128
_FIELD_CHARACTERS_MAX = 160
_PROBLEM_ID_BITS = 48
_INSTANT = pa.timestamp("us", "UTC")
_ROWS = pa.schema(
    [
        ("tenant", pa.string()),
        ("received_at", _INSTANT),
        ("problem_id", pa.uint64()),
        ("verdict", pa.uint8()),
        ("reason", pa.uint8()),
        ("field", pa.string()),
        ("event_id", pa.string()),
        ("event_type", pa.string()),
        ("customer_id", pa.string()),
        ("event_time", _INSTANT),
        ("credential", pa.string()),
    ]
)
_COUNTS = pa.schema(
    [
        ("tenant", pa.string()),
        ("hour", pa.timestamp("s", "UTC")),
        ("reason", pa.uint8()),
        ("problems", pa.uint64()),
        ("logged", pa.uint64()),
    ]
)

# Tenant, hour since 1970, reason.
_Key = tuple[str, int, int]
_Row = dict[str, object]


class ProblemStore(Protocol):
    """Where rows and counts are kept (engine.usage.store.usage_store)."""

    def query(self, query: Query) -> list[tuple[object, ...]]: ...

    def insert_plain(self, table: str, rows: pa.Table) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequest:
    """A request of events as it came, whose it is and which credential sent it."""

    tenant: str
    credential: str
    kind: RequestKind
    data: bytes


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request that waits to be read again; None where there are counts to be written alone."""

    request: SentRequest | None
    problems: Sequence[tuple[int, Problem]] = ()
    received_us: int = 0
    key: str = field(default="problems", init=False)
    events: int = field(default=0, init=False)

    @property
    def lane(self) -> str:
        return "" if self.request is None else self.request.tenant

    @property
    def nbytes(self) -> int:
        return 0 if self.request is None else len(self.request.data)

    def fail(self, error: Exception) -> None:
        """Nobody waits for it."""


class ProblemLog:
    """Takes problems from any thread; its own writes them."""

    def __init__(
        self,
        store: ProblemStore,
        limits: Limits,
        now_us: Callable[[], int],
        random_bits: Callable[[int], int],
    ) -> None:
        self._store = store
        self._limits = limits
        self._now_us = now_us
        self._random_bits = random_bits
        self._lock = Lock()
        self._uncounted: Counter[_Key] = Counter()
        # Of the hour that runs, what has its rows.
        self._full: frozenset[_Key] = frozenset()
        self.worker: Worker[_Waiting] = Worker(
            "problems",
            self._write,
            turn_events_max=1,
            turn_bytes_max=_WAITING_BYTES_MAX,
            gathering=Gathering(lambda: True, _WAITING_BYTES_MAX // 2, _GATHER_MS),
        )

    def start(self) -> None:
        # So that a rate has a first value. What a face can't read as an event does not come here.
        for reason in set(Reason) - {Reason.MALFORMED}:
            METRICS.event_problems.labels(reason.name.lower())
        self.worker.start()

    def drain(self) -> None:
        """Writes what waits, and takes no more."""
        self.worker.drain()

    def offer(self, request: SentRequest, problems: Sequence[tuple[int, Problem]]) -> None:
        """Notes the problems of a request, by the places of its events. Never waits, never fails."""
        if not problems:
            return
        reasons = Counter(problem.reason for _, problem in problems)
        for reason, count in reasons.items():
            METRICS.event_problems.labels(reason.name.lower()).inc(count)
        now_us = self._now_us()
        counts = Counter(
            {(request.tenant, now_us // HOUR_US, int(reason)): n for reason, n in reasons.items()}
        )
        with self._lock:
            is_first = not self._uncounted
            self._uncounted += counts
            wanted = not counts.keys() <= self._full
        waiting = _Waiting(None)
        if wanted and self.worker.waiting_bytes + len(request.data) <= _WAITING_BYTES_MAX:
            waiting = _Waiting(request, problems, now_us)
        if waiting.request is not None or is_first:
            try:
                self.worker.put(waiting)
            except StoreUnavailableError:
                # The engine is shutting down, and takes no events either.
                METRICS.lost_event_problems.inc(len(problems))

    def _write(self, waiting: Sequence[_Waiting]) -> None:
        with self._lock:
            counts, self._uncounted = self._uncounted, Counter()
        try:
            self._write_all(waiting, counts)
        except MeterlineError as error:
            METRICS.lost_event_problems.inc(counts.total())
            _log.warning("problems of events were not logged", problems=counts.total(), error=str(error))

    def _write_all(self, waiting: Sequence[_Waiting], counts: Counter[_Key]) -> None:
        room = self._room(counts)
        rows = [row for each in waiting for row in self._rows(each, room)]
        if rows:
            self._store.insert_plain(PROBLEMS_TABLE, pa.Table.from_pylist(rows, _ROWS))
        logged = Counter(dict.fromkeys(counts, 0))
        for row in rows:
            received_us, reason = number(row["received_at"]), number(row["reason"])
            logged[str(row["tenant"]), received_us // HOUR_US, reason] += 1
        if counts:
            self._store.insert_plain(PROBLEM_COUNTS_TABLE, _count_table(counts, logged))
        hour = self._now_us() // HOUR_US
        with self._lock:
            full = {key for key, left in room.items() if left <= 0}
            self._full = frozenset(key for key in self._full | full if key[1] >= hour)

    def _room(self, counts: Counter[_Key]) -> dict[_Key, int]:
        """How many rows there may be yet of each key."""
        room = dict.fromkeys(counts, LOGGED_AN_HOUR_MAX)
        if not room:
            return room
        for tenant, hour, reason, logged in self._store.query(_logged_query(room)):
            key = str(tenant), number(hour), number(reason)
            if key in room:
                room[key] -= number(logged)
        return room

    def _rows(self, waiting: _Waiting, room: dict[_Key, int]) -> Iterator[_Row]:
        """The rows of a request for which there is room, which they take."""
        request = waiting.request
        if request is None:
            return
        hour, chosen = waiting.received_us // HOUR_US, []
        for index, problem in waiting.problems:
            key = request.tenant, hour, int(problem.reason)
            if room.get(key, 0) > 0:
                room[key] -= 1
                chosen.append((index, problem))
        if not chosen:
            return
        decoded = decode(request.kind, [request.data], self._limits)
        for index, problem in chosen:
            yield {
                "tenant": request.tenant,
                "received_at": waiting.received_us,
                "problem_id": self._random_bits(_PROBLEM_ID_BITS),
                "verdict": int(problem.verdict),
                "reason": int(problem.reason),
                "field": _cut(problem.field, _FIELD_CHARACTERS_MAX),
                "credential": request.credential,
                **_identity(decoded, index),
            }


def _identity(decoded: Decoded, index: int) -> _Row:
    events = decoded.events
    instants = events.instants
    unknown = bool(instants.missing[index] or instants.wild[index])
    return {
        "event_id": _cut(events.event_ids[index].as_py() or "", _ID_CHARACTERS_MAX),
        "event_type": _cut(events.event_types[index].as_py() or "", _ID_CHARACTERS_MAX),
        "customer_id": _cut(events.customer_ids[index].as_py() or "", _ID_CHARACTERS_MAX),
        "event_time": None if unknown else int(instants.times_us[index]),
    }


def _cut(text: str, characters_max: int) -> str:
    return text if len(text) <= characters_max else f"{text[:characters_max]}…"


def _count_table(counts: Counter[_Key], logged: Counter[_Key]) -> pa.Table:
    keys = sorted(counts)
    return pa.Table.from_pylist(
        [
            {
                "tenant": tenant,
                "hour": hour * (HOUR_US // 1_000_000),
                "reason": reason,
                "problems": counts[tenant, hour, reason],
                "logged": logged[tenant, hour, reason],
            }
            for tenant, hour, reason in keys
        ],
        _COUNTS,
    )


def _logged_query(keys: Iterable[_Key]) -> Query:
    """Of these tenants and hours: tenant, hour since 1970, reason, how many rows there are."""
    known = list(keys)
    return Query(
        "SELECT tenant, intDiv(toUnixTimestamp(hour), 3600) AS since, reason, sum(logged) "
        f"FROM {PROBLEM_COUNTS_TABLE} WHERE tenant IN {{tenants:Array(String)}} "
        "AND since BETWEEN {first:Int64} AND {last:Int64} GROUP BY tenant, since, reason",
        {
            "tenants": sorted({tenant for tenant, _, _ in known}),
            "first": min(hour for _, hour, _ in known),
            "last": max(hour for _, hour, _ in known),
        },
    )
