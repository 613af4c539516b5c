"""IssueThresholdInvoices: usage and fees in advance of running periods billed on demand, some customers a call."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Final

from engine.api.messages import ANSWER_BYTES_MAX, fitting, open_customer_messages
from engine.api.mistakes import raise_all, stored_text_mistakes
from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened, question_digest, sealed
from engine.api.services.invoices.invoice_messages import invoice_message, total_message
from engine.billing.closing.closer import SUBSCRIPTIONS_AT_ONCE
from engine.billing.closing.invoice import Close, invoice_totals
from engine.billing.running_periods.part_biller import PartBiller, PartsBilled, WantedParts
from engine.catalog.limits import ID_BYTES_MAX
from engine.cluster.locks import Hold
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import to_timestamp
from meterline.v1 import invoices_pb2 as pb

_UNRATEABLE_MAX: Final = 1_000


class ThresholdService:
    """Bills what has come to a threshold, or what is asked for."""

    def __init__(
        self,
        biller: PartBiller,
        turn: Callable[[], contextlib.AbstractContextManager[Hold]],
        now_us: Callable[[], int],
    ) -> None:
        """`turn`: while a step runs, no backup, erasure or close is at work."""
        self._biller = biller
        self._turn = turn
        self._now_us = now_us

    def issue_threshold_invoices(
        self, request: pb.IssueThresholdInvoicesRequest, call: Call
    ) -> pb.IssueThresholdInvoicesResponse:
        size = checked_size(request.page_size, SUBSCRIPTIONS_AT_ONCE, SUBSCRIPTIONS_AT_ONCE)
        if request.customer_id:
            raise_all(stored_text_mistakes("customer_id", request.customer_id, ID_BYTES_MAX))
        elif request.regardless:
            raise InvalidRequestError(
                FieldMistake("regardless", "goes with a customer_id: name whose usage is to be billed")
            )
        run, row, listing = (
            self._biller.begin(call.tenant, call.caller.credential),
            0,
            question_digest(request),
        )
        if request.page_token:
            as_of_us, revision, row = map(int, opened(request.page_token, listing, int, int, int))
            run = replace(
                run, from_us=as_of_us, before_us=as_of_us, as_of_us=as_of_us, catalog_revision=revision
            )
        wanted = WantedParts(request.customer_id, request.regardless)
        with self._turn():
            done = self._biller.step(run, wanted, row, size)
        return self._answer(run, done, listing)

    def _answer(self, run: Close, done: PartsBilled, listing: str) -> pb.IssueThresholdInvoicesResponse:
        token = ""
        if done.next_row:
            token = sealed(listing, run.as_of_us, run.catalog_revision, done.next_row)
        response = pb.IssueThresholdInvoicesResponse(
            as_of=to_timestamp(run.as_of_us),
            catalog_revision=run.catalog_revision,
            issued_invoice_count=len(done.issued),
            issued_totals=[total_message(*each) for each in invoice_totals(done.issued).items()],
            unrateable_customers=open_customer_messages(
                done.unrateable[:_UNRATEABLE_MAX],
                dict(islice(done.inconsistent.items(), _UNRATEABLE_MAX)),
            ),
            next_page_token=token,
        )
        room, now_us = ANSWER_BYTES_MAX - response.ByteSize(), self._now_us()
        response.issued.extend(fitting((invoice_message(each, now_us) for each in done.issued), room))
        return response
