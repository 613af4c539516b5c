"""The first page: recorded and refused usage, webhooks, alerts, closing.

Rules:
1. Each part is a bounded read, whatever the number of customers: usage from rollups, logs and lists by their newest entries.
2. How many events there are is counted by meter, by their own time; one that no meter counts is in no number.
"""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from engine.api.pages.operator.look import Look, PagePart, Row, customer_address, part_of
from engine.times import datetime_us, to_timestamp, us_datetime
from meterline.v1.alerts_pb2 import ListAlertCrossingsRequest, ListAlertCrossingsResponse
from meterline.v1.billing_settings_pb2 import (
    CLOSING_MODE_AUTOMATIC,
    GetBillingSettingsRequest,
    GetBillingSettingsResponse,
)
from meterline.v1.events_pb2 import ListProblemsRequest, ListProblemsResponse
from meterline.v1.invoices_pb2 import Invoice, InvoiceState, ListInvoicesRequest, ListInvoicesResponse
from meterline.v1.metering_pb2 import QueryUsageRequest, QueryUsageResponse, UsageGrouping, UsageWindow
from meterline.v1.resources_pb2 import ListResourcesRequest, ListResourcesResponse
from meterline.v1.usage_pb2 import ProblemReason, Verdict
from meterline.v1.webhooks_pb2 import (
    WEBHOOK_DELIVERY_STATE_DEAD,
    WEBHOOK_DELIVERY_STATE_PENDING,
    WEBHOOK_ENDPOINT_STATE_DISABLED,
    ListWebhookDeliveriesRequest,
    ListWebhookDeliveriesResponse,
    ListWebhookEndpointsRequest,
    ListWebhookEndpointsResponse,
    WebhookEndpoint,
)

# Each is a query of some milliseconds.
METERS_MAX: Final = 8
DAYS: Final = 7
_DAY: Final = timedelta(days=1)
_ROWS_MAX: Final = 10
# Of an endpoint; where there are more the page says so.
DELIVERIES_MAX: Final = 100
_REASONS: Final = {
    ProblemReason.PROBLEM_REASON_MISSING: "a required field is empty",
    ProblemReason.PROBLEM_REASON_TOO_LONG: "longer, or more of them, than the limit",
    ProblemReason.PROBLEM_REASON_UNKNOWN_EVENT_TYPE: "no meter reads this event type",
    ProblemReason.PROBLEM_REASON_TOO_OLD: "too late: before the window for past events",
    ProblemReason.PROBLEM_REASON_IN_FUTURE: "after the window for future events",
    ProblemReason.PROBLEM_REASON_NOT_DECIMAL: "a quantity that is no decimal number within the limits",
    ProblemReason.PROBLEM_REASON_OUT_OF_RANGE: "NaN, an infinity, or a time out of the calendar",
    ProblemReason.PROBLEM_REASON_ID_REUSED: "conflict: the id was used for other content",
    ProblemReason.PROBLEM_REASON_MALFORMED: "an element of a batch that is no CloudEvent",
}


async def read_overview(look: Look) -> Row:
    """What the template shows."""
    problems = await look.part(
        "EventService.ListProblems", ListProblemsRequest(page_size=_ROWS_MAX), ListProblemsResponse
    )
    alerts = await look.part(
        "AlertService.ListAlertCrossings",
        ListAlertCrossingsRequest(reached_only=True, page_size=_ROWS_MAX),
        ListAlertCrossingsResponse,
    )
    settings = await look.part(
        "BillingSettingsService.GetBillingSettings", GetBillingSettingsRequest(), GetBillingSettingsResponse
    )
    invoices = await look.part(
        "InvoiceService.ListInvoices", ListInvoicesRequest(page_size=_ROWS_MAX), ListInvoicesResponse
    )
    return {
        "meters": await _meters(look),
        "problems": part_of(problems, lambda answer: _problems(answer, look)),
        "webhooks": await _webhooks(look),
        "alerts": part_of(alerts, lambda answer: alert_rows(answer, look)),
        "closing": part_of(settings, lambda answer: _closing(answer, look)),
        "invoices": part_of(invoices, lambda answer: invoice_rows(answer.invoices, look)),
    }


async def _meters(look: Look) -> Row:
    """How many events each of the first meters has counted, by day."""
    listed = await look.part(
        "ResourceService.ListResources",
        ListResourcesRequest(kind="meter", page_size=METERS_MAX + 1),
        ListResourcesResponse,
    )
    if listed.answer is None:
        return {"refused": listed.refused, "shown": None}
    today = us_datetime(look.now_us).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = []
    for meter in listed.answer.resources[:METERS_MAX]:
        usage = await look.part(
            "MeteringService.QueryUsage",
            QueryUsageRequest(
                meter_id=meter.id,
                period_start=to_timestamp(datetime_us(today - (DAYS - 1) * _DAY)),
                period_end=to_timestamp(datetime_us(today + _DAY)),
                window=UsageWindow.USAGE_WINDOW_DAY,
                group_by=UsageGrouping(),
            ),
            QueryUsageResponse,
        )
        event_type = json.loads(meter.definition)["event_type"]
        rows.append({"meter": meter.id, "event_type": event_type, **_counts(usage, datetime_us(today), look)})
    return {
        "refused": "",
        "shown": {"rows": rows, "has_more": len(listed.answer.resources) > METERS_MAX},
    }


