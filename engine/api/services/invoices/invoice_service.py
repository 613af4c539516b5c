"""InvoiceService: closes billing periods, some customers a call; shows invoices and their lines; voids."""

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.api.messages import ANSWER_BYTES_MAX, fitting, open_customer_messages
from engine.api.mistakes import raise_all, stored_text_mistakes
from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened, question_digest, sealed
from engine.api.services.invoices.billing_settings_service import check_grace
from engine.api.services.invoices.invoice_messages import (
    asked_state,
    invoice_message,
    line_messages,
    named_invoice,
    total_message,
)
from engine.api.services.invoices.threshold_service import ThresholdService
from engine.billing.automatic.billing_settings import BillingSettingsStore
from engine.billing.closing.booked_lines import BookedLines
from engine.billing.closing.closer import SUBSCRIPTIONS_AT_ONCE, Closed, Closer
from engine.billing.closing.invoice import Close, Invoice, invoice_totals
from engine.billing.closing.invoice_store import InvoiceStore
from engine.billing.documents.catalog_names import CatalogNames
from engine.billing.running_periods.part_biller import PartBiller
from engine.catalog.limits import ID_BYTES_MAX
from engine.catalog.store import CatalogStore
from engine.cluster.locks import Hold
from engine.errors import FieldMistake, InvalidRequestError, NotFoundError
from engine.times import optional_us, rfc3339_us, to_timestamp
from meterline.v1.invoices_pb2 import (
    ClosePeriodsRequest,
    ClosePeriodsResponse,
    GetInvoiceRequest,
    GetInvoiceResponse,
    IssueThresholdInvoicesRequest,
    IssueThresholdInvoicesResponse,
    ListInvoiceLinesRequest,
    ListInvoiceLinesResponse,
    ListInvoicesRequest,
    ListInvoicesResponse,
    VoidInvoiceRequest,
    VoidInvoiceResponse,
)

_PAGE_SIZES: Final = (250, 1_000)
_CLOSE_ID: Final = re.compile("[0-9a-f]{16}")
_REASON_BYTES_MAX: Final = 1_024


@dataclass(frozen=True, slots=True)
class InvoiceParts:
    """What closes, and what keeps invoices. `turn`: while a step runs, no backup, erasure or other close is at work."""

    settings: BillingSettingsStore
    closer: Closer
    biller: PartBiller
    invoices: InvoiceStore
    booked: BookedLines
    turn: Callable[[], contextlib.AbstractContextManager[Hold]]


@dataclass(frozen=True, slots=True)
class _Span:
    """What a run is to close. `grace_us`: None for the tenant's."""

    after_us: int
    until_us: int
    grace_us: int | None


class InvoiceService:
    """Closes on demand, and shows what is closed."""

    def __init__(self, parts: InvoiceParts, catalog: CatalogStore, now_us: Callable[[], int]) -> None:
        self._catalog = catalog
        self._settings = parts.settings
        self._closer = parts.closer
        self._invoices = parts.invoices
        self._booked = parts.booked
        self._turn = parts.turn
        self._now_us = now_us
        self._thresholds = ThresholdService(parts.biller, parts.turn, now_us)

    def issue_threshold_invoices(
        self, request: IssueThresholdInvoicesRequest, call: Call
    ) -> IssueThresholdInvoicesResponse:
        return self._thresholds.issue_threshold_invoices(request, call)

    def close_periods(self, request: ClosePeriodsRequest, call: Call) -> ClosePeriodsResponse:
        size = checked_size(request.page_size, SUBSCRIPTIONS_AT_ONCE, SUBSCRIPTIONS_AT_ONCE)
        span, row = _asked(request)
        with self._turn():
            if span is None:
                close = self._closer.run(call.tenant, request.close_id)
            else:
                grace_us = self._settings.of(call.tenant).grace_us if span.grace_us is None else span.grace_us
                close = self._closer.begin(
                    call.tenant, span.after_us, span.until_us, grace_us, call.caller.credential
                )
            call.is_about(f"{rfc3339_us(close.from_us)} to {rfc3339_us(close.before_us)}")
            done = self._closer.step(close, row, size)
        return _closed_message(close, done, self._now_us())

    def list_invoices(self, request: ListInvoicesRequest, call: Call) -> ListInvoicesResponse:
        size, state = checked_size(request.page_size, *_PAGE_SIZES), asked_state(request.state)
        _check_customer(request.customer_id)
        listing = question_digest(request)
        before = int(opened(request.page_token, listing, int)[0]) if request.page_token else 0
        # One more says whether there is another page.
        now_us = self._now_us()
        found = self._invoices.invoices(
            call.tenant, request.customer_id, before, size + 1, state=state, now_us=now_us
        )
        messages = fitting(invoice_message(each, now_us) for each in found[:size])
        response = ListInvoicesResponse(invoices=messages)
        if len(found) > len(messages):
            response.next_page_token = sealed(listing, found[len(messages) - 1].number)
        return response

    def get_invoice(self, request: GetInvoiceRequest, call: Call) -> GetInvoiceResponse:
        return GetInvoiceResponse(invoice=invoice_message(self._named(request, call), self._now_us()))

    def list_invoice_lines(self, request: ListInvoiceLinesRequest, call: Call) -> ListInvoiceLinesResponse:
        size = checked_size(request.page_size, *_PAGE_SIZES)
        invoice = self._named(request, call)
        listing = f"lines {invoice.invoice_id}"
        after = int(opened(request.page_token, listing, int)[0]) if request.page_token else 0
        rows = self._booked.some_of_invoice(invoice, after, size)
        numbers = self._invoices.numbers(call.tenant, filter(None, rows["corrects_invoice_id"].to_pylist()))
        names = None
        if request.with_tiers:
            names = CatalogNames(self._catalog.snapshot(call.tenant), invoice.key.customer_id)
        lines = fitting(line_messages(invoice, rows, numbers, names))
        response = ListInvoiceLinesResponse(lines=lines)
        if (listed := after + len(lines)) < invoice.line_count:
            response.next_page_token = sealed(listing, listed)
        return response

    def void_invoice(self, request: VoidInvoiceRequest, call: Call) -> VoidInvoiceResponse:
        invoice_id, number = named_invoice(request)
        raise_all(stored_text_mistakes("reason", request.reason, _REASON_BYTES_MAX))
        voided = self._invoices.void(call.tenant, invoice_id, number, request.reason, self._now_us())
        call.is_about(voided.name)
        return VoidInvoiceResponse(invoice=invoice_message(voided, self._now_us()))

    def _named(self, request: GetInvoiceRequest | ListInvoiceLinesRequest, call: Call) -> Invoice:
        """Raises InvalidRequestError, NotFoundError: also for an invoice of another customer than is asked for."""
        invoice_id, number = named_invoice(request)
        found = self._invoices.invoice(call.tenant, invoice_id, number)
        if request.customer_id and found.key.customer_id != request.customer_id:
            raise NotFoundError(f"there is no invoice {request.number or invoice_id}")
        return found


