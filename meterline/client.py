"""The client of a product service: record usage, read spend."""

from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Self, Unpack

import grpc

from meterline.errors import SpoolError
from meterline.events import Delivery, Event, Properties, Receipt
from meterline.options import OptionKeywords, Options, check_target
from meterline.reporting import OnProblem, one_by_one
from meterline.session import Sessions, Settings
from meterline.spend import Spend
from meterline.transport import Metadata

DEFAULT_TARGET = "localhost:7070"


class Client:
    """Records usage events in the background and reads spend. One a process; safe for all its threads.

    `target` is "host:port". `on_problem` is called with the Receipt of every event that was recorded with
    `record` and was not accepted (conflict, rejected, failed), on a sender's thread; without it they are
    logged to "meterline" as warnings. `credentials` turn TLS on; `metadata` goes with every call.
    The other keywords are those of `Options`.

    `spool`, a directory, keeps each event on disk from before `record` returns until it has its verdict; what
    an earlier process left there is sent first. Raises SpoolError if it can't be had.

    Nothing connects before the first event or read, or the first event in the spool. A client outlives a
    fork: the child starts with an empty buffer, ids of its own, a new connection and a place of its own in
    the spool, and what waited is sent by the parent.
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
        tell = None if on_problem is None else one_by_one(on_problem)
        settings = Settings(target, credentials, metadata, Options(**options), tell)
        self._sessions = Sessions(settings)
        try:
            self._sessions.current()
        except SpoolError:
            self._sessions.end()
            raise

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

        Returns before the event is sent, and with a spool after it is on disk: `flush` and `on_problem` tell
        what became of it. Raises InvalidArgumentError, BufferFullError (see `when_full`), SpoolError or
        ClientClosedError: the event is then not recorded.
        """
        session = self._sessions.current()
        event_id, frame = session.encode(customer_id, event_type, properties, event_id, event_time)
        session.sender.add(frame)
        return event_id

    def record_batch(self, events: Iterable[Event]) -> list[Receipt]:
        """Send events now, on this thread, and return a receipt for each, in their order.

        They pass by the buffer and the spool: the receipts are the record of them. Raises InvalidArgumentError
        before anything is sent, and ClientClosedError. Events without a verdict after all retries are FAILED;
        `record_batch(receipt.event for receipt in ...)` repeats them.
        """
        return self._sessions.open().record_batch(events)

    def flush(self, timeout_s: float | None = None) -> Delivery:
        """Wait until every event recorded before this call has its verdict, at most `timeout_s`.

        `pending` in the result is 0 if nothing is left. With a spool that includes what earlier processes
        left, and without a `timeout_s` it takes as long as the engine is away.
        """
        return self._sessions.current().sender.flush(timeout_s)

    def delivery(self) -> Delivery:
        """The counts now, without waiting."""
        return self._sessions.current().sender.delivery()

    def close(self, timeout_s: float | None = None) -> Delivery:
        """Take no more events, flush for at most `timeout_s` (default `close_timeout_s`) and disconnect.

        What has no verdict by then is reported as failed; with a spool it is `pending` and stays on disk for
        the next client. Closing again changes nothing.
        """
        return self._sessions.close(timeout_s)

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
        return self._sessions.open().spend(customer_id, at, as_of, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
