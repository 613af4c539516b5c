"""DraftInvoiceService: lists drafts, shows one, holds, releases and approves them."""

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import pyarrow.compute as pc

from engine.api.messages import ANSWER_BYTES_MAX, fitting, open_customer_messages
from engine.api.mistakes import raise_all, stored_text_mistakes
from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened, question_digest, sealed
from engine.api.services.drafts.draft_requests import asked_period, asked_selection, subject
from engine.api.services.invoices.invoice_messages import (
    amounts_message,
    invoice_message,
    line_messages,
    total_message,
)
from engine.billing.closing.closer import SUBSCRIPTIONS_AT_ONCE, Closed
from engine.billing.closing.invoice import Close, Invoice, PeriodSelection, invoice_totals
from engine.billing.closing.invoice_store import InvoiceStore
from engine.billing.drafts.draft_invoices import DraftInvoices, DraftSpan
from engine.billing.holds.held_periods import PeriodHold
from engine.errors import NotFoundError
from engine.times import to_timestamp
from meterline.v1 import draft_invoices_pb2 as pb
from meterline.v1.invoices_pb2 import InvoiceLine

_LISTED_AT_ONCE: Final = 1_000
"""Subscriptions of a page: their drafts of a month are some 100 KB."""
_LINE_PAGE_SIZES: Final = (250, 1_000)
_REASON_BYTES_MAX: Final = 1_024


@dataclass(frozen=True, slots=True)
class _Page:
    """Where a listing is: what its pages share, the step's first row, and how many of the step's drafts were listed."""

    of: Close
    row: int
    skipped: int


class DraftInvoiceService:
    """Reviews what is to be issued."""

    def __init__(
        self,
        drafts: DraftInvoices,
        invoices: InvoiceStore,
        turn: Callable[[], contextlib.AbstractContextManager[object]],
        now_us: Callable[[], int],
    ) -> None:
        """`turn`: while a step of an approval runs, no backup, erasure or close is at work."""
        self._drafts = drafts
        self._invoices = invoices
        self._turn = turn
        self._now_us = now_us

    def list_draft_invoices(
        self, request: pb.ListDraftInvoicesRequest, call: Call
    ) -> pb.ListDraftInvoicesResponse:
        size = checked_size(request.page_size, _LISTED_AT_ONCE, _LISTED_AT_ONCE)
        selection, listing = asked_selection(request.filter), question_digest(request)
        page = self._page(call.tenant, selection, request.page_token, listing)
        found = self._drafts.some(page.of, selection, page.row, size)
        invoices = [each for due in found.due for each in due.invoices][page.skipped :]
        held = self._drafts.held(call.tenant)
        messages = fitting(_message(each, held.get(each.key.begin)) for each in invoices)
        listed = invoices[: len(messages)]
        response = pb.ListDraftInvoicesResponse(
            draft_invoices=messages,
            totals=[total_message(*each) for each in invoice_totals(listed).items()],
            open_customer_ids=[] if page.skipped else sorted(found.open_customers),
            as_of=to_timestamp(page.of.as_of_us),
            catalog_revision=page.of.catalog_revision,
        )
        if len(listed) < len(invoices):
            response.next_page_token = _token(listing, replace(page, skipped=page.skipped + len(listed)))
        elif found.next_row:
            response.next_page_token = _token(listing, _Page(page.of, found.next_row, 0))
        return response

    def get_draft_invoice(self, request: pb.GetDraftInvoiceRequest, call: Call) -> pb.GetDraftInvoiceResponse:
        size, period = checked_size(request.page_size, *_LINE_PAGE_SIZES), asked_period(request)
        selection = PeriodSelection(
            frozenset({period.customer_id}), period.start_us, period.end_us - 1, period.end_us
        )
        listing = question_digest(request)
        page = self._page(call.tenant, selection, request.page_token, listing)
        found = self._drafts.some(page.of, selection, 0, SUBSCRIPTIONS_AT_ONCE)
        for due in found.due:
            for invoice in due.invoices:
                if invoice.key.currency == request.currency:
                    own = due.rows.filter(pc.equal(due.rows["invoice_id"], invoice.invoice_id))
                    rows = own.slice(page.skipped, size)
                    corrected = filter(None, rows["corrects_invoice_id"].to_pylist())
                    numbers = self._invoices.numbers(call.tenant, corrected)
                    hold = self._drafts.held(call.tenant).get(period.begin)
                    return _shown(
                        page, listing, invoice, hold, fitting(line_messages(invoice, rows, numbers))
                    )
        raise NotFoundError(
            f"there is no draft of {period.customer_id!r} in {request.currency!r} of this billing period"
        )

    def hold_draft_invoice(
        self, request: pb.HoldDraftInvoiceRequest, call: Call
    ) -> pb.HoldDraftInvoiceResponse:
        period = asked_period(request)
        raise_all(stored_text_mistakes("reason", request.reason, _REASON_BYTES_MAX))
        call.is_about(subject(period, request.reason))
        hold = PeriodHold(request.reason, self._now_us(), call.caller.credential)
        self._drafts.hold(call.tenant, period, hold)
        return pb.HoldDraftInvoiceResponse(hold=_hold_message(hold))

    def release_draft_invoice(
        self, request: pb.ReleaseDraftInvoiceRequest, call: Call
    ) -> pb.ReleaseDraftInvoiceResponse:
        period = asked_period(request)
        raise_all(stored_text_mistakes("reason", request.reason, _REASON_BYTES_MAX, may_be_empty=True))
        call.is_about(subject(period, request.reason))
        self._drafts.release(call.tenant, period)
        return pb.ReleaseDraftInvoiceResponse()

    def approve_draft_invoices(
        self, request: pb.ApproveDraftInvoicesRequest, call: Call
    ) -> pb.ApproveDraftInvoicesResponse:
        size = checked_size(request.page_size, SUBSCRIPTIONS_AT_ONCE, SUBSCRIPTIONS_AT_ONCE)
        selection = asked_selection(request.filter)
        raise_all(stored_text_mistakes("reason", request.reason, _REASON_BYTES_MAX, may_be_empty=True))
        with self._turn():
            run, row = self._approval(request, call, selection)
            call.is_about(subject(selection, request.reason, run.close_id))
            done = self._drafts.issue(run, selection, row, size)
        return _approved(run, selection, done, self._now_us())

    def _approval(
        self, request: pb.ApproveDraftInvoicesRequest, call: Call, selection: PeriodSelection
    ) -> tuple[Close, int]:
        """The run, and where its step begins."""
        if not request.page_token:
            span = self._drafts.span(call.tenant, selection.after_us, selection.until_us)
            return self._drafts.approve(call.tenant, span, call.caller.credential), 0
        row = int(opened(request.page_token, _approving(request.approval_id, selection), int)[0])
        return self._drafts.under_way(call.tenant, request.approval_id), row

    def _page(self, tenant: str, selection: PeriodSelection, token: str, listing: str) -> _Page:
        if not token:
            span = self._drafts.span(tenant, selection.after_us, selection.until_us)
            return _Page(self._drafts.look(tenant, span), 0, 0)
        parts = opened(token, listing, int, int, int, int, int, int, int)
        after_us, until_us, grace_us, as_of_us, revision, row, skipped = map(int, parts)
        of = self._drafts.look(tenant, DraftSpan(after_us, until_us, grace_us))
        return _Page(replace(of, as_of_us=as_of_us, catalog_revision=revision), row, skipped)