def _asked(request: ClosePeriodsRequest) -> tuple[_Span | None, int]:
    """What is to be closed, None for a run that is named; and where its step begins.

    Raises:
        InvalidRequestError: names the fields.
    """
    names = ("period_end_after", "period_end_until", "grace_s")
    given = [name for name in names if request.HasField(name)]
    if request.close_id:
        if given:
            raise InvalidRequestError(FieldMistake(given[0], "goes without a close_id: a run has its own"))
        if not _CLOSE_ID.fullmatch(request.close_id):
            raise InvalidRequestError(FieldMistake("close_id", "is not one that this engine gave out"))
        token = request.page_token
        return None, int(opened(token, _listing(request.close_id), int)[0]) if token else 0
    if request.page_token:
        raise InvalidRequestError(FieldMistake("close_id", "is empty: name the run that page_token is of"))
    after_us, until_us = optional_us(request, names[0]), optional_us(request, names[1])
    if after_us is None or until_us is None or until_us <= after_us:
        raise InvalidRequestError(
            FieldMistake(
                "period_end_until",
                "must be after period_end_after: the two say together when billing periods end",
            )
        )
    check_grace(request.grace_s)
    grace_us = request.grace_s * 1_000_000 if request.HasField("grace_s") else None
    return _Span(after_us, until_us, grace_us), 0


def _listing(close_id: str) -> str:
    return f"close {close_id}"


def _closed_message(close: Close, done: Closed, now_us: int) -> ClosePeriodsResponse:
    response = ClosePeriodsResponse(
        close_id=close.close_id,
        as_of=to_timestamp(close.as_of_us),
        catalog_revision=close.catalog_revision,
        issued_invoice_count=len(done.issued),
        issued_totals=[total_message(*each) for each in invoice_totals(done.issued).items()],
        adjustment_line_count=done.adjusted_count,
        standing_invoice_count=done.standing_count,
        not_due_invoice_count=done.not_due_count,
        open_customer_count=done.open_customer_count,
        unrateable_customers=open_customer_messages(done.unrateable, done.inconsistent),
        closed_subscription_count=done.next_row or done.subscription_count,
        subscription_count=done.subscription_count,
        next_page_token=sealed(_listing(close.close_id), done.next_row) if done.next_row else "",
        held_invoice_count=done.held_count,
    )
    room = ANSWER_BYTES_MAX - response.ByteSize()
    response.issued.extend(fitting((invoice_message(each, now_us) for each in done.issued), room))
    return response


def _check_customer(customer_id: str) -> None:
    """Raises InvalidRequestError for what can't be an id of the catalog."""
    if customer_id:
        raise_all(stored_text_mistakes("customer_id", customer_id, ID_BYTES_MAX))
