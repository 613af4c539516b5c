"""Closed periods of a month worked out a second time, some customers a page: what differs, and what came late.

Rules:
1. The engine does it when the page is asked for; a page takes as long as the events of its customers do. Without a month nothing is worked
   out.
"""

from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from engine.api.pages.operator.look import Look, Row, customer_address
from engine.api.pages.operator.overview import count_text
from engine.api.pages.operator.sections import TableCell, section
from engine.api.pages.operator.sign_in import BASE
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import datetime_us, to_timestamp
from meterline.v1.reconciliation_pb2 import ReconcileBillingRequest, ReconcileBillingResponse

_CUSTOMERS_MAX: Final = 100
_DIFFERENCES_MAX: Final = 100
_DECEMBER: Final = 12


async def read_reconciled(look: Look) -> Row:
    """What the template shows. Raises Refusal, and InvalidRequestError for a month that is none."""
    text = look.given("month")
    if not text:
        return {"month": "", "found": None}
    start, end = _month(text)
    asked = ReconcileBillingRequest(
        period_end_after=to_timestamp(datetime_us(start)),
        period_end_until=to_timestamp(datetime_us(end)),
        page_size=_CUSTOMERS_MAX,
        page_token=look.given("page"),
    )
    answer = await look.ask("ReconciliationService.ReconcileBilling", asked, ReconcileBillingResponse)
    return {"month": text, "found": _found(answer, text, look)}


def _month(text: str) -> tuple[datetime, datetime]:
    try:
        start = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
        end = (
            start.replace(year=start.year + 1, month=1)
            if start.month == _DECEMBER
            else start.replace(month=start.month + 1)
        )
    except ValueError:
        raise InvalidRequestError(FieldMistake("month", "is no month such as 2026-11")) from None
    return start, end


def _found(answer: ReconcileBillingResponse, month: str, look: Look) -> Row:
    differences = [
        (
            each.kind,
            TableCell(each.customer_id, customer_address(each.customer_id)) if each.customer_id else "",
            each.invoice_number,
            each.what,
            each.expected,
            each.found,
        )
        for each in answer.differences[:_DIFFERENCES_MAX]
    ]
    checks = [
        (
            each.check,
            count_text(each.judged_count, look),
            count_text(sum(one.count for one in each.not_judged), look),
            ", ".join(one.reason for one in each.not_judged),
        )
        for each in answer.checks
    ]
    following = answer.next_page_token
    return {
        "as_of": look.instant(answer.as_of),
        "customers": count_text(answer.customer_count, look),
        "difference_count": count_text(answer.difference_count, look),
        "is_right": answer.difference_count == 0,
        "late_events": count_text(answer.late_event_count, look),
        "late_customers": count_text(answer.late_customer_count, look),
        "differences": section(
            "differences", "Differences", ("Kind", "Customer", "Invoice", "What", "#Expected", "#Found"),
            differences, empty="Everything that was judged is right.",
        ),
        "checks": section(
            "checks", "What was judged", ("Check", "#Judged", "#Not judged", "Why not"), checks,
            empty="No invoice is of this month.",
        ),
        "next": f"{BASE}/reconciliation?{urlencode({'month': month, 'page': following})}" if following else "",
    }  # fmt: skip
