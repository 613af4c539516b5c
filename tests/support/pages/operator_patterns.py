"""Every element and state of the operator's page, as its own code makes them of answers that are written here."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.requests import Request

from engine.access.caller import Caller, Scope
from engine.api.pages.asking import Refusal
from engine.api.pages.operator.operator_pages import OperatorPages
from engine.api.status import http_status_of
from engine.errors import PermissionDeniedError, StoreUnavailableError, UnauthenticatedError
from meterline.v1 import alerts_pb2 as alerts
from meterline.v1 import billing_settings_pb2 as settings
from meterline.v1 import customers_pb2 as customers
from meterline.v1 import events_pb2 as events
from meterline.v1 import receivables_pb2 as receivables
from meterline.v1 import reconciliation_pb2 as reconciliation
from meterline.v1 import resources_pb2 as resources
from meterline.v1 import subscriptions_pb2 as subscriptions
from meterline.v1 import webhooks_pb2 as webhooks
from meterline.v1.invoices_pb2 import ListInvoicesResponse
from meterline.v1.metering_pb2 import QueryUsageResponse
from meterline.v1.spend_pb2 import GetSpendResponse, ListSpendResponse, Spend, SpendGroup
from meterline.v1.usage_pb2 import ProblemReason, Verdict
from tests.support.pages.patterns import INVOICES, JULY, JUNE_10, SETTLED, SPEND

# 2025-06-10, 12:00.
NOW_US = 1_749_556_800_000_000
TODAY = Timestamp(seconds=1_749_513_600)
METERS = resources.ListResourcesResponse(
    resources=[
        {"kind": "meter", "id": f"meter-{number}", "definition": '{"id": "x", "event_type": "call.of.some.kind"}'}
        for number in range(9)
    ]
)  # fmt: skip
PROBLEMS = events.ListProblemsResponse(
    problems=[
        events.LoggedProblem(
            received_at=JUNE_10, verdict=Verdict.VERDICT_REJECTED, reason=ProblemReason.PROBLEM_REASON_TOO_OLD,
            field="event_time", event_id="an-event-with-a-name-that-is-rather-long", customer_id="acme",
            credential="key:0a0b0c0d0e0f",
        )
    ],
    counts=[
        events.ProblemCount(reason=each, problem_count=70_000, logged_count=500)
        for each in ProblemReason.values()
        if each
    ],
)  # fmt: skip
ENDPOINTS = webhooks.ListWebhookEndpointsResponse(
    endpoints=[
        {"endpoint_id": "we_1", "url": "https://hooks.example.com/a/long/path/to/it", "state": "WEBHOOK_ENDPOINT_STATE_ACTIVE"},
        {"endpoint_id": "we_2", "url": "https://b.example.com", "state": "WEBHOOK_ENDPOINT_STATE_ACTIVE", "failing_since": JUNE_10},
        {"endpoint_id": "we_3", "url": "https://c.example.com", "state": "WEBHOOK_ENDPOINT_STATE_DISABLED", "disabled_reason": "it answered 410"},
    ]
)  # fmt: skip
ALERTS = alerts.ListAlertCrossingsResponse(
    alert_crossings=[
        {"alert_id": "less", "customer_id": "acme", "measure": "credit_balance", "threshold": "5", "reached_at": JUNE_10, "recovered_at": JULY},
        {"alert_id": "many", "customer_id": "acme", "measure": "usage", "threshold": "400", "value": "500", "reached_at": JUNE_10},
        {"alert_id": "much", "customer_id": "bolt", "measure": "spend", "threshold": "80", "value": "41.50", "currency": "EUR", "reached_at": JUNE_10},
    ]
)  # fmt: skip
CLOSING = settings.GetBillingSettingsResponse(
    settings={
        "closing_mode": "CLOSING_MODE_AUTOMATIC", "grace_s": 3600, "closed_until": JULY, "open_customer_count": 2,
        "open_since": JUNE_10,
    }
)  # fmt: skip
TOP = ListSpendResponse(
    spends=[
        Spend(customer_id=each, currency="EUR", amount="1048.00", line_item_count=13, event_count=70_000, settled=SETTLED, incomplete=each == "bolt")
        for each in ("acme", "bolt", "a-customer-with-quite-a-long-name-of-its-own")
    ],
    totals=[Spend(currency="EUR", amount="3144.00", line_item_count=39, event_count=210_000, settled=SETTLED, incomplete=True)],
    as_of=JUNE_10,
    unrateable_customers=[{"customer_id": "bolt", "message": "no cell"}],
)  # fmt: skip
GROUPED = ListSpendResponse(
    totals=TOP.totals, as_of=JUNE_10, group_count=9_000,
    groups=[
        SpendGroup(plan_id="pro", price_id=f"fee-{number}", currency="EUR", amount="20.00", incomplete=True)
        for number in range(101)
    ],
)  # fmt: skip
MOVED = (
    ListSpendResponse(
        spends=[
            *(Spend(customer_id=each, currency="EUR", amount="1048.00") for each in ("acme", "bolt", "gone")),
            *(Spend(customer_id=f"c-{number}", currency="USD", amount="1.00") for number in range(1_000)),
        ]
    ),
    ListSpendResponse(
        spends=[Spend(customer_id=each, currency="EUR", amount=amount) for each, amount in (("acme", "2000.00"), ("bolt", "48.00"), ("new", "7.00"))],
        as_of=JUNE_10,
    ),
)  # fmt: skip
PLANS = resources.ListResourcesResponse(
    resources=[
        {"kind": "plan", "id": "pro", "definition": json.dumps({"prices": [{"id": f"fee-{number}"} for number in range(101)]})}
    ]
)  # fmt: skip
CUSTOMER = customers.GetCustomerResponse(
    customer={"id": "acme", "name": "Acme <b>Robotics</b>", "parent_id": "holding", "aliases": ["a", "b"], "archived": True}
)  # fmt: skip
FOUND = customers.ListCustomersResponse(
    customers=[
        {"id": f"customer-{number:06}", "name": "A Company of Some <b>Name</b>", "parent_id": "holding" if number else ""}
        for number in range(50)
    ],
    next_page_token="more",
)  # fmt: skip
SUBSCRIPTIONS = subscriptions.ListSubscriptionsResponse(
    subscriptions=[
        {"id": "acme:pro", "plan_id": "pro", "start": JUNE_10},
        {"id": "acme:old", "plan_id": "old", "start": JUNE_10, "end": JULY, "archived": True},
    ],
    next_page_token="more",
)
ACCOUNT = receivables.GetAccountResponse(
    account={
        "customer_id": "acme", "currency": "EUR", "balance": "90.00", "outstanding": "100.00", "overdue": "40.00",
        "unused": "10.00", "written_off": "5.00",
    }
)  # fmt: skip
PAYMENTS = receivables.ListPaymentsResponse(
    payments=[
        {"payment_id": "ch_1", "state": "PAYMENT_STATE_SUCCEEDED", "currency": "EUR", "amount": "60.00", "received_at": JUNE_10,
         "applied": [{"invoice": "INV-000001", "amount": "16.00"}, {"invoice": "INV-000002", "amount": "44.00"}]},
        {"payment_id": "ch_2", "state": "PAYMENT_STATE_FAILED", "currency": "EUR", "amount": "60.00", "received_at": JUNE_10,
         "failure_reason": "insufficient funds"},
    ]
)  # fmt: skip
EVENTS = events.ListEventsResponse(
    events=[
        {"event_id": "e1", "event_type": "call", "event_time": JUNE_10, "ingested_at": JULY},
        {"event_id": "e2", "event_type": "call", "event_time": JUNE_10, "ingested_at": JUNE_10, "voided": {"correction_id": "fix-1"}},
        {"event_id": "e3", "event_type": "call", "event_time": JULY, "ingested_at": JUNE_10, "voided": {}},
    ],
    next_page_token="more",
)  # fmt: skip
VERSIONS = resources.ListResourceVersionsResponse(
    versions=[{"revision": 3, "changed_at": JUNE_10, "changed_by": "key:0a0b0c0d0e0f"}, {"revision": 1, "changed_at": JUNE_10}]
)  # fmt: skip
RECONCILED = reconciliation.ReconcileBillingResponse(
    checks=[
        {"check": "lines", "judged_count": 7_000, "not_judged": [{"reason": "a part of a billing period", "count": 2}]},
        {"check": "taxes", "judged_count": 12},
    ],
    differences=[
        {"kind": "amount", "customer_id": "acme", "invoice_number": "INV-000001", "what": "generated", "expected": "12.00", "found": "11.00"},
        {"kind": "number_gap", "what": "INV-000009", "expected": "1", "found": "0"},
    ],
    difference_count=2, late_event_count=3, late_customer_count=1, customer_count=100, as_of=JULY, next_page_token="more",
)  # fmt: skip
ANSWERS = {
    "ResourceService.ListResources": METERS,
    "MeteringService.QueryUsage": QueryUsageResponse(
        rows=[{"window_start": TODAY, "event_count": 12_345, "unreadable_event_count": 3}]
    ),
    "EventService.ListProblems": PROBLEMS,
    "WebhookService.ListWebhookEndpoints": ENDPOINTS,
    "WebhookService.ListWebhookDeliveries": webhooks.ListWebhookDeliveriesResponse(
        deliveries=[{"number": 1}, {"number": 2}], next_page_token="more"
    ),
    "AlertService.ListAlertCrossings": ALERTS,
    "BillingSettingsService.GetBillingSettings": CLOSING,
    "InvoiceService.ListInvoices": INVOICES,
    "SpendService.ListSpend": TOP,
    "SpendService.GetSpend": SPEND,
    "CustomerService.GetCustomer": CUSTOMER,
    "CustomerService.ListCustomers": FOUND,
    "SubscriptionService.ListSubscriptions": SUBSCRIPTIONS,
    "ReceivablesService.GetAccount": ACCOUNT,
    "ReceivablesService.ListPayments": PAYMENTS,
    "EventService.ListEvents": EVENTS,
    "ResourceService.ListResourceVersions": VERSIONS,
    "ReconciliationService.ReconcileBilling": RECONCILED,
}
NOTHING = {
    "CustomerService.ListCustomers": customers.ListCustomersResponse(),
    "SubscriptionService.ListSubscriptions": subscriptions.ListSubscriptionsResponse(),
    "ReceivablesService.ListPayments": receivables.ListPaymentsResponse(),
    "EventService.ListEvents": events.ListEventsResponse(),
    "ResourceService.ListResourceVersions": resources.ListResourceVersionsResponse(),
    "ReconciliationService.ReconcileBilling": reconciliation.ReconcileBillingResponse(as_of=JULY),
    "ResourceService.ListResources": resources.ListResourcesResponse(),
    "EventService.ListProblems": events.ListProblemsResponse(),
    "WebhookService.ListWebhookEndpoints": webhooks.ListWebhookEndpointsResponse(),
    "AlertService.ListAlertCrossings": alerts.ListAlertCrossingsResponse(),
    "BillingSettingsService.GetBillingSettings": settings.GetBillingSettingsResponse(),
    "InvoiceService.ListInvoices": ListInvoicesResponse(),
    "SpendService.ListSpend": ListSpendResponse(as_of=JUNE_10),
    "SpendService.GetSpend": GetSpendResponse(as_of=JUNE_10),
}
AWAY = Refusal(http_status_of(StoreUnavailableError("the store does not answer", retry_after_ms=1_000)))
LACKS = Refusal(http_status_of(PermissionDeniedError("the credential lacks the scope 'bill'")))
NOBODY = Refusal(http_status_of(UnauthenticatedError("the credential is not valid", "unknown")))
ALL_AWAY = dict.fromkeys(ANSWERS, AWAY)


@dataclass(frozen=True)
class OperatorPattern:
    """A page: its address below /operator, what is answered instead, and whether a form is sent. `caller`: None: nobody."""

    path: str = ""
    query: str = ""
    answers: dict = field(default_factory=dict)
    is_sent: bool = False
    is_nobody: bool = False


OPERATOR_PATTERNS = {
    "operator overview": OperatorPattern(),
    "operator overview, empty": OperatorPattern(answers=NOTHING),
    "operator overview, unread": OperatorPattern(answers=ALL_AWAY),
    "operator usage, unread": OperatorPattern(answers={"MeteringService.QueryUsage": AWAY, "InvoiceService.ListInvoices": LACKS}),
    "operator spend": OperatorPattern("/spend", "at=2025-06-10"),
    "operator spend, empty": OperatorPattern("/spend", answers=NOTHING),
    "operator customer": OperatorPattern("/customer", "id=acme"),
    "operator customer, empty": OperatorPattern("/customer", "id=acme", NOTHING),
    "operator customer, unread": OperatorPattern("/customer", "id=acme", {**ALL_AWAY, "CustomerService.GetCustomer": CUSTOMER}),
    "operator customer, without money": OperatorPattern("/customer", "id=acme", {"ReceivablesService.GetAccount": LACKS}),
    "operator customers": OperatorPattern("/customers", "q=customer"),
    "operator customers, none": OperatorPattern("/customers", "q=x", NOTHING),
    "operator reconciliation": OperatorPattern("/reconciliation", "month=2025-06"),
    "operator reconciliation, right": OperatorPattern("/reconciliation", "month=2025-06", NOTHING),
    "operator reconciliation, asked": OperatorPattern("/reconciliation"),
    "operator revenue": OperatorPattern("/revenue", "at=2025-06-10", {"SpendService.ListSpend": GROUPED, "ResourceService.ListResources": PLANS}),
    "operator revenue, unread": OperatorPattern("/revenue", answers={"ReceivablesService.ListPayments": LACKS, "ResourceService.ListResources": PLANS}),
    "operator revenue, empty": OperatorPattern("/revenue", answers=NOTHING),
    "operator movers": OperatorPattern("/movers", "at=2025-06-10", {"SpendService.ListSpend": MOVED}),
    "operator movers, empty": OperatorPattern("/movers", answers=NOTHING),
    "operator refused": OperatorPattern("/spend", answers=ALL_AWAY),
    "operator signs in": OperatorPattern(is_nobody=True),
    "operator is refused": OperatorPattern("/sign-in", is_nobody=True, is_sent=True),
}  # fmt: skip


class _Answering:
    """What a page asks of the HTTP face."""

    def __init__(self, pattern):
        self._pattern = pattern

    async def caller(self, shown, carried):
        if self._pattern.is_nobody:
            raise NOBODY
        return Caller("default", "key:0a0b0c0d0e0f", frozenset(Scope))

    async def new_session(self, shown, carried):
        raise NOBODY

    async def ask(self, name, request, shown, carried):
        found = (ANSWERS | self._pattern.answers)[name]
        if isinstance(found, tuple):
            # The first of an earlier billing period, the other of a later one.
            found = found[request.at.seconds >= JUNE_10.seconds]
        if isinstance(found, Exception):
            raise found
        return found

    async def body(self, request, bytes_max):
        return b"key=x&place=/operator"

    async def on_thread(self, work):
        return work()

    async def refused(self, error, carried):
        raise error


def operator_pattern_page(name):
    """Its headers and its HTML."""
    pattern = OPERATOR_PATTERNS[name]
    pages = OperatorPages(_Answering(pattern), lambda: NOW_US)
    path = f"/operator{pattern.path}"
    route = next(each for each in pages.routes() if each.path == path)
    scope = {
        "type": "http",
        "method": "POST" if pattern.is_sent else "GET",
        "scheme": "http",
        "path": path,
        "query_string": pattern.query.encode(),
        "headers": [(b"content-type", b"application/x-www-form-urlencoded")],
        "server": ("x", 80),
    }
    # Playwright has a loop of its own in the test's thread.
    with ThreadPoolExecutor(1) as thread:
        response = thread.submit(lambda: asyncio.run(route.endpoint(Request(scope)))).result(60)
    return dict(response.headers), response.body.decode()
