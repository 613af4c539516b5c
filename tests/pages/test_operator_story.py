"""One customer's story on the operator's page, customers found, and periods reconciled: each figure is the call's."""

import os
import re

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from meterline import open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.correction_pb2 import CorrectUsageRequest
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub
from meterline.v1.invoices_pb2 import ClosePeriodsRequest
from meterline.v1.invoices_pb2_grpc import InvoiceServiceStub
from meterline.v1.receivables_pb2 import (
    GetAccountRequest,
    RecordPaymentFailureRequest,
    RecordPaymentRequest,
)
from meterline.v1.receivables_pb2_grpc import ReceivablesServiceStub
from meterline.v1.reconciliation_pb2 import ReconcileBillingRequest
from meterline.v1.reconciliation_pb2_grpc import ReconciliationServiceStub
from meterline.v1.usage_pb2 import PropertyValue, RecordUsageRequest, UsageEvent
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.pages.operator_browser import Operator, new_tenant
from tests.support.pages.page_world import words_of

# Sixty customers, whose listing has two pages; one of them has bought something.
CATALOG = """
meters: [{id: tokens, event_type: call, aggregation: sum, value: tokens, unit: tokens}]
plans:
  - id: pro
    name: Pro
    currency: EUR
    prices:
      - {id: fee, model: flat, flat_amount: "20"}
      - {id: generated, meter: tokens, model: per_unit, unit_amount: "0.5"}
subscriptions: [{customer: c-00, plan: pro, start: 2025-05-01}]
customers:
""" + "".join(f"  - {{id: c-{number:02}, name: Company {number}}}\n" for number in range(60))
MAY_1, MAY_10, JUNE_1 = 1_746_057_600, 1_746_835_200, 1_748_736_000


def _event(event_id, seconds=None, tokens="4"):
    event = UsageEvent(event_id=event_id, event_type="call", customer_id="c-00")
    event.properties["tokens"].CopyFrom(PropertyValue(string_value=tokens))
    if seconds is None:
        event.event_time.GetCurrentTime()
    else:
        event.event_time.FromSeconds(seconds)
    return event


class StoryWorld:
    """A tenant whose first customer owes 22.00 of May, has paid 10.00 of it, and failed to pay the rest."""

    def __init__(self, world):
        self.key = new_tenant(world.channel, "operator-story")
        self.channel = open_channel(world.engine.target, api_key=self.key)
        CatalogServiceStub(self.channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=60)
        events = [_event("in-may", MAY_10), _event("now"), _event("wrong")]
        UsageServiceStub(self.channel).RecordUsage(RecordUsageRequest(events=events), timeout=120)
        InvoiceServiceStub(self.channel).ClosePeriods(
            ClosePeriodsRequest(
                period_end_after=Timestamp(seconds=MAY_1), period_end_until=Timestamp(seconds=JUNE_1)
            ),
            timeout=60,
        )
        self.receivables = ReceivablesServiceStub(self.channel)
        paid = {"customer_id": "c-00", "currency": "EUR"}
        self.receivables.RecordPayment(
            RecordPaymentRequest(payment_id="ch_1", amount="10.00", **paid), timeout=120
        )
        self.receivables.RecordPaymentFailure(
            RecordPaymentFailureRequest(payment_id="ch_2", amount="12.00", reason="no funds", **paid),
            timeout=120,
        )
        request = CorrectUsageRequest(
            signature={"correction_id": "fix-1", "recorded_by": "us", "reason": "a test"},
            event_refs={"events": [{"event_id": "wrong"}]},
            void={},
        )
        CorrectionServiceStub(self.channel).CorrectUsage(request, timeout=60)
        self.page = Operator(world.engine.http_port)
        self.page.sign_in(self.key)


@pytest.fixture(scope="session")
def story(world):
    made = StoryWorld(world)
    yield made
    made.channel.close()


