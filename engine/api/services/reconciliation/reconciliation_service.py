"""ReconciliationService: closed periods worked out a second time, some customers a call."""

from collections.abc import Callable, Iterator

from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened, question_digest, sealed
from engine.api.services.turns import Turns
from engine.billing.accounts.document_numbers import invoice_number
from engine.billing.reconciliation.billing_reconciliation import CUSTOMERS_AT_ONCE, BillingReconciliation
from engine.billing.reconciliation.findings import BookedDifference, Check, Findings
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import optional_us, to_timestamp
from meterline.v1 import reconciliation_pb2 as pb


class ReconciliationService:
    """Judges invoices; writes nothing."""

    def __init__(
        self, reconciliation: BillingReconciliation, watermark_us: Callable[[], int], turns: Turns
    ) -> None:
        """`watermark_us`: up to when all that is ingested is stored."""
        self._reconciliation = reconciliation
        self._watermark_us = watermark_us
        self._turns = turns

    def reconcile_billing(
        self, request: pb.ReconcileBillingRequest, call: Call
    ) -> pb.ReconcileBillingResponse:
        size = checked_size(request.page_size, CUSTOMERS_AT_ONCE, CUSTOMERS_AT_ONCE)
        from_us, until_us = _span(request)
        listing = question_digest(request)
        as_of_us, after = 0, ""
        if request.page_token:
            of_token, customer = opened(request.page_token, listing, int, str)
            as_of_us, after = int(of_token), str(customer)
        with self._turns.turn(call.tenant):
            as_of_us = as_of_us or self._watermark_us()
            found = self._reconciliation.step(call.tenant, from_us, until_us, as_of_us, after, size)
        findings = found.findings
        following = found.next_customer
        return pb.ReconcileBillingResponse(
            checks=_checks(findings),
            differences=map(_message, findings.differences),
            difference_count=findings.difference_count,
            late_event_count=findings.late_event_count,
            late_customer_count=findings.late_customer_count,
            customer_count=found.customer_count,
            as_of=to_timestamp(as_of_us),
            next_page_token=sealed(listing, as_of_us, following) if following else "",
        )


def _span(request: pb.ReconcileBillingRequest) -> tuple[int, int]:
    """Raises InvalidRequestError."""
    after_us, until_us = (optional_us(request, name) for name in ("period_end_after", "period_end_until"))
    if after_us is None or until_us is None or until_us <= after_us:
        raise InvalidRequestError(
            FieldMistake(
                "period_end_until",
                "must be after period_end_after: the two say together when billing periods end",
            )
        )
    return after_us, until_us


def _checks(findings: Findings) -> Iterator[pb.ReconciliationCheck]:
    for check in Check:
        left = sorted(
            ((reason, count) for (of, reason), count in findings.not_judged.items() if of is check),
            key=lambda each: (-each[1], each[0]),
        )
        yield pb.ReconciliationCheck(
            check=check,
            judged_count=findings.judged[check],
            not_judged=[pb.NotJudged(reason=reason, count=count) for reason, count in left],
        )


def _message(of: BookedDifference) -> pb.BillingDifference:
    return pb.BillingDifference(
        kind=of.kind,
        customer_id=of.customer_id,
        invoice_id=of.invoice_id,
        invoice_number=invoice_number(of.invoice_number) if of.invoice_number else "",
        line_number=of.line_number,
        what=of.what,
        expected=of.expected,
        found=of.found,
    )
