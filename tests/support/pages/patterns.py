"""Every element and state of the spend page, as the page's own code makes them of answers that are written here.

Each pattern is one page: `everything` has all that can stand beside each other, the others what stands in its place.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.requests import Request

from engine.access.caller import Caller, Scope
from engine.api.pages.asking import Refusal
from engine.api.pages.page_settings import PageSettings
from engine.api.pages.spend_pages import SpendPages
from engine.api.status import http_status_of
from engine.billing.documents.catalog_names import CatalogNames
from engine.catalog.kinds import KINDS
from engine.errors import (
    FieldMistake,
    InvalidRequestError,
    StaleError,
    StoreUnavailableError,
    UnauthenticatedError,
)
from meterline.v1 import alerts_pb2 as alerts
from meterline.v1 import credit_notes_pb2 as credit_notes
from meterline.v1 import entitlements_pb2 as entitlements
from meterline.v1 import invoices_pb2 as invoices
from meterline.v1.billing_pb2 import EventFees, LineItem, TierAmount
from meterline.v1.explanations_pb2 import ExplainLineItemResponse
from meterline.v1.metering_pb2 import QueryUsageResponse
from meterline.v1.spend_pb2 import (
    AppliedCommitment,
    AppliedCredit,
    AppliedDiscount,
    AppliedTax,
    GetSpendResponse,
    SettledAmounts,
    Spend,
)
from tests.support.catalogs import catalog_of

JUNE, JULY, JUNE_10 = (Timestamp(seconds=each) for each in (1_748_736_000, 1_751_328_000, 1_749_513_600))
NEXT_JUNE = Timestamp(seconds=1_780_272_000)
PERIOD = {"period_start": JUNE, "period_end": JULY}
TIERS = [{"up_to": "1000", "unit_amount": "0.01", "flat_amount": "5"}, {"unit_amount": "0.002"}]
CATALOG = {
    "seller": [{"id": "us", "name": "The Seller"}],
    "meter": [
        {"id": "tokens", "event_type": "call", "aggregation": "sum", "value": "tokens", "unit": "tokens"},
        {"id": "calls", "event_type": "call", "aggregation": "count"},
    ],
    "plan": [
        {
            "id": "pro",
            "name": "Pro",
            "currency": "EUR",
            "prices": [
                {"id": name, "meter": "tokens", "model": "graduated", "tiers": TIERS}
                for name in ("low", "high")
            ],
        }
    ],
    "customer": [{"id": "acme", "name": "Acme <b>Robotics</b>"}],
    "subscription": [{"id": "acme:pro", "customer": "acme", "plan": "pro", "start": "2025-01-01T00:00:00Z"}],
}


def _tier(index, quantity, amount):
    tier = {"up_to": "", "flat_amount": "0"} | TIERS[index]
    return TierAmount(index=index, quantity=quantity, amount=amount, **tier)


def _line(number, price_id, **fields):
    own = {
        "line_item_id": f"{number:032x}",
        "price_id": price_id,
        "plan_id": "pro",
        "plan_version": 1,
        "subscription_id": "acme:pro",
        "currency": "EUR",
        "quantity": "0",
        "billable_quantity": "0",
        "service_start": JUNE,
        "service_end": JULY,
        **PERIOD,
    }
    return LineItem(**own | fields)


LINES = [
    _line(1, "fee", model="flat", amount="20.00", service_start=JUNE_10),
    _line(
        2, "low", model="graduated", meter_id="tokens", quantity="400", billable_quantity="400", amount="9.00",
        tiers=[_tier(0, "400", "9.00")], dimensions={"model": "large"},
    ),
    _line(
        3, "high", model="graduated", meter_id="tokens", quantity="1500", billable_quantity="1500", amount="16.00",
        tiers=[_tier(0, "1000", "15.00"), _tier(1, "500", "1.00")],
    ),
    # Of a plan that the catalog has no more.
    _line(
        4, "old", model="volume", plan_id="gone", quantity="12", billable_quantity="12", amount="3.00", block_size="10",
        tiers=[TierAmount(index=1, up_to="20", quantity="12", unit_amount="0.25", flat_amount="0", amount="3.00")],
    ),
    _line(5, "included", model="overage", meter_id="calls", quantity="30", allowance="100", amount="0.00"),
    _line(6, "money", model="percentage", quantity="20.50", free_amount="50.00", amount="0.00"),
    _line(
        7, "payments", model="percentage", quantity="7", amount="0.00",
        event_fees=EventFees(free_event_count=3, free_events=10),
    ),
    _line(8, "unpriced", model="matrix", meter_id="calls", quantity="3"),
    _line(9, "corrected", model="per_unit", meter_id="calls", quantity="-5", amount="0.00", negative_quantity=True),
]  # fmt: skip
SETTLED = SettledAmounts(
    discounts="4.80",
    after_discounts="43.20",
    commitments="56.80",
    credits="30.00",
    included_tax="9.00",
    tax="19.00",
    due="80.00",
)
NOTHING = SettledAmounts(**dict.fromkeys(SettledAmounts.DESCRIPTOR.fields_by_name, "0.00"))
COMMITMENT = {"subscription_id": "acme:pro", "currency": "EUR", "overage": "0", "true_up": "56.80", **PERIOD}
SPEND = GetSpendResponse(
    spends=[
        # Four more lines than are sent.
        Spend(customer_id="acme", currency="EUR", amount="48.00", line_item_count=13, settled=SETTLED),
        Spend(customer_id="acme", currency="USD", amount="0.00", incomplete=True, settled=NOTHING),
    ],
    line_items=LINES,
    credits=[
        AppliedCredit(credit_grant_id="topup", category="paid", currency="EUR", amount="30.00", balance="12.00", expires_at=NEXT_JUNE),
        AppliedCredit(credit_grant_id="welcome", category="promotional", currency="EUR", amount="0.00", balance="5.00"),
    ],
    commitments=[
        AppliedCommitment(
            amount="100.00", spend="43.20", term_start=JUNE, term_end=NEXT_JUNE, drawn="43.20", left="56.80",
            rolled_over="10.00", carried="4.00", **COMMITMENT,
        ),
    ],
    discounts=[AppliedDiscount(coupon_id="spring", currency="EUR", amount="4.80")],
    taxes=[
        AppliedTax(tax_id="vat", percent="19", currency="EUR", amount="10.00"),
        AppliedTax(tax_id="city", percent="2", currency="EUR", amount="9.00", included=True),
        AppliedTax(tax_id="abroad", percent="20", currency="EUR", amount="0.00", reverse_charge=True),
    ],
    as_of=JUNE_10,
)  # fmt: skip


def _limit(feature, enforcement, used, *, reserved="0", reached=False, **of):
    status = entitlements.LimitStatus(
        subscription_id="acme:pro", enforcement=enforcement, limit="100", used=used, reserved=reserved,
        remaining="" if not used else "0" if reached else "40", reached=reached, period_start=JUNE, resets_at=JULY, **of,
    )  # fmt: skip
    return entitlements.FeatureAccess(feature=feature, allowed=not reached, limits=[status])


HARD, SOFT = entitlements.ENFORCEMENT_HARD, entitlements.ENFORCEMENT_SOFT
ACCESS = entitlements.CheckAccessResponse(
    features=[
        _limit("quota", HARD, "60", meter="tokens"),
        _limit("full quota", HARD, "100", meter="calls", reached=True),
        _limit("held quota", SOFT, "40", reserved="20", meter="calls"),
        _limit("budget", SOFT, "120", currency="EUR", reached=True),
        _limit("unknown", HARD, "", currency="EUR", reached=True),
        entitlements.FeatureAccess(feature="sso", allowed=True),
        entitlements.FeatureAccess(feature="support", allowed=True, value="gold"),
        entitlements.FeatureAccess(feature="audit_log"),
        # More than are shown.
        *(entitlements.FeatureAccess(feature=f"feature {number}", allowed=True) for number in range(100)),
    ]
)


def _thresholds(*texts):
    reached = [{"reached": True, "reached_at": JUNE_10}, {"reached": True}, {}]
    return [
        alerts.CustomerThreshold(threshold=text, **state) for text, state in zip(texts, reached, strict=True)
    ]


ALERTS = alerts.ListCustomerAlertsResponse(
    alerts=[
        alerts.CustomerAlert(
            alert_id="budget-1", name="Budget", measure="spend", currency="EUR", budget="50", set_by_customer=True,
            etag="1-abc", thresholds=_thresholds("50", "80", "100"),
        ),
        *(
            alerts.CustomerAlert(alert_id=measure, name=f"An alert of {measure}", measure=measure, thresholds=_thresholds("10", "20", "30"), **of)
            for measure, of in (
                ("due", {"currency": "EUR", "budget": "100"}), ("usage", {"meter_id": "tokens"}),
                ("credit_balance", {"currency": "EUR"}), ("commitment", {}),
            )
        ),
    ],
    budget_currencies=["EUR", "JPY"],
)  # fmt: skip


def _invoice(number, state, due="16.00", outstanding="16.00", **period):
    return invoices.Invoice(
        number=f"INV-{number:06}",
        customer_id="acme",
        state=invoices.InvoiceState.Value(f"INVOICE_STATE_{state}"),
        currency="EUR",
        due_at=JULY,
        amounts={"due": due},
        figures={"outstanding": outstanding},
        **PERIOD | period,
    )


STATES = ("ISSUED", "PARTLY_PAID", "PAID", "OVERDUE", "UNCOLLECTIBLE", "VOID")
INVOICES = invoices.ListInvoicesResponse(
    invoices=[
        *(_invoice(number, state) for number, state in enumerate(STATES, start=1)),
        _invoice(7, "PARTLY_PAID", outstanding="6.00"),
        _invoice(8, "ISSUED", period_end=JUNE),
    ]
)
CREDIT_NOTES = credit_notes.ListCreditNotesResponse(
    credit_notes=[
        credit_notes.CreditNote(
            number=f"CN-{number:06}", state=state, invoice="INV-000003", currency="EUR", amounts={"due": "5.00"},
            issued_at=JULY, reason="slow <b>for</b> a day",
        )
        for number, state in enumerate((credit_notes.CREDIT_NOTE_STATE_ISSUED, credit_notes.CREDIT_NOTE_STATE_VOID), start=1)
    ]
)  # fmt: skip
EXPLAINED = LineItem(formula="400 x 0.01 + 5 = 9.00")
EXPLAINED.MergeFrom(LINES[1])
USAGE = QueryUsageResponse(rows=[{"window_start": JUNE_10, "window_end": JUNE_10, "quantity": "1500"}])
ANSWERS = {
    "SpendService.GetSpend": SPEND,
    "InvoiceService.ListInvoices": INVOICES,
    "CreditNoteService.ListCreditNotes": CREDIT_NOTES,
    "MeteringService.QueryUsage": USAGE,
    "EntitlementService.CheckAccess": ACCESS,
    "AlertService.ListCustomerAlerts": ALERTS,
    "ExplanationService.ExplainLineItem": ExplainLineItemResponse(
        line_item=EXPLAINED, sentences=["400 tokens are in the first tier.", "They cost 0.01 each."]
    ),
}


@dataclass(frozen=True)
class Pattern:
    """A page: its address below /spend, what is answered instead, and the fields of a form that was sent."""

    path: str = ""
    query: str = ""
    answers: dict = field(default_factory=dict)
    sent: str | None = None


AWAY = Refusal(http_status_of(StoreUnavailableError("the store does not answer", retry_after_ms=1_000)))
WEEKS = GetSpendResponse(
    spends=SPEND.spends, line_items=[_line(1, "x", meter_id="tokens", period_end=NEXT_JUNE)], as_of=JUNE_10
)
PATTERNS = {
    "everything": Pattern(query="budget=saved"),
    "removed": Pattern(query="budget=removed", answers={"MeteringService.QueryUsage": QueryUsageResponse()}),
    "refused form": Pattern(
        "/budget", answers={"AlertService.SetCustomerBudget": Refusal(http_status_of(InvalidRequestError(FieldMistake("amount", "is wrong"))))},
        sent="currency=EUR&amount=0&threshold=80",
    ),
    "changed form": Pattern(
        "/budget", answers={"AlertService.SetCustomerBudget": Refusal(http_status_of(StaleError("stale")))},
        sent="currency=EUR&amount=7&threshold=80",
    ),
    "unread": Pattern(answers={"MeteringService.QueryUsage": AWAY, "EntitlementService.CheckAccess": AWAY}),
    "nothing": Pattern(
        answers={
            "SpendService.GetSpend": GetSpendResponse(as_of=JUNE_10), "InvoiceService.ListInvoices": invoices.ListInvoicesResponse(),
            "CreditNoteService.ListCreditNotes": credit_notes.ListCreditNotesResponse(),
            "EntitlementService.CheckAccess": entitlements.CheckAccessResponse(),
            "AlertService.ListCustomerAlerts": alerts.ListCustomerAlertsResponse(),
        }
    ),
    "earlier weeks": Pattern(query="at=2025-06-10", answers={"SpendService.GetSpend": WEEKS}),
    "line": Pattern("/lines/{line_item_id}"),
    "refused": Pattern(answers={"SpendService.GetSpend": AWAY}),
    "refused link": Pattern(
        answers={"SpendService.GetSpend": Refusal(http_status_of(UnauthenticatedError("the link has expired", "expired")))}
    ),
}  # fmt: skip


class _Answering:
    """What a page asks of the HTTP face."""

    def __init__(self, pattern):
        self._pattern = pattern

    async def caller(self, shown, carried):
        return Caller("default", "link:x", frozenset({Scope.READ, Scope.BILL, Scope.BUDGET}), "acme")

    async def ask(self, name, request, shown, carried):
        found = (ANSWERS | self._pattern.answers)[name]
        if isinstance(found, Exception):
            raise found
        return found

    async def body(self, request, bytes_max):
        from engine.api.pages.budget_form import form_token
        from engine.api.pages.visitor import shown_by

        return f"form_token={form_token(shown_by(request))}&{self._pattern.sent}".encode()

    async def on_thread(self, work):
        return work()

    async def refused(self, error, carried):
        raise error


def pattern_page(name, language="en"):
    """Its headers and its HTML."""
    pattern = PATTERNS[name]
    catalog = catalog_of(KINDS[kind].read(each) for kind, some in CATALOG.items() for each in some)
    names = CatalogNames(catalog, "acme")
    settings = PageSettings("/spend", is_secure=False)
    pages = SpendPages(_Answering(pattern), lambda _tenant, _customer_id: names, settings)
    route = next(each for each in pages.routes() if each.path == f"/spend{pattern.path}")
    scope = {
        "type": "http",
        "method": "GET" if pattern.sent is None else "POST",
        "path": "/spend",
        "path_params": {"line_item_id": "0" * 31 + "2"},
        "query_string": f"{pattern.query}&lang={language}".encode(),
        "headers": [(b"content-type", b"application/x-www-form-urlencoded")],
        "server": ("x", 80),
    }
    # Playwright has a loop of its own in the test's thread.
    with ThreadPoolExecutor(1) as thread:
        response = thread.submit(lambda: asyncio.run(route.endpoint(Request(scope)))).result(60)
    return dict(response.headers), response.body.decode()
