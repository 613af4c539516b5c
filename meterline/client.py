"""The client of a product service: record usage, read spend."""

import os
import random
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self, Unpack

import grpc

from meterline import lifetime
from meterline.batching import Batch, Batcher
from meterline.delivery import Courier
from meterline.errors import ClientClosedError, InvalidArgumentError
from meterline.events import Delivery, Event, Properties, Receipt
from meterline.identifiers import EventIds
from meterline.messages import checked_text, encode, epoch_us, time_of
from meterline.options import OptionKeywords, Options, check_target
from meterline.reading import read
from meterline.reporting import OnProblem
from meterline.retry import RetryPolicy
from meterline.sender import Sender
from meterline.spend import Spend, read_spend, spend_request
from meterline.transport import Metadata, Transport

DEFAULT_TARGET = "localhost:7070"


class Client:
    """Records usage events in the background and reads spend. One a process; safe for all its threads.

    `target` is "host:port". `on_problem` is called with the Receipt of every event that was recorded with
    `record` and was not accepted (conflict, rejected, failed), on a sender's thread; without it they are
    logged to "meterline" as warnings. `credentials` turn TLS on; `metadata` goes with every call.
    The other keywords are those of `Options`.

    Nothing connects before the first event or read. A client outlives a fork: the child starts with
    an empty buffer, ids of its own and a new connection, and what waited is sent by the parent.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        on_problem: OnProblem | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Metadata = (),
        **options: Unpack[OptionKeywords],
    ) -> None:
        check_target(target)
        self._target = target
        self._on_problem = on_problem
        self._credentials = credentials
        self._metadata = metadata
        self._options = Options(**options)
        self._closed = False
        self._inherited: list[object] = []
        self._start()
        lifetime.begin(self)

    def record(
        self,
        customer_id: str,
        event_type: str,
        properties: Properties | None = None,
        *,
        event_id: str | None = None,
        event_time: datetime | None = None,
    ) -> str:
        """Take an event in for sending and return its id; the id and the time are made here, once.

        Returns before the event is sent: `flush` and `on_problem` tell what became of it. Raises
        InvalidArgumentError, BufferFullError (see `when_full`) or ClientClosedError: the event is then not
        recorded.
        """
        event_id = self._ids.new() if event_id is None else event_id
        event_time_us = _now_us() if event_time is None else epoch_us(event_time)
        self._sender.add(encode(customer_id, event_type, properties, event_id, event_time_us))
        return event_id

    def record_batch(self, events: Iterable[Event]) -> list[Receipt]:
        """Send events now, on this thread, and return a receipt for each, in their order.

        Raises InvalidArgumentError before anything is sent, and ClientClosedError. Events without a verdict
        after all retries are FAILED; `record_batch(receipt.event for receipt in ...)` repeats them.
        """
        if self._closed:
            raise ClientClosedError("the client is closed: make a new Client")
        completed: list[Event] = []
        batcher = self._new_batcher()
        for index, event in enumerate(events):
            try:
                completed.append(self._complete(event, batcher))
            except InvalidArgumentError as error:
                raise InvalidArgumentError(f"event {index} of the batch: {error}") from None
        batcher.urge()
        receipts: list[Receipt] = []
        while (batch := batcher.take(0.0)) is not None:
            receipts += self._send_now(batch, completed)
        return receipts

    def flush(self, timeout_s: float | None = None) -> Delivery:
        """Wait until every event recorded before this call has its verdict, at most `timeout_s`.

        `pending` in the result is 0 if nothing is left.
        """
        return self._sender.flush(timeout_s)

    def delivery(self) -> Delivery:
        """The counts now, without waiting."""
        return self._sender.delivery()

    def close(self, timeout_s: float | None = None) -> Delivery:
        """Take no more events, flush for at most `timeout_s` (default `close_timeout_s`) and disconnect.

        What has no verdict by then is reported as failed. Closing again changes nothing.
        """
        timeout_s = self._options.close_timeout_s if timeout_s is None else timeout_s
        delivery = self._sender.close(timeout_s, self._transport.close)
        self._closed = True
        lifetime.end(self)
        return delivery

    def spend(
        self,
        customer_id: str,
        *,
        at: datetime | None = None,
        as_of: datetime | None = None,
        timeout_s: float = 10.0,
    ) -> Spend:
        """Read what a customer owes in the billing period that contains `at` (default: now).

        `as_of` rates the usage that had been ingested by then (default: all). Raises InvalidArgumentError,
        NotFoundError, InvalidRequestError, EngineUnavailableError or another RequestFailedError.
        """
        if self._closed:
            raise ClientClosedError("the client is closed: make a new Client")
        request = spend_request(
            checked_text("customer_id", customer_id),
            None if at is None else epoch_us(at, "at"),
            None if as_of is None else epoch_us(as_of, "as_of"),
        )
        response = read(lambda: self._transport.get_spend(request, timeout_s), self._random.random)
        return read_spend(customer_id, response)

    def renew_after_fork(self) -> None:
        """Start anew in a forked child. Called by the interpreter; nothing else needs to."""
        # Kept, never used: dropping the parent's channel would close its sockets' state in this process.
        self._inherited.append((self._transport, self._sender))
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        self._random = random.Random(os.urandom(16))  # noqa: S311 - spreads retries, guards nothing
        self._ids = EventIds(os.urandom)
        self._transport = Transport(self._target, self._credentials, self._metadata)
        abandon = threading.Event()
        self._courier = Courier(
            send=self._transport.record_usage,
            policy=RetryPolicy(self._options.retry_timeout_s),
            request_timeout_s=self._options.request_timeout_s,
            pause=abandon.wait,
            random=self._random.random,
            clock=time.monotonic,
        )
        self._sender = Sender(self._courier, self._options, self._on_problem, abandon)

    def _new_batcher(self) -> Batcher:
        return Batcher(
            events_max=self._options.batch_events_max, bytes_max=self._options.batch_bytes_max, age_max_s=0.0
        )

    def _complete(self, event: Event, batcher: Batcher) -> Event:
        """The event with its id and time; its frame joins the batcher."""
        event_id = self._ids.new() if event.event_id is None else event.event_id
        event_time_us = _now_us() if event.event_time is None else epoch_us(event.event_time)
        frame = encode(event.customer_id, event.event_type, event.properties, event_id, event_time_us)
        batcher.add(frame, 0.0)
        return Event(
            event.customer_id,
            event.event_type,
            event.properties,
            event_id,
            event.event_time or time_of(event_time_us),
        )

    def _send_now(self, batch: Batch, events: Sequence[Event]) -> list[Receipt]:
        judged = self._courier.deliver(batch.payload(), len(batch.frames))
        self._sender.tally(judged)
        first = batch.first_ordinal
        return [
            Receipt(event, *judgement)
            for event, judgement in zip(events[first : first + len(judged)], judged, strict=True)
        ]


def _now_us() -> int:
    return time.time_ns() // 1_000