def test_a_customer_s_story_has_all_that_happened(story):
    """20.00 and 4 tokens at 0.5 are 22.00, of which 10.00 are paid; an event that is void says by which correction."""
    status, _, html = story.page.get("/operator/customer?id=c-00&at=2025-05-10")
    said = words_of(html)
    assert status == 200
    assert "Reconciliation Customer c-00" in said
    assert "<h1>Company 0</h1>" in html
    assert "Sum of lines €22.00 Due €22.00" in said
    assert "generated c-00:pro 4 €2.00" in said
    assert re.search(r"INV-000001 Jun 1, 2025, 12:00:00 AM \w.* partly paid €22.00 €12.00", said)
    assert "c-00:pro pro May 1, 2025, 12:00:00 AM open-ended" in said
    assert "EUR €12.00 €12.00 €0.00 €0.00 €0.00" in said
    assert re.search(r"ch_1 \w.* succeeded €10.00 INV-000001", said)
    assert re.search(r"ch_2 \w.* failed: no funds €12.00", said)
    assert re.search(r"now call \w+ \d+, .* \d+ counts", said)
    assert re.search(r"wrong call \w+ \d+, .* \d+ void, by fix-1", said)
    assert "in-may call" not in said
    account = story.receivables.GetAccount(
        GetAccountRequest(customer_id="c-00", currency="EUR"), timeout=120
    ).account
    assert (account.balance, account.outstanding, account.overdue) == ("12.00", "12.00", "0.00")


def test_customers_are_found_by_the_beginning_of_their_id(story):
    """Fifty a page, each once, and another page where there are more."""
    seen, path = [], "/operator/customers?q=c-"
    sizes = []
    while path:
        status, _, html = story.page.get(path)
        assert status == 200
        found = re.findall(r'href="/operator/customer\?id=(c-\d\d)"', html)
        seen += found
        sizes.append(len(found))
        path = html.partition('<a href="/operator/customers?')[2].partition('"')[0].replace("&amp;", "&")
        path = path and f"/operator/customers?{path}"
    assert sizes == [50, 10]
    assert sorted(seen) == [f"c-{number:02}" for number in range(60)]
    assert "c-07 Company 7" in words_of(story.page.get("/operator/customers?q=c-07")[2])
    assert "No customer&#39;s id begins so." in words_of(story.page.get("/operator/customers?q=acme")[2])
    assert story.page.get("/operator/customers?q=c-&page=nonsense")[0] == 400


def test_a_closed_month_is_reconciled_when_it_is_asked_for(story):
    """As ReconcileBilling does: one customer, and nothing that differs."""
    asked = ReconcileBillingRequest(
        period_end_after=Timestamp(seconds=MAY_1), period_end_until=Timestamp(seconds=JUNE_1)
    )
    found = ReconciliationServiceStub(story.channel).ReconcileBilling(asked, timeout=60)
    assert (found.customer_count, found.difference_count) == (1, 0)
    status, _, html = story.page.get("/operator/reconciliation?month=2025-05")
    said = words_of(html)
    assert status == 200
    assert "Customers of this page 1 Differences 0" in said
    for each in found.checks:
        assert f"{each.check} {each.judged_count} {sum(one.count for one in each.not_judged)}" in said
    # Without a month nothing is worked out.
    assert "Differences" not in words_of(story.page.get("/operator/reconciliation")[2])
    for month in ("2025-13", "may", "2025-05-01", "9999-12"):
        status, _, html = story.page.get(f"/operator/reconciliation?month={month}")
        assert (status, "is no month such as 2026-11" in html) == (400, True)


def test_the_story_of_another_tenant_s_customer_is_not_there(story, world):
    """Nor is it found."""
    mine = Operator(world.engine.http_port)
    mine.sign_in(os.environ["METERLINE_API_KEY"])
    assert mine.get("/operator/customer?id=c-00")[0] == 404
    assert "c-00" not in words_of(mine.get("/operator/customers")[2])
    assert story.page.get("/operator/customer?id=acme")[0] == 404