def _token(listing: str, page: _Page) -> str:
    of = page.of
    where = (of.from_us, of.before_us, of.grace_us, of.as_of_us, of.catalog_revision)
    return sealed(listing, *where, page.row, page.skipped)


def _approving(approval_id: str, selection: PeriodSelection) -> str:
    """The name of an approval's listing: a step of another selection is refused."""
    text = repr((sorted(selection.customers), selection.start_us, selection.after_us, selection.until_us))
    return f"approval {approval_id} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _message(invoice: Invoice, hold: PeriodHold | None) -> pb.DraftInvoice:
    key = invoice.key
    return pb.DraftInvoice(
        customer_id=key.customer_id,
        currency=key.currency,
        period_start=to_timestamp(key.start_us),
        period_end=to_timestamp(key.end_us),
        amounts=amounts_message(invoice.sums),
        line_count=invoice.line_count,
        hold=None if hold is None else _hold_message(hold),
    )


def _hold_message(hold: PeriodHold) -> pb.DraftHold:
    return pb.DraftHold(reason=hold.reason, held_at=to_timestamp(hold.held_at_us), held_by=hold.held_by)


def _shown(
    page: _Page, listing: str, invoice: Invoice, hold: PeriodHold | None, lines: Sequence[InvoiceLine]
) -> pb.GetDraftInvoiceResponse:
    listed = page.skipped + len(lines)
    return pb.GetDraftInvoiceResponse(
        draft_invoice=_message(invoice, hold),
        lines=lines,
        as_of=to_timestamp(page.of.as_of_us),
        catalog_revision=page.of.catalog_revision,
        next_page_token=_token(listing, replace(page, skipped=listed)) if listed < invoice.line_count else "",
    )


def _approved(
    run: Close, selection: PeriodSelection, done: Closed, now_us: int
) -> pb.ApproveDraftInvoicesResponse:
    response = pb.ApproveDraftInvoicesResponse(
        approval_id=run.close_id,
        as_of=to_timestamp(run.as_of_us),
        catalog_revision=run.catalog_revision,
        issued_invoice_count=len(done.issued),
        issued_totals=[total_message(*each) for each in invoice_totals(done.issued).items()],
        held_invoice_count=done.held_count,
        open_customer_count=done.open_customer_count,
        unrateable_customers=open_customer_messages(done.unrateable, done.inconsistent),
        next_page_token=sealed(_approving(run.close_id, selection), done.next_row) if done.next_row else "",
    )
    room = ANSWER_BYTES_MAX - response.ByteSize()
    response.issued.extend(fitting((invoice_message(each, now_us) for each in done.issued), room))
    return response
