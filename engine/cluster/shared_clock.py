"""The order of ingestion for gateways that share one usage store: agreed on in the catalog database.

`latest` is the latest instant that anybody was handed; `stored` is the newest stamp whose group is stored; a row
is in flight from before its group's first insert until its outcome is certain.

Rules:
1. A stamp is later than `latest`, and becomes it in the transaction that puts its row in flight. So a stamp is
   later than every stamp and every watermark before it, at any gateway.
2. `end` removes the row and moves `stored` in one transaction, and only then is the group acknowledged.
   A row that is gone was settled by somebody else: the group is not acknowledged.
3. A watermark first reads `stored`: that must be reached. While a row at or before it is in flight, it waits,
   within bounds. Then it is the instant before the oldest row, or `latest` if there is none. Later stamps are
   later than it, earlier ones have ended: what it shows never changes, and every acknowledgement before is in it.
4. A row whose outcome its gateway doesn't know stays in flight. To settle it, its insert is called off at the
   store, so that nothing can be stored under its stamp any more (engine.usage.store.backends.guarded_insert); then it
   is removed. This needs no trust in clocks: whatever was stored is there by then, and stays.
   That holds, too, for a row of which the gateway doesn't know whether it is there: the commit of `begin` was not answered.
5. Anybody may settle a row that its gateway has given up, whose gateway is dead, or whose lease has ended. A lease
   only says how long others are patient; a gateway that was settled too early fails its group and loses nothing.
6. A gateway settles what it has given up before it begins another group. So a store that is out costs a short
   question instead of an insert, and leaves one row for each gateway.
7. Nothing later than the ceiling is handed out, and the ceiling is written so that it survives power loss. All
   other commits need not: after power loss, whoever starts first calls off every insert up to the ceiling and
   goes on behind it (`start_alone`). So a group costs two commits and no wait for the disk.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, delete, insert, select, update

from engine.errors import StoreUnavailableError
from engine.sql.database import Database
from engine.sql.schema import INGEST_IN_FLIGHT, INGEST_ORDER

_log = structlog.get_logger(__name__)
# The ceiling is written once for so much time, and so far may the first instants after power loss run ahead.
CEILING_STEP_US = 1_000_000
# An idle store's watermark lags behind the time by at most this: moving it costs a commit.
IDLE_LAG_US = 1_000_000
# An insert takes some tens of milliseconds; whoever waits for another's looks again this often.
_POLL_MS = 5
_RETRY_AFTER_MS = 200


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the clock asks of the world. `call_off` makes sure that nothing is stored any more under the stamps of
    these spans, whose ends are inclusive; `is_dead` is certain about a gateway.
    """

    now_us: Callable[[], int]
    sleep_ms: Callable[[int], None]
    call_off: Callable[[Sequence[tuple[int, int]]], None]
    is_dead: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class _State:
    latest_us: int
    stored_us: int
    ceiling_us: int
    # (stamp, gateway, lease_end), oldest first.
    in_flight: Sequence[tuple[int, str, int]]

    def up_to(self, instant_us: int) -> list[tuple[int, str, int]]:
        return [row for row in self.in_flight if row[0] <= instant_us]

    @property
    def complete_us(self) -> int:
        return self.in_flight[0][0] - 1 if self.in_flight else self.latest_us


