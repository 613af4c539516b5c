"""The client of a product service: record usage, read spend, line items and usage."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self, TypeVar, Unpack

import grpc

from meterline.credentials import api_key_metadata
from meterline.errors import EngineUnavailableError, SpoolError
from meterline.events import Delivery, Event, Properties, Receipt
from meterline.options import OptionKeywords, Options, check_target
from meterline.reads.access import Access, access_request
from meterline.reads.lines import LineItems, lines_request
from meterline.reads.spend import Spend, read_spend, spend_request
from meterline.reads.spend_page import SpendPageLink, read_spend_page, spend_page_request
from meterline.reads.spend_watch import SpendWatch, watch_request
from meterline.reads.usage import UsageRows, UsageWindow, usage_request
from meterline.reservations import Reservation
from meterline.reserving import (
    EXIT_RETRY_TIMEOUT_S,
    Quantity,
    ReservedWork,
    ReserveKeywords,
    commit,
    release,
    reserve,
)
from meterline.sending.reporting import OnProblem, ThreadCallback
from meterline.session import Sessions, Settings
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

DEFAULT_TARGET = "localhost:7070"

_Answer = TypeVar("_Answer")


class Client:
    """Records usage events in the background; reads spend, line items and usage. One a process; safe for all its threads.

    `target` is "host:port". `on_problem` is called with the Receipt of every event that was recorded with
    `record` and was not accepted (conflict, rejected, failed), on a sender's thread; without it they are
    logged to "meterline" as warnings. `api_key` is what the engine knows the service by; by default the one in the
    environment variable METERLINE_API_KEY. `credentials` turn TLS on; `metadata` goes with every call.
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
        api_key: str | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Metadata = (),
        **options: Unpack[OptionKeywords],
    ) -> None:
        check_target(target)
        carried = (*metadata, *api_key_metadata(api_key))
        tell = None if on_problem is None else ThreadCallback(on_problem)
        settings = Settings(target, credentials, carried, Options(**options), tell)
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
        catalog_revision: int | None = None,
        timeout_s: float = 10.0,
    ) -> Spend:
        """Read what a customer owes in the billing period that contains `at` (default: now).

        `as_of` rates the usage that had been ingested by then (default: all), `catalog_revision` rates with the
        catalog as it was then (default: the newest). An attempt takes at most `timeout_s`; an engine that says
        when to come again is asked again within that time. Raises InvalidArgumentError, NotFoundError,
        InvalidRequestError, EngineUnavailableError or another RequestFailedError.
        """
        request = spend_request(customer_id, at, as_of, catalog_revision)
        return read_spend(customer_id, self._ask(GET_SPEND, request, timeout_s))

    def watch_spend(
        self, customer_id: str, *, at: datetime | None = None, retry_timeout_s: float = 60.0
    ) -> SpendWatch:
        """Watch what a customer owes: `with client.watch_spend("acme") as watch: for spend in watch: ...`.

        The first Spend comes at once, then one after each commit that touched the customer; of those that follow each
        other fast the last. A connection that breaks is made again: an engine that has not answered for
        `retry_timeout_s` raises EngineUnavailableError. Other errors are those of `spend`.
        """
        return SpendWatch(
            customer_id,
            watch_request(customer_id, at),
            lambda payload: self._sessions.open().open_stream(WATCH_SPEND, payload),
            retry_timeout_s,
        )

    def spend_page(
        self,
        customer_id: str,
        *,
        valid_for: timedelta = timedelta(days=7),
        may_set_budget: bool = False,
        timeout_s: float = 10.0,
    ) -> SpendPageLink:
        """Make a signed link to the page where a customer sees its spend live: `client.spend_page("acme").url`.

        It holds for `valid_for`, a minute to 31 days. The key needs the scopes bill and read, and the link ends with it.
        `may_set_budget`: the customer may also set a budget of its own there; the key needs budget or catalog, too.
        Made as `spend` is read, with its errors.
        """
        request = spend_page_request(customer_id, valid_for, may_set_budget=may_set_budget)
        return read_spend_page(customer_id, self._ask(CREATE_SPEND_LINK, request, timeout_s))

    def check_access(
        self, customer_id: str, *features: str, timeout_s: float = 2.0, allow_unknown: bool = False
    ) -> Access:
        """Ask whether a customer may use features now: `client.check_access("acme", "sso").allows("sso")`.

        Without features: all that its plans name. The answer has every event that was acknowledged before. If no engine
        answers within `timeout_s`, each feature is allowed or not as the engine said last, for this customer, that it
        should be then (`when_unreachable` of its limits); one that this client has never asked for is allowed only with
        `allow_unknown`. Raises InvalidArgumentError, NotFoundError, InvalidRequestError or another
        RequestFailedError; EngineUnavailableError only if all features were asked for and nothing is known of any.
        """
        request = access_request(customer_id, features)
        session = self._sessions.open()
        try:
            return session.access.read(customer_id, session.ask(CHECK_ACCESS, request, timeout_s))
        except EngineUnavailableError as error:
            return session.access.answer(customer_id, features, error, allow_unknown=allow_unknown)

    def reserve(
        self, customer_id: str, limit: str, quantity: Quantity, **keywords: Unpack[ReserveKeywords]
    ) -> Reservation:
        """Hold a quantity of a limit while work runs, for `ttl` (default: 5 minutes, at most a day).

        The quantity is the most that the work may come to. `reservation_id` is made here if none is given; the same id is the
        same reservation for 35 days. While no engine answers within `timeout_s` (default: 2 seconds), the limit says whether work
        may begin, as for `check_access`; `allow_unknown`, for one that this client has heard nothing of. Raises
        ReservationRefusedError, ReservationConflictError, InvalidArgumentError, NotFoundError, InvalidRequestError or another
        RequestFailedError.
        """
        return reserve(self._sessions.open(), customer_id, limit, quantity, **keywords)

    def commit(self, reservation: Reservation, event: Event, *, retry_timeout_s: float = 60.0) -> Reservation:
        """Record the usage that the work made, and give back what it doesn't come to.

        The event has the reservation's id and the time at which it was reserved, unless it says others: a repeat is the same
        event. Sent again for `retry_timeout_s` while no engine takes it; EngineUnavailableError after that: it may have been made,
        and the same call may be repeated. Of a reservation that no engine knows, the event is recorded as by `record`. Raises
        ReservationEndedError, ReservationConflictError, InvalidRequestError (more than was reserved, an event that doesn't
        fit) or another RequestFailedError, and for the other kind what `record` raises.
        """
        return commit(self._sessions.open(), reservation, event, retry_timeout_s)

    def release(self, reservation: Reservation, *, retry_timeout_s: float = 60.0) -> Reservation:
        """Give all of it back; what has expired was given back. Raises ReservationEndedError for one that was committed."""
        return release(self._sessions.open(), reservation, retry_timeout_s)

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
    ) -> ReservedWork:
        """Hold quota around a block: `with client.reservation("acme", "tokens", 1000, event_type="call", amount_property="tokens") as r`.

        `r.commit(512)` records an event of this type with the amount in that property; without an amount, as of a meter that counts,
        no property is needed. What was not committed is released at the end of the block, also by an exception. The other keywords
        are those of `reserve`, whose errors the block's begin raises.
        """
        return ReservedWork(
            lambda: self.reserve(customer_id, limit, quantity, **keywords),
            lambda held, event: self.commit(held, event, retry_timeout_s=retry_timeout_s),
            lambda held: self.release(held, retry_timeout_s=EXIT_RETRY_TIMEOUT_S),
            event_type,
            amount_property,
        )

    def lines(
        self,
        customer_id: str | None = None,
        *,
        at: datetime | None = None,
        as_of: datetime | None = None,
        catalog_revision: int | None = None,
        timeout_s: float = 60.0,
    ) -> LineItems:
        """List the line items of a customer, or of all, in every billing period that contains `at` (default: now).

        Iterate over what is returned; all of it is of one snapshot, whose `as_of` and `catalog_revision` it has.
        Its `unrateable_customers` are complete after the last line. The first page is read now, the others on
        the way, each as `spend` is read, with its errors; the step after one that failed asks for that page again.
        """
        request = lines_request(customer_id, at, as_of, catalog_revision)
        return LineItems(request, lambda payload: self._ask(LIST_LINE_ITEMS, payload, timeout_s))

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
    ) -> UsageRows:
        """List what a meter comes to over `[period_start, period_end)`: a row for each group and window.

        `window` cuts the period by the calendar and clock of `time_zone` (default: UTC), see docs/usage.md; without
        it there is one window. `group_by` has properties, and "customer_id" for the customer; a property of that
        name is "properties.customer_id". Default: the customer and what the meter groups by; empty: all together.
        `filters` are properties and the values of which an event must have one. The rest is as in `lines`.
        """
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
        return UsageRows(request, lambda payload: self._ask(QUERY_USAGE, payload, timeout_s))

    def _ask(self, method: Method[_Answer], payload: bytes, timeout_s: float) -> _Answer:
        return self._sessions.open().ask(method, payload, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
