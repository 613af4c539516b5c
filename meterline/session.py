"""What a client has in one process, from its first use, or a fork, to its close. Every call blocks.

`Client` calls it directly, `AsyncClient` through threads: both deliver by this code.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import grpc

from meterline import lifetime
from meterline.arguments import epoch_us, time_of
from meterline.errors import ClientClosedError, InvalidArgumentError
from meterline.events import Delivery, Event, Properties, Receipt
from meterline.interruption import Interruption
from meterline.options import Options
from meterline.reads.access import AccessMemory
from meterline.reads.reading import read
from meterline.retry import RetryPolicy
from meterline.sending.batching import Batch, Batcher
from meterline.sending.delivery import Courier
from meterline.sending.identifiers import EventIds
from meterline.sending.messages import encode
from meterline.sending.reporting import Tell
from meterline.sending.sender import Sender
from meterline.spooling.spool import Spool
from meterline.spooling.spool_home import hold, hold_place_in
from meterline.transport import RECORD_USAGE, AnswerStream, Metadata, Method, Transport

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client was made with; a forked child starts from it anew."""

    target: str
    credentials: grpc.ChannelCredentials | None
    metadata: Metadata
    options: Options
    tell: Tell | None


class Session:
    """A connection, ids, a sender and, if wanted, a spool. Raises SpoolError when it is made."""

    def __init__(self, settings: Settings, *, forked: bool) -> None:
        self._settings = settings
        self._options = settings.options
        self._random = random.Random(os.urandom(16))  # noqa: S311 - spreads retries, guards nothing
        self._ids = EventIds(os.urandom)
        self._transport = Transport(settings.target, settings.credentials, settings.metadata)
        self.access = AccessMemory()
        self._abandon = threading.Event()
        self._courier = Courier(
            send=partial(self._transport.call, RECORD_USAGE),
            policy=RetryPolicy(self._options.retry_timeout_s),
            request_timeout_s=self._options.request_timeout_s,
            pause=self._abandon.wait,
            random=self._random.random,
            clock=time.monotonic,
        )
        self.spool = _open_spool(self._options, forked=forked)
        try:
            self.sender = Sender(self._courier, self._options, settings.tell, self._abandon, self.spool)
        except BaseException:
            if self.spool is not None:
                self.spool.close()
            raise

    def encode(
        self,
        customer_id: str,
        event_type: str,
        properties: Properties | None,
        event_id: str | None,
        event_time: datetime | None,
    ) -> tuple[str, bytes]:
        """An event's id and frame; id and time are made here, once, if not given."""
        event_id = self._ids.new() if event_id is None else event_id
        event_time_us = _now_us() if event_time is None else epoch_us(event_time)
        return event_id, encode(customer_id, event_type, properties, event_id, event_time_us)

    def record_batch(
        self, events: Iterable[Event], interruption: Interruption | None = None
    ) -> list[Receipt]:
        """Send now, on this thread. Nothing is sent if an event can't be encoded."""
        batcher = Batcher(
            events_max=self._options.batch_events_max, bytes_max=self._options.batch_bytes_max, age_max_s=0.0
        )
        completed: list[Event] = []
        for index, event in enumerate(events):
            try:
                completed.append(self._complete(event, batcher))
            except InvalidArgumentError as error:
                raise InvalidArgumentError(f"event {index} of the batch: {error}") from None
        batcher.urge()
        courier = self._interruptible(interruption)
        receipts: list[Receipt] = []
        while (batch := batcher.take(0.0)) is not None:
            receipts += self._send_now(courier, batch, completed)
        return receipts

    def ask(
        self,
        method: Method[_Answer],
        payload: bytes,
        timeout_s: float,
        interruption: Interruption | None = None,
        patience_s: float | None = None,
    ) -> _Answer:
        """The engine's answer. patience_s: as in `reading.read`. Raises RequestFailedError."""
        return read(
            lambda: self._transport.call(method, payload, timeout_s, interruption),
            timeout_s,
            self._random.random,
            self._abandon.wait if interruption is None else self._pause_of(interruption),
            patience_s,
        )

    def new_id(self) -> str:
        """An id that nobody else makes."""
        return self._ids.new()

    def open_stream(self, method: Method[_Answer], payload: bytes) -> AnswerStream[_Answer]:
        """One call whose answers come until somebody ends them. Raises CallFailedError."""
        return self._transport.stream(method, payload)

    def close(self, timeout_s: float | None) -> Delivery:
        """Take no more, flush, disconnect."""
        self.sender.begin_close()
        self.sender.flush(self.close_timeout_s(timeout_s))
        return self.end_close()

    def close_timeout_s(self, timeout_s: float | None) -> float:
        """How long a close waits."""
        return self._options.close_timeout_s if timeout_s is None else timeout_s

    def end_close(self) -> Delivery:
        """Break off what is left."""
        return self.sender.end_close(self._transport.close)

    def abandon_after_fork(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        if self.spool is not None:
            self.spool.abandon_after_fork()

    def _complete(self, event: Event, batcher: Batcher) -> Event:
        """The event with its id and time; its frame joins the batcher."""
        event_id = self._ids.new() if event.event_id is None else event.event_id
        event_time_us = _now_us() if event.event_time is None else epoch_us(event.event_time)
        frame = encode(event.customer_id, event.event_type, event.properties, event_id, event_time_us)
        batcher.add(frame, 0.0)
        event_time = event.event_time or time_of(event_time_us)
        return Event(event.customer_id, event.event_type, event.properties, event_id, event_time)

    def _interruptible(self, interruption: Interruption | None) -> Courier:
        if interruption is None:
            return self._courier
        return replace(
            self._courier,
            send=partial(self._transport.call, RECORD_USAGE, interruption=interruption),
            pause=self._pause_of(interruption),
        )

    def _pause_of(self, interruption: Interruption) -> Callable[[float], bool]:
        return lambda seconds: interruption.pause(seconds) or self._abandon.is_set()

    def _send_now(self, courier: Courier, batch: Batch, events: Sequence[Event]) -> list[Receipt]:
        judged = courier.deliver(batch.payload(), batch.count)
        self.sender.tally(judged)
        first = batch.first_ordinal
        return [
            Receipt(event, *judgement)
            for event, judgement in zip(events[first : first + len(judged)], judged, strict=True)
        ]


class Sessions:
    """The session of a client in this process: the first use makes it, a fork lets the child make its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._forked = False
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._closed = False
        self._inherited: list[object] = []
        lifetime.begin(self)

    @property
    def made(self) -> Session | None:
        """The session, if there is one already."""
        return self._session

    @property
    def needs_the_disk(self) -> bool:
        """Whether making the session, and recording, waits for a disk."""
        return self._settings.options.spool is not None

    def current(self) -> Session:
        """The session. Raises SpoolError, or ClientClosedError if it was closed before its first use."""
        session = self._session
        if session is not None:
            return session
        with self._lock:
            if self._session is None:
                if self._closed:
                    raise ClientClosedError("the client is closed: make a new Client")
                self._session = Session(self._settings, forked=self._forked)
            return self._session

    def open(self) -> Session:
        """The session of a client that is not closed. Raises ClientClosedError."""
        if self._closed:
            raise ClientClosedError("the client is closed: make a new Client")
        return self.current()

    def close(self, timeout_s: float | None) -> Delivery:
        """Close the session, if there is one, and make no other."""
        session = self._session
        delivery = Delivery() if session is None else session.close(timeout_s)
        self.end()
        return delivery

    def end(self) -> None:
        """The client was closed, or could not be made."""
        self._closed = True
        lifetime.end(self)

    def end_with_process(self) -> None:
        """Close at the end of the interpreter."""
        self.close(None)

    def renew_after_fork(self) -> None:
        """In a forked child: the next use makes a session of the child's own."""
        self._lock = threading.Lock()  # another thread of the parent may have held the old one
        self._forked = True
        session, self._session = self._session, None
        if session is not None:
            session.abandon_after_fork()
            # Kept, never used: dropping the parent's channel would close its sockets' state in this process.
            self._inherited.append(session)


def _open_spool(options: Options, *, forked: bool) -> Spool | None:
    if options.spool is None:
        return None
    directory = Path(options.spool).absolute()  # a later chdir must not move it
    home = hold_place_in(directory) if forked else hold(directory)
    return Spool(home, bytes_max=options.spool_bytes_max, fsync=options.spool_fsync)


def _now_us() -> int:
    return time.time_ns() // 1_000
