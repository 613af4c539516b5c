"""ExplanationService: one line explained, a draft or the line of an invoice."""

import re
from typing import Final

from engine.api.mistakes import raise_all, text_mistakes
from engine.api.operation import Call
from engine.api.services.explanations.explanation_messages import explanation_message, replay_message
from engine.billing.accounts.document_numbers import read_invoice_number
from engine.billing.closing.invoice import Invoice
from engine.billing.closing.invoice_store import InvoiceStore
from engine.billing.explaining.explainer import Explainer
from engine.billing.explaining.replay import replayed
from engine.billing.rater import Rater
from engine.catalog.limits import ID_BYTES_MAX
from engine.errors import FieldMistake, InvalidRequestError, NotFoundError
from engine.times import optional_us
from meterline.v1.explanations_pb2 import ExplainLineItemRequest, ExplainLineItemResponse

_LINE_ITEM_ID: Final = re.compile("[0-9a-f]{32}")
_OF_DRAFTS: Final = ("at", "as_of")


class ExplanationService:
    """Explains on demand; changes nothing."""

    def __init__(
        self, explainer: Explainer, from_events: Explainer, invoices: InvoiceStore, rater: Rater
    ) -> None:
        """`from_events`: rates from events alone, for replays."""
        self._explainer = explainer
        self._from_events = from_events
        self._invoices = invoices
        self._rater = rater

    def explain_line_item(self, request: ExplainLineItemRequest, call: Call) -> ExplainLineItemResponse:
        _check(request)
        if request.invoice_number:
            return self._of_invoice(request, self._named(request, call))
        snapshot = self._rater.snapshot(
            call.tenant,
            optional_us(request, "at"),
            optional_us(request, "as_of"),
            request.catalog_revision or None,
        )
        found = self._explainer.draft(snapshot, request.line_item_id, request.customer_id)
        return explanation_message(found, {})

    def _of_invoice(self, request: ExplainLineItemRequest, invoice: Invoice) -> ExplainLineItemResponse:
        booked = self._explainer.row_of_invoice(invoice, request.line_number, request.line_item_id)
        found = self._explainer.of_invoice(booked)
        corrected = filter(None, [booked.row["corrects_invoice_id"]])
        message = explanation_message(found, self._invoices.numbers(invoice.tenant, corrected))
        if request.replay:
            message.replay.CopyFrom(replay_message(replayed(self._from_events, booked)))
        return message

    def _named(self, request: ExplainLineItemRequest, call: Call) -> Invoice:
        """Raises NotFoundError: also for an invoice of another customer than is asked for."""
        number = read_invoice_number(request.invoice_number)
        if number is None:
            raise InvalidRequestError(FieldMistake("invoice_number", "is not a number such as INV-000042"))
        found = self._invoices.invoice(call.tenant, number=number)
        if request.customer_id and found.key.customer_id != request.customer_id:
            raise NotFoundError(f"there is no invoice {request.invoice_number}")
        return found


def _check(request: ExplainLineItemRequest) -> None:
    """Raises InvalidRequestError: names the fields."""
    if request.customer_id:
        raise_all(text_mistakes("customer_id", request.customer_id, ID_BYTES_MAX))
    if request.line_item_id and not _LINE_ITEM_ID.fullmatch(request.line_item_id):
        raise InvalidRequestError(FieldMistake("line_item_id", "is not an id: 32 hexadecimal digits"))
    if not request.invoice_number:
        if not request.line_item_id or request.line_number:
            raise InvalidRequestError(
                FieldMistake(
                    "line_item_id",
                    "names a draft line; the line of an invoice has an invoice_number and a line_number, or an id",
                )
            )
        if request.replay:
            raise InvalidRequestError(
                FieldMistake("replay", "is for lines of invoices: a draft is computed from what is stored")
            )
        return
    given = [name for name in _OF_DRAFTS if request.HasField(name)]
    given += ["catalog_revision"] if request.catalog_revision else []
    if given:
        raise InvalidRequestError(
            FieldMistake(given[0], "is for drafts: an invoice has a watermark and a revision of its own")
        )
    if bool(request.line_number) == bool(request.line_item_id):
        raise InvalidRequestError(
            FieldMistake(
                "line_number", "names the line of an invoice, or line_item_id does: give one of them"
            )
        )