class SharedClock:
    """The order as one gateway takes part in it."""

    def __init__(
        self,
        quick: Database,
        power_safe: Database,
        gateway: str,
        surroundings: Surroundings,
        *,
        lease_us: int,
        wait_ms_max: int,
    ) -> None:
        """`quick` and `power_safe` are the same database, opened in the two ways."""
        self._quick = quick
        self._power_safe = power_safe
        self._gateway = gateway
        self._world = surroundings
        self._lease_us = lease_us
        self._wait_ms_max = wait_ms_max
        self._lock = threading.Lock()
        self._reached_us = 0
        self._given_up: set[int] = set()
        self._resolving = threading.Lock()

    def start(self, store_latest_us: int, *, alone: bool) -> None:
        """Joins in. `store_latest_us` is the newest stamp in the store; `alone`: no other gateway lives.

        What is in flight by now may be in the hot window already, and be acknowledged as a duplicate: later
        watermarks have to reach it.

        Raises:
            StoreUnavailableError: a store does not answer.
        """
        with self._power_safe.writing() as connection:
            if connection.execute(select(INGEST_ORDER.c.id)).first() is None:
                connection.execute(insert(INGEST_ORDER).values(id=1, latest_us=0, stored_us=0, ceiling_us=0))
            state = _state(connection)
            first_us = max(state.latest_us, state.ceiling_us if alone else 0, store_latest_us)
            _move(
                connection,
                latest_us=first_us,
                stored_us=first_us,
                ceiling_us=max(first_us, state.ceiling_us),
            )
        if alone:
            self._world.call_off([(0, first_us)])
            with self._quick.writing() as connection:
                connection.execute(delete(INGEST_IN_FLIGHT).where(INGEST_IN_FLIGHT.c.stamp_us <= first_us))
        with self._lock:
            self._reached_us = first_us

    def begin(self, now_us: int) -> int:
        """Stamps a group that is about to be stored.

        Raises:
            StoreUnavailableError: a store does not answer, or something that was given up can't be settled yet.
        """
        with self._lock:
            given_up = sorted(self._given_up)
        if given_up:
            self._resolve(given_up)

        def put_in_flight(connection: Connection, stamp_us: int) -> None:
            values = {"stamp_us": stamp_us, "gateway": self._gateway, "lease_end_us": now_us + self._lease_us}
            connection.execute(insert(INGEST_IN_FLIGHT).values(values))
            tried_us.append(stamp_us)

        tried_us: list[int] = []
        try:
            return self._advance(lambda state: max(now_us, state.latest_us + 1), put_in_flight)
        except StoreUnavailableError:
            for stamp_us in tried_us:
                self._give_up(stamp_us)
            raise

    def end(self, stamp_us: int) -> None:
        """The group is stored: it is in every watermark that is asked for from now on.

        Raises:
            StoreUnavailableError: it was called off meanwhile, or the catalog store does not answer.
        """
        try:
            with self._quick.writing() as connection:
                removed = connection.execute(
                    delete(INGEST_IN_FLIGHT).where(
                        INGEST_IN_FLIGHT.c.stamp_us == stamp_us, INGEST_IN_FLIGHT.c.gateway == self._gateway
                    )
                )
                if removed.rowcount == 1:
                    _move(connection, stored_us=max(_state(connection).stored_us, stamp_us))
        except StoreUnavailableError:
            self._give_up(stamp_us)
            raise
        if removed.rowcount != 1:
            raise StoreUnavailableError(
                f"the insert took longer than its lease of {self._lease_us // 1_000_000} s and was called off",
                retry_after_ms=_RETRY_AFTER_MS,
            )
        with self._lock:
            self._reached_us = max(self._reached_us, stamp_us)

    def abandon(self, stamp_us: int) -> None:
        """An insert of the group has failed, and may still be under way: the row stays until it is settled."""
        self._give_up(stamp_us)
        try:
            with self._quick.writing() as connection:
                connection.execute(
                    update(INGEST_IN_FLIGHT)
                    .where(INGEST_IN_FLIGHT.c.stamp_us == stamp_us)
                    .values(lease_end_us=0)
                )
        except StoreUnavailableError as error:
            # The row's lease ends by itself.
            _log.warning("an abandoned group could not be marked", error=str(error))

    def watermark(self, now_us: int) -> int:
        """The instant up to which everything is stored, at all gateways.

        Raises:
            StoreUnavailableError: an older group of another gateway took too long, or a store does not answer.
        """
        state = self._read()
        state = self._complete(state, state.stored_us)
        if state.in_flight or now_us <= state.latest_us + IDLE_LAG_US:
            return state.complete_us
        # Nothing was ingested for a while: let the watermark go on with the time.
        return min(self._advance(lambda state: max(now_us, state.latest_us)), self._read().complete_us)

    def complete_before(self, stamp_us: int) -> None:
        """Waits for all gateways' groups with an earlier stamp, and settles what is lost of them.

        Raises:
            StoreUnavailableError: one of them took too long, or a store does not answer.
        """
        self._complete(self._read(), stamp_us - 1)

    def _complete(self, state: _State, must_reach_us: int) -> _State:
        """The state once nothing up to this instant is in flight."""
        waited_ms, began_us = 0, self._world.now_us()
        while before := state.up_to(must_reach_us):
            if lost := [stamp for stamp, gateway, lease_end in before if self._is_lost(gateway, lease_end)]:
                self._resolve(lost)
            elif max(waited_ms, (self._world.now_us() - began_us) // 1_000) >= self._wait_ms_max:
                raise StoreUnavailableError(
                    f"an older group of gateway {before[0][1]} is still being stored",
                    retry_after_ms=_RETRY_AFTER_MS,
                )
            else:
                self._world.sleep_ms(_POLL_MS)
                waited_ms += _POLL_MS
            state = self._read()
        return state

    def settled(self) -> int:
        """As far as everybody's groups have their outcome."""
        return self._read().complete_us

    def reached(self, _now_us: int) -> int:
        """The newest stamp that this gateway stored. A watermark that is asked for later is not earlier."""
        with self._lock:
            return self._reached_us

    def _read(self) -> _State:
        with self._quick.reading() as connection:
            return _state(connection)

    def _advance(
        self,
        instant: Callable[[_State], int],
        then: Callable[[Connection, int], None] = lambda _connection, _instant_us: None,
    ) -> int:
        """Hands out an instant; `then` runs in the same transaction. Rule 7."""
        for database in (self._quick, self._power_safe):
            with database.writing() as connection:
                state = _state(connection)
                instant_us = instant(state)
                ceiling_us = state.ceiling_us
                if instant_us > ceiling_us:
                    if database is self._quick:
                        continue
                    ceiling_us = instant_us + CEILING_STEP_US
                _move(connection, latest_us=instant_us, ceiling_us=ceiling_us)
                then(connection, instant_us)
            return instant_us
        raise RuntimeError("a power-safe transaction may move the ceiling")

    def _is_lost(self, gateway: str, lease_end_us: int) -> bool:
        if lease_end_us < self._world.now_us():
            return True
        return gateway != self._gateway and self._world.is_dead(gateway)

    def _give_up(self, stamp_us: int) -> None:
        with self._lock:
            self._given_up.add(stamp_us)

    def _resolve(self, stamps_us: Sequence[int]) -> None:
        # One at a time: the others find it done, or ask the store again, which harms nothing.
        with self._resolving:
            self._world.call_off([(stamp_us, stamp_us) for stamp_us in stamps_us])
            with self._quick.writing() as connection:
                connection.execute(delete(INGEST_IN_FLIGHT).where(INGEST_IN_FLIGHT.c.stamp_us.in_(stamps_us)))
            with self._lock:
                self._given_up.difference_update(stamps_us)
            _log.info("settled groups of unknown outcome", stamps=len(stamps_us))


def begin_behind(database: Database, instant_us: int) -> None:
    """Lets the order of a deployment that has none yet hand out nothing up to this instant."""
    with database.writing() as connection:
        row = {"id": 1, "latest_us": instant_us, "stored_us": 0, "ceiling_us": instant_us}
        connection.execute(insert(INGEST_ORDER).values(row))


def _state(connection: Connection) -> _State:
    order = connection.execute(
        select(INGEST_ORDER.c.latest_us, INGEST_ORDER.c.stored_us, INGEST_ORDER.c.ceiling_us)
    ).one()
    columns = INGEST_IN_FLIGHT.c
    rows = connection.execute(
        select(columns.stamp_us, columns.gateway, columns.lease_end_us).order_by(columns.stamp_us)
    )
    return _State(*order, [(stamp_us, gateway, lease_end_us) for stamp_us, gateway, lease_end_us in rows])


def _move(connection: Connection, **values: int) -> None:
    connection.execute(update(INGEST_ORDER).values(values))
