"""The client for asyncio: the same delivery as `Client`, with waits that leave the event loop free.

1. Sending, retries and the spool are those of `Client`, on the same background threads. The loop waits for
   them through futures; nothing on the loop blocks on a disk, a network or a full buffer.
2. `record` takes the event in as its last step, without a suspension after it: it returned, and the event is
   recorded, or it raised (CancelledError too), and it is not.
3. A call that has to block (`record_batch`, reads, opening and closing) runs on one of a few threads and is
   broken off when its task is cancelled.
4. Not bound to a loop: tasks of several loops and threads may share a client.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self, TypeVar, Unpack

import grpc

from meterline.aio.problems import AsyncOnProblem, LoopCallback
from meterline.aio.threads import Threads
from meterline.aio.waiting import to_the_end, wait_for
from meterline.client import DEFAULT_TARGET
from meterline.credentials import api_key_metadata
from meterline.errors import CallbackMisuseError, EngineUnavailableError
from meterline.events import Delivery, Event, Properties, Receipt
from meterline.interruption import Interruption
from meterline.options import OptionKeywords, Options, check_target
from meterline.reads.access import Access, access_request
from meterline.reads.lines import AsyncLineItems, lines_request
from meterline.reads.spend import Spend, read_spend, spend_request
from meterline.reads.spend_page import SpendPageLink, read_spend_page, spend_page_request
from meterline.reads.spend_watch import AsyncSpendWatch, SpendWatch, watch_request
from meterline.reads.usage import AsyncUsageRows, UsageWindow, usage_request
from meterline.reservations import Reservation
from meterline.reserving import (
    EXIT_RETRY_TIMEOUT_S,
    AsyncReservedWork,
    Quantity,
    ReserveKeywords,
    commit,
    release,
    reserve,
)
from meterline.session import Session, Sessions, Settings
from meterline.transport import (
    CHECK_ACCESS,
    CREATE_SPEND_LINK,
    GET_SPEND,
    LIST_LINE_ITEMS,
    QUERY_USAGE,
    WATCH_SPEND,
    Metadata,
    Method,
)

_Answer = TypeVar("_Answer")
_Result = TypeVar("_Result")

_YIELD_EVERY = 32  # records without a wait in between: about half a millisecond


class AsyncClient:
    """Records usage events in the background; reads spend, line items and usage. One a process.

    The arguments are those of `Client`; `on_problem` may be a function or a coroutine function and runs on
    the loop in which the client was first used. `async with` opens it, so that a spool that can't be had is
    told at once (SpoolError); otherwise the first call does.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        on_problem: AsyncOnProblem | None = None,
        api_key: str | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Metadata = (),
        **options: Unpack[OptionKeywords],
    ) -> None:
        check_target(target)
        carried = (*metadata, *api_key_metadata(api_key))
        self._options = Options(**options)
        self._callback = None if on_problem is None else LoopCallback(on_problem)
        self._sessions = Sessions(Settings(target, credentials, carried, self._options, self._callback))
        self._threads: dict[Session, Threads] = {}
        self._records = 0

    async def record(
        self,
        customer_id: str,
        event_type: str,
        properties: Properties | None = None,
        *,
        event_id: str | None = None,
        event_time: datetime | None = None,
    ) -> str:
        """Take an event in for sending and return its id; the id and the time are made here, once.

        Waits for room as `Client.record` does, and with a spool for the disk, without blocking the loop.
        Raises InvalidArgumentError, BufferFullError, SpoolError or ClientClosedError: the event is then not
        recorded. Cancelled: not recorded.
        """
        self._records += 1
        if not self._records % _YIELD_EVERY:
            await asyncio.sleep(0)  # a loop that only records must not keep the others from running
        session = await self._open()
        event_id, frame = session.encode(customer_id, event_type, properties, event_id, event_time)
        if session.spool is not None:
            await self._record_on_disk(session, frame)
        elif not session.sender.offer(frame):
            deadline_s = self._deadline_s(session)
            await self._room(session, len(frame), deadline_s)
            while not session.sender.offer(frame):
                await self._room(session, len(frame), deadline_s)
        return event_id

    async def record_batch(self, events: Iterable[Event]) -> list[Receipt]:
        """Send events now and return a receipt for each, in their order; see `Client.record_batch`.

        Cancelled: what is under way is broken off, and each event may be stored or not. Give the events their
        ids and times to be able to repeat them.
        """
        listed = list(events)
        session = await self._open(to_use=True)
        return await self._call(session, lambda stop: session.record_batch(listed, stop))

    async def flush(self, timeout_s: float | None = None) -> Delivery:
        """Wait until every event recorded before this call has its verdict, at most `timeout_s`.

        See `Client.flush`. Cancelled: only the waiting ends.
        """
        self._refuse_in_callback("flush")
        session = await self._open()
        await self._settle(session, timeout_s)
        return session.sender.delivery()

    def delivery(self) -> Delivery:
        """The counts now, without waiting."""
        session = self._sessions.made
        return Delivery() if session is None else session.sender.delivery()

    async def close(self, timeout_s: float | None = None) -> Delivery:
        """Take no more events, flush for at most `timeout_s` (default `close_timeout_s`) and disconnect.

        See `Client.close`. Cancelled: no more events are taken, those before are still being sent; close
        again, or the end of the process does. Closing again changes nothing.
        """
        self._refuse_in_callback("close")
        session = self._sessions.made
        if session is None:
            self._sessions.end()
            return Delivery()
        session.sender.begin_close()
        await self._settle(session, session.close_timeout_s(timeout_s))
        threads = self._threads_of(session)
        try:
            with contextlib.suppress(RuntimeError):  # closed before: the threads are gone
                end = asyncio.get_running_loop().run_in_executor(threads.executor, session.end_close)
                await to_the_end(end)
        finally:
            threads.shutdown()
            self._sessions.end()
        return session.sender.delivery()

    async def spend(
        self,
        customer_id: str,
        *,
        at: datetime | None = None,
        as_of: datetime | None = None,
        catalog_revision: int | None = None,
        timeout_s: float = 10.0,
    ) -> Spend:
        """Read what a customer owes in the billing period that contains `at`; see `Client.spend`.

        Cancelled: the read is broken off.
        """
        request = spend_request(customer_id, at, as_of, catalog_revision)
        return read_spend(customer_id, await self._ask(GET_SPEND, request, timeout_s))

    async def spend_page(
        self,
        customer_id: str,
        *,
        valid_for: timedelta = timedelta(days=7),
        may_set_budget: bool = False,
        timeout_s: float = 10.0,
    ) -> SpendPageLink:
        """Make a signed link to a customer's spend page; see `Client.spend_page`."""
        request = spend_page_request(customer_id, valid_for, may_set_budget=may_set_budget)
        return read_spend_page(customer_id, await self._ask(CREATE_SPEND_LINK, request, timeout_s))

    async def check_access(
        self, customer_id: str, *features: str, timeout_s: float = 2.0, allow_unknown: bool = False
    ) -> Access:
        """Ask whether a customer may use features now, also while no engine answers; see `Client.check_access`."""
        request = access_request(customer_id, features)
        memory = (await self._open(to_use=True)).access
        try:
            return memory.read(customer_id, await self._ask(CHECK_ACCESS, request, timeout_s))
        except EngineUnavailableError as error:
            return memory.answer(customer_id, features, error, allow_unknown=allow_unknown)

    async def reserve(
        self, customer_id: str, limit: str, quantity: Quantity, **keywords: Unpack[ReserveKeywords]
    ) -> Reservation:
        """Hold a quantity of a limit while work runs; see `Client.reserve`.

        Cancelled: it may have been made, and expires then.
        """
        session = await self._open(to_use=True)
        return await self._call(
            session, lambda stop: reserve(session, customer_id, limit, quantity, **keywords, stop=stop)
        )

    async def commit(
        self, reservation: Reservation, event: Event, *, retry_timeout_s: float = 60.0
    ) -> Reservation:
        """Record the usage that the work made; see `Client.commit`. Cancelled: it may have been made."""
        session = await self._open(to_use=True)
        return await self._call(
            session, lambda stop: commit(session, reservation, event, retry_timeout_s, stop)
        )

    async def release(self, reservation: Reservation, *, retry_timeout_s: float = 60.0) -> Reservation:
        """Give all of it back; see `Client.release`. Cancelled: it may have been given back."""
        session = await self._open(to_use=True)
        return await self._call(session, lambda stop: release(session, reservation, retry_timeout_s, stop))

    def reservation(
        self,
        customer_id: str,
        limit: str,
        quantity: Quantity,
        *,
        event_type: str,
        amount_property: str | None = None,
        retry_timeout_s: float = 60.0,
        **keywords: Unpack[ReserveKeywords],
    ) -> AsyncReservedWork:
        """Hold quota around a block: `async with client.reservation(...) as r: await r.commit(512)`; see `Client.reservation`."""
        return AsyncReservedWork(
            lambda: self.reserve(customer_id, limit, quantity, **keywords),
            lambda held, event: self.commit(held, event, retry_timeout_s=retry_timeout_s),
            lambda held: self.release(held, retry_timeout_s=EXIT_RETRY_TIMEOUT_S),
            event_type,
            amount_property,
        )

    def watch_spend(
        self, customer_id: str, *, at: datetime | None = None, retry_timeout_s: float = 60.0
    ) -> AsyncSpendWatch:
        """Watch what a customer owes: `async for spend in client.watch_spend("acme")`; see `Client.watch_spend`.

        Nothing is asked before the first step. Each watch has a thread of its own until it is closed. Cancelled: the
        watch is over.
        """
        session = self._sessions.open
        return AsyncSpendWatch(
            SpendWatch(
                customer_id,
                watch_request(customer_id, at),
                lambda payload: session().open_stream(WATCH_SPEND, payload),
                retry_timeout_s,
            )
        )

    def lines(
        self,
        customer_id: str | None = None,
        *,
        at: datetime | None = None,
        as_of: datetime | None = None,
        catalog_revision: int | None = None,
        timeout_s: float = 60.0,
    ) -> AsyncLineItems:
        """List line items: `async for line in client.lines(...)`; see `Client.lines`.

        Nothing is read before the first step. `await client.lines(...)` reads the first page, and gives the listing
        with its `as_of` and `catalog_revision`. Cancelled: the read is broken off.
        """
        request = lines_request(customer_id, at, as_of, catalog_revision)
        return AsyncLineItems(request, lambda payload: self._ask(LIST_LINE_ITEMS, payload, timeout_s))

    def usage(  # noqa: PLR0913 - as `usage_request`
        self,
        meter_id: str,
        period_start: datetime,
        period_end: datetime,
        *,
        window: UsageWindow | None = None,
        time_zone: str | None = None,
        group_by: Iterable[str] | None = None,
        filters: Mapping[str, Iterable[str]] | None = None,
        customer_ids: Iterable[str] | None = None,
        as_of: datetime | None = None,
        catalog_revision: int | None = None,
        timeout_s: float = 60.0,
    ) -> AsyncUsageRows:
        """List what a meter comes to: `async for row in client.usage(...)`; see `Client.usage` and `lines`."""
        request = usage_request(
            meter_id,
            period_start,
            period_end,
            window=window,
            time_zone=time_zone,
            group_by=group_by,
            filters=filters,
            customer_ids=customer_ids,
            as_of=as_of,
            catalog_revision=catalog_revision,
        )
        return AsyncUsageRows(request, lambda payload: self._ask(QUERY_USAGE, payload, timeout_s))

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _open(self, *, to_use: bool = False) -> Session:
        if self._callback is not None:
            self._callback.bind()
        get = self._sessions.open if to_use else self._sessions.current
        if self._sessions.made is None and self._sessions.needs_the_disk:
            return await asyncio.to_thread(get)
        return get()

    async def _record_on_disk(self, session: Session, frame: bytes) -> None:
        spooling = self._threads_of(session).spooling
        deadline_s: float | None = None
        session.sender.refuse_closed()
        while (slot := await spooling.put(frame)) is None:
            deadline_s = self._deadline_s(session) if deadline_s is None else deadline_s
            await self._room(session, len(frame), deadline_s)
        session.sender.join(slot)

    def _deadline_s(self, session: Session) -> float:
        if not session.sender.may_wait or self._in_callback():
            # A callback that waits for room would wait for itself.
            raise session.sender.full_error(0.0)
        return asyncio.get_running_loop().time() + self._options.block_timeout_s

    async def _room(self, session: Session, frame_bytes: int, deadline_s: float) -> None:
        sender = session.sender
        sender.hurry()
        remaining_s = max(0.0, deadline_s - asyncio.get_running_loop().time())
        if not await wait_for(sender.room, lambda: sender.worth_offering(frame_bytes), remaining_s):
            raise sender.full_error(self._options.block_timeout_s)

    async def _settle(self, session: Session, timeout_s: float | None) -> None:
        target = session.sender.hurry()
        await wait_for(session.sender.settled, lambda: session.sender.is_settled_before(target), timeout_s)

    async def _ask(self, method: Method[_Answer], payload: bytes, timeout_s: float) -> _Answer:
        session = await self._open(to_use=True)
        return await self._call(session, lambda stop: session.ask(method, payload, timeout_s, stop))

    async def _call(self, session: Session, work: Callable[[Interruption], _Result]) -> _Result:
        stop = Interruption()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads_of(session).executor, work, stop)
        except asyncio.CancelledError:
            stop.interrupt()
            raise

    def _threads_of(self, session: Session) -> Threads:
        threads = self._threads.get(session)  # a forked child has another session
        return self._threads.setdefault(session, Threads(session)) if threads is None else threads

    def _in_callback(self) -> bool:
        return self._callback is not None and self._callback.is_running_here()

    def _refuse_in_callback(self, name: str) -> None:
        if self._in_callback():
            raise CallbackMisuseError(f"{name}() in on_problem would wait for itself: call it elsewhere")
