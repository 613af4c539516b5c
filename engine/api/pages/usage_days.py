"""Usage by day, or of long periods by week, of the meters of a customer's lines: tables, which the script draws."""

from asyncio import timeout
from decimal import Decimal
from typing import Any, Final, cast

from google.protobuf.timestamp_pb2 import Timestamp

from engine.api.pages.asking import Ask, Refusal
from engine.api.pages.figures import period_of
from engine.api.pages.page_words import PageWords
from engine.billing.documents.catalog_names import CatalogNames
from engine.billing.documents.document_parts import Span
from engine.time_zones import time_zone
from engine.times import to_timestamp, us_datetime
from meterline.v1.metering_pb2 import QueryUsageRequest, QueryUsageResponse, UsageGrouping, UsageWindow
from meterline.v1.spend_pb2 import GetSpendResponse

Shown = dict[str, Any]
# Each is a query of some milliseconds.
METERS_MAX: Final = 4
# A page that waits longer for its charts is worse than one without.
_TIMEOUT_S: Final = 5
_DAYS_MAX: Final = 100
_DAY_US: Final = 86_400_000_000
_ROWS_MAX: Final = 1_000


async def read_usage(
    ask: Ask, spend: GetSpendResponse, names: CatalogNames, words: PageWords
) -> list[Shown] | None:
    """The tables of the billing period's meters. None where it can't be read now, or not soon: the page stands without."""
    span = period_of(spend)
    if span is None:
        return []
    found = []
    try:
        async with timeout(_TIMEOUT_S):
            for question in usage_questions(spend, span, names):
                answer = cast("QueryUsageResponse", await ask("MeteringService.QueryUsage", question))
                found.append(shown_usage(question, answer, names, words))
    except (Refusal, TimeoutError):
        return None
    return found


def usage_questions(spend: GetSpendResponse, span: Span, names: CatalogNames) -> list[QueryUsageRequest]:
    """One for each of the first meters, in the order of their lines."""
    zones: dict[str, str] = {}
    for line in spend.line_items:
        if line.meter_id:
            zones.setdefault(line.meter_id, names.zone_of(line.subscription_id))
    window = UsageWindow.USAGE_WINDOW_DAY if _is_by_day(span) else UsageWindow.USAGE_WINDOW_WEEK
    return [
        QueryUsageRequest(
            meter_id=meter_id,
            period_start=to_timestamp(span.start_us),
            period_end=to_timestamp(span.end_us),
            window=window,
            time_zone=zone,
            group_by=UsageGrouping(customer=True),
            customer_ids=[spend.spends[0].customer_id],
            as_of=spend.as_of,
            page_size=_ROWS_MAX,
        )
        for meter_id, zone in list(zones.items())[:METERS_MAX]
    ]


def shown_usage(
    question: QueryUsageRequest, answer: QueryUsageResponse, names: CatalogNames, words: PageWords
) -> Shown:
    """A table of days with usage, the first in front."""
    rows = [
        {
            "day": words.plain.short_day(each.window_start.ToMicroseconds(), question.time_zone),
            "date": _iso_day(each.window_start, question.time_zone),
            "quantity": words.plain.number(Decimal(each.quantity)),
            "value": each.quantity,
        }
        for each in answer.rows
    ]
    return {
        "meter": question.meter_id,
        "unit": names.unit(question.meter_id),
        "is_by_day": question.window == UsageWindow.USAGE_WINDOW_DAY,
        "start": _iso_day(question.period_start, question.time_zone),
        "end": _iso_day(question.period_end, question.time_zone),
        "rows": rows,
    }


def _is_by_day(span: Span) -> bool:
    return span.end_us - span.start_us <= _DAYS_MAX * _DAY_US


def _iso_day(at: Timestamp, zone: str) -> str:
    """As "2026-11-30", for the script."""
    return us_datetime(at.ToMicroseconds()).astimezone(time_zone(zone)).date().isoformat()