def _counts(usage: PagePart[QueryUsageResponse], today_us: int, look: Look) -> Row:
    if usage.answer is None:
        return {"refused": usage.refused, "today": "", "week": "", "unreadable": ""}
    rows = usage.answer.rows
    today = [each for each in rows if each.window_start.ToMicroseconds() == today_us]
    return {
        "refused": "",
        "today": count_text(sum(each.event_count for each in today), look),
        "week": count_text(sum(each.event_count for each in rows), look),
        "unreadable": count_text(
            sum(each.unreadable_event_count + each.missing_value_event_count for each in rows), look
        ),
    }


def _problems(answer: ListProblemsResponse, look: Look) -> Row:
    return {
        "counts": [
            {
                "reason": reason_text(each.reason),
                "count": count_text(each.problem_count, look),
                "logged": count_text(each.logged_count, look),
            }
            for each in answer.counts
        ],
        "newest": [
            {
                "at": look.instant(each.received_at),
                "verdict": Verdict.Name(each.verdict).removeprefix("VERDICT_").lower(),
                "reason": reason_text(each.reason),
                "field": each.field,
                "event_id": each.event_id,
                "customer_id": each.customer_id,
                "credential": each.credential,
            }
            for each in answer.problems
        ],
    }


def reason_text(reason: Any) -> str:  # noqa: ANN401 - a ProblemReason
    """In words; of one that this page doesn't know its name."""
    return _REASONS.get(reason) or ProblemReason.Name(reason).removeprefix("PROBLEM_REASON_").lower()


async def _webhooks(look: Look) -> Row:
    listed = await look.part(
        "WebhookService.ListWebhookEndpoints", ListWebhookEndpointsRequest(), ListWebhookEndpointsResponse
    )
    if listed.answer is None:
        return {"refused": listed.refused, "shown": None}
    return {"refused": "", "shown": [await _endpoint(each, look) for each in listed.answer.endpoints]}


async def _endpoint(endpoint: WebhookEndpoint, look: Look) -> Row:
    is_disabled = endpoint.state == WEBHOOK_ENDPOINT_STATE_DISABLED
    return {
        "id": endpoint.endpoint_id,
        "url": endpoint.url,
        "is_bad": is_disabled or endpoint.HasField("failing_since"),
        "state": f"disabled: {endpoint.disabled_reason or 'by hand'}"
        if is_disabled
        else f"failing since {look.instant(endpoint.failing_since)}"
        if endpoint.HasField("failing_since")
        else "active",
        "pending": await _delivery_count(endpoint, WEBHOOK_DELIVERY_STATE_PENDING, look),
        "dead": await _delivery_count(endpoint, WEBHOOK_DELIVERY_STATE_DEAD, look),
    }


async def _delivery_count(endpoint: WebhookEndpoint, state: Any, look: Look) -> str:  # noqa: ANN401 - a WebhookDeliveryState
    found = await look.part(
        "WebhookService.ListWebhookDeliveries",
        ListWebhookDeliveriesRequest(endpoint_id=endpoint.endpoint_id, state=state, page_size=DELIVERIES_MAX),
        ListWebhookDeliveriesResponse,
    )
    if found.answer is None:
        return found.refused
    more = " or more" if found.answer.next_page_token else ""
    return f"{count_text(len(found.answer.deliveries), look)}{more}"


def alert_rows(answer: ListAlertCrossingsResponse, look: Look) -> list[Row]:
    """The newest in front, as they came."""
    return [
        {
            "alert": each.alert_id,
            "customer": each.customer_id,
            "address": customer_address(each.customer_id),
            "measure": each.measure,
            "threshold": each.threshold,
            "value": look.words.money(each.value, each.currency)
            if each.currency
            else look.words.plain.number(Decimal(each.value or 0)),
            "at": look.instant(each.reached_at),
            "recovered": look.instant(each.recovered_at) if each.HasField("recovered_at") else "",
        }
        for each in answer.alert_crossings
    ]


def _closing(answer: GetBillingSettingsResponse, look: Look) -> Row:
    settings = answer.settings
    return {
        "mode": "automatic" if settings.closing_mode == CLOSING_MODE_AUTOMATIC else "manual",
        "grace": count_text(settings.grace_s, look),
        "closed_until": look.instant(settings.closed_until) if settings.HasField("closed_until") else "",
        "open": count_text(settings.open_customer_count, look) if settings.open_customer_count else "",
        "open_since": look.instant(settings.open_since) if settings.HasField("open_since") else "",
    }


def invoice_rows(invoices: Any, look: Look) -> list[Row]:  # noqa: ANN401 - a message's invoices
    """The newest in front, as they came."""
    return [_invoice(each, look) for each in invoices]


def _invoice(invoice: Invoice, look: Look) -> Row:
    words = look.words
    return {
        "number": invoice.number,
        "customer": invoice.customer_id,
        "address": customer_address(invoice.customer_id),
        "period_end": look.instant(invoice.period_end),
        "issued": look.instant(invoice.issued_at),
        "state": InvoiceState.Name(invoice.state).removeprefix("INVOICE_STATE_").lower().replace("_", " "),
        "is_overdue": invoice.state == InvoiceState.INVOICE_STATE_OVERDUE,
        "due": words.money(invoice.amounts.due, invoice.currency),
        "outstanding": words.money(invoice.figures.outstanding or "0", invoice.currency),
    }


def count_text(number: int, look: Look) -> str:
    return look.words.plain.number(Decimal(number))
