"""What the page does when what it asks goes wrong: beside an engine that fails on purpose."""

import asyncio

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.requests import Request

from engine.access.caller import Caller, Scope
from engine.api.pages import standing, usage_days
from engine.api.pages.asking import Refusal
from engine.api.pages.page_settings import PageSettings
from engine.api.pages.spend_pages import SpendPages
from engine.api.status import http_status_of
from engine.billing.documents.catalog_names import CatalogNames
from engine.catalog.snapshots.snapshot import Catalog
from engine.errors import StoreUnavailableError
from meterline.v1.alerts_pb2 import ListCustomerAlertsResponse
from meterline.v1.billing_pb2 import LineItem
from meterline.v1.credit_notes_pb2 import ListCreditNotesResponse
from meterline.v1.entitlements_pb2 import CheckAccessResponse
from meterline.v1.invoices_pb2 import ListInvoicesResponse
from meterline.v1.metering_pb2 import QueryUsageResponse
from meterline.v1.spend_pb2 import GetSpendResponse, SettledAmounts, Spend

LINE = LineItem(
    line_item_id="0" * 32,
    price_id="calls",
    plan_id="p",
    model="per_unit",
    meter_id="calls",
    quantity="3",
    billable_quantity="3",
    amount="3.00",
    currency="EUR",
    period_start=Timestamp(seconds=1_748_736_000),
    period_end=Timestamp(seconds=1_751_328_000),
    service_start=Timestamp(seconds=1_748_736_000),
    service_end=Timestamp(seconds=1_751_328_000),
)
SPEND = Spend(
    customer_id="acme",
    currency="EUR",
    amount="3.00",
    line_item_count=1,
    settled=SettledAmounts(
        discounts="0.00",
        after_discounts="3.00",
        commitments="0.00",
        credits="0.00",
        included_tax="0.00",
        tax="0.00",
        due="3.00",
    ),
)


class Failing:
    """Answers for acme, and what a test says instead."""

    def __init__(self, **instead):
        self._instead = instead
        self._answers = {
            "SpendService.GetSpend": GetSpendResponse(spends=[SPEND], line_items=[LINE]),
            "InvoiceService.ListInvoices": ListInvoicesResponse(),
            "CreditNoteService.ListCreditNotes": ListCreditNotesResponse(),
            "MeteringService.QueryUsage": QueryUsageResponse(),
            "EntitlementService.CheckAccess": CheckAccessResponse(),
            "AlertService.ListCustomerAlerts": ListCustomerAlertsResponse(),
        }

    async def caller(self, shown, carried):
        return Caller("default", "link:x", frozenset({Scope.READ, Scope.BILL}), "acme")

    async def ask(self, name, request, shown, carried):
        found = self._instead.get(name.partition(".")[2], self._answers.get(name))
        if isinstance(found, Exception):
            raise found
        if found == "hangs":
            await asyncio.sleep(60)
        return found

    async def on_thread(self, work):
        return work()

    async def refused(self, error, carried):
        return Refusal(http_status_of(error, "request-1"))


def page_of(asks):
    """The status and the HTML of /spend."""
    names = CatalogNames(Catalog.empty("default"), "acme")
    pages = SpendPages(asks, lambda _tenant, _customer_id: names, PageSettings("/spend", is_secure=False))
    route = next(each for each in pages.routes() if each.path == "/spend")
    request = Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/spend",
            "query_string": b"",
            "headers": [],
            "server": ("x", 80),
        }
    )
    response = asyncio.run(route.endpoint(request))
    return response.status_code, response.body.decode()


def test_a_defect_is_a_page_that_says_nothing_of_the_inside():
    """But for the id under which the log has it."""
    status, html = page_of(Failing(GetSpend=RuntimeError("secret of the inside")))
    assert (status, "secret" in html, "request-1" in html) == (500, False, True)


def test_a_store_that_does_not_answer_is_a_page_too():
    """With the words that every caller hears."""
    error = StoreUnavailableError("the usage store does not answer", retry_after_ms=1_000)
    status, html = page_of(Failing(GetSpend=Refusal(http_status_of(error))))
    assert (status, "the usage store does not answer" in html) == (503, True)


@pytest.mark.parametrize(
    "fault",
    ["hangs", Refusal(http_status_of(StoreUnavailableError("away", retry_after_ms=1_000)))],
    ids=["slow", "refused"],
)
def test_usage_that_is_not_read_soon_keeps_no_total_back(monkeypatch, fault):
    """The chart's place says so."""
    monkeypatch.setattr(usage_days, "_TIMEOUT_S", 0.05)
    status, html = page_of(Failing(QueryUsage=fault))
    assert (status, "€3.00" in html, "Usage by day can&#39;t be read now" in html) == (200, True, True)


@pytest.mark.parametrize("operation", ["CheckAccess", "ListCustomerAlerts"])
@pytest.mark.parametrize(
    "fault",
    ["hangs", Refusal(http_status_of(StoreUnavailableError("away", retry_after_ms=1_000)))],
    ids=["slow", "refused"],
)
def test_limits_and_alerts_that_are_not_read_soon_keep_no_total_back(monkeypatch, operation, fault):
    """Their place says so."""
    monkeypatch.setattr(standing, "_TIMEOUT_S", 0.05)
    status, html = page_of(Failing(**{operation: fault}))
    assert (status, "€3.00" in html, "Limits and alerts can&#39;t be read now" in html) == (200, True, True)
