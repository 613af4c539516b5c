"""Who spends most in a billing period, and what all come to. Every amount is one of ListSpend's.

All customers are rated for it, which takes seconds where there are many: it is a page of its own.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from engine.api.pages.operator.look import Look, Row, customer_address
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import datetime_us, to_timestamp
from meterline.v1.spend_pb2 import ListSpendRequest, ListSpendResponse, Spend

_TOP_MAX: Final = 20


async def read_top_spend(look: Look) -> Row:
    """What the template shows. Raises Refusal, and InvalidRequestError for a date that is none."""
    asked = ListSpendRequest(at=at_of(look), limit=_TOP_MAX)
    found = await look.ask("SpendService.ListSpend", asked, ListSpendResponse)
    return {
        "at": look.given("at"),
        "as_of": look.instant(found.as_of),
        "revision": str(found.catalog_revision),
        "totals": [spend_row(each, look) for each in found.totals],
        "top": [spend_row(each, look) for each in found.spends],
        "unrateable": [
            {"customer": each.customer_id, "address": customer_address(each.customer_id)}
            for each in found.unrateable_customers
        ],
    }


def at_of(look: Look) -> Timestamp | None:
    """Another billing period than the current ones: that of a day. Raises InvalidRequestError."""
    text = look.given("at")
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return to_timestamp(datetime_us(day + timedelta(hours=12)))
    except (ValueError, OverflowError):
        raise InvalidRequestError(FieldMistake("at", "is no date such as 2026-11-30")) from None


def spend_row(spend: Spend, look: Look) -> Row:
    words = look.words
    return {
        "customer": spend.customer_id,
        "address": customer_address(spend.customer_id),
        "currency": spend.currency,
        "amount": words.money(spend.amount, spend.currency),
        "due": words.money(spend.settled.due or "0", spend.currency),
        "lines": words.plain.number(Decimal(spend.line_item_count)),
        "events": words.plain.number(Decimal(spend.event_count)),
        "is_incomplete": spend.incomplete,
    }
