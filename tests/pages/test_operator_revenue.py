"""Fees by month, usage and collections on the operator's page, each figure worked out by hand."""

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from engine.api.pages.operator.run_rate import FeePrices, by_currency, collected, fee_prices, monthly_fees
from meterline import open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest, Resource
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.receivables_pb2 import Payment, RecordPaymentRequest, RecordRefundRequest
from meterline.v1.receivables_pb2_grpc import ReceivablesServiceStub
from meterline.v1.spend_pb2 import ListSpendRequest, SpendGroup
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.usage_pb2 import PropertyValue, RecordUsageRequest, UsageEvent
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.pages.operator_browser import Operator, new_tenant
from tests.support.pages.page_world import words_of

JUNE_10 = 1_749_513_600
CATALOG = """
meters: [{id: tokens, event_type: call, aggregation: sum, value: tokens}]
plans:
  - id: monthly
    name: Monthly
    currency: EUR
    prices:
      - {id: fee, model: flat, flat_amount: "20", timing: in_advance}
      - {id: setup, model: flat, flat_amount: "7", timing: once}
      - {id: seats, model: per_unit, unit_amount: "5", quantity: 3}
      - {id: generated, meter: tokens, model: per_unit, unit_amount: "0.5"}
  - {id: yearly, name: Yearly, currency: EUR, billing_period: year, prices: [{id: fee, model: flat, flat_amount: "100"}]}
  - {id: quarterly, name: Quarterly, currency: USD, billing_period: quarter, prices: [{id: fee, model: flat, flat_amount: "10"}]}
customers: [{id: a, name: A}, {id: b, name: B}, {id: c, name: C}]
subscriptions:
  - {customer: a, plan: monthly, start: 2025-05-01}
  - {customer: b, plan: monthly, start: 2025-05-01}
  - {customer: b, plan: yearly, start: 2025-05-01}
  - {customer: c, plan: quarterly, start: 2025-05-01}
"""


@pytest.mark.parametrize(
    ("period", "amount", "currency", "monthly"),
    [
        ({}, "20.00", "EUR", "20.00"),
        ({"billing_period": "year"}, "100.00", "EUR", "8.33"),
        ({"billing_period": "quarter"}, "10.00", "EUR", "3.33"),
        # 5.00 / 8 months are 0.625.
        ({"billing_period": "month", "billing_period_count": 8}, "5.00", "EUR", "0.63"),
        ({"billing_period": "month", "billing_period_count": 8}, "-5.00", "EUR", "-0.63"),
        # 7 days of 365 / 12 are 84 / 365 of a month: 8.40 a week are 36.50.
        ({"billing_period": "week"}, "8.40", "EUR", "36.50"),
        ({"billing_period": "day"}, "12", "JPY", "365"),
        ({"billing_period": "year", "billing_period_count": 2}, "12", "JPY", "1"),
        ({"billing_period": "year"}, "1.000", "BHD", "0.083"),
    ],
)
def test_a_fee_is_divided_by_the_months_of_its_period_and_rounded_once(period, amount, currency, monthly):
    """Half away from zero, to the currency's minor unit."""
    plan = fee_prices(Resource(definition=json.dumps({"prices": [{"id": "fee"}], **period})))
    (found,) = monthly_fees(
        [SpendGroup(plan_id="p", price_id="fee", currency=currency, amount=amount)], {"p": plan}
    )
    assert format(found.monthly, "f") == monthly


def test_usage_and_items_are_no_fees():
    """Neither a price with a meter, nor what is charged once, nor a plan that the catalog has not."""
    plan = fee_prices(
        Resource(
            definition=json.dumps(
                {
                    "prices": [
                        {"id": "used", "meter": "tokens"},
                        {"id": "setup", "timing": "once"},
                        {"id": "fee", "timing": "in_advance"},
                    ]
                }
            )
        )
    )
    assert plan == FeePrices(Fraction(1), frozenset({"fee"}))
    groups = [
        SpendGroup(plan_id="p", price_id="used", currency="EUR", amount="1.00"),
        SpendGroup(plan_id="item", price_id="fee", currency="EUR", amount="1.00"),
    ]
    assert monthly_fees(groups, {"p": plan}) == []


def test_a_month_has_what_it_received_less_what_went_back():
    """In UTC, the newest in front; a payment that failed brought nothing. Sums are exact, whatever their size."""
    may_end, june = Timestamp(seconds=1_748_735_999), Timestamp(seconds=1_748_736_000)
    payments = [
        Payment(state="PAYMENT_STATE_SUCCEEDED", currency="USD", amount="1.00", received_at=may_end),
        Payment(state="PAYMENT_STATE_SUCCEEDED", currency="EUR", amount="10.00", refunded="2.50", received_at=june),
        Payment(state="PAYMENT_STATE_SUCCEEDED", currency="EUR", amount="0.10", received_at=june),
        Payment(state="PAYMENT_STATE_FAILED", currency="EUR", amount="99.00", received_at=june),
    ]  # fmt: skip
    assert list(collected(payments).items()) == [
        (("2025-06", "EUR"), Decimal("7.60")),
        (("2025-05", "USD"), Decimal("1.00")),
    ]
    large = Decimal("9" * 30)
    assert by_currency([("USD", large), ("EUR", Decimal("0.01")), ("USD", Decimal("0.01"))]) == {
        "EUR": Decimal("0.01"),
        "USD": Decimal("9" * 30 + ".01"),
    }


def test_revenue_is_what_the_calls_say(world):
    """Fees of EUR: 2 x 20.00 and 2 x 15.00 a month, 100.00 a year: 78.33 a month. 8 tokens at 0.5 are usage."""
    key = new_tenant(world.channel, "operator-revenue")
    with open_channel(world.engine.target, api_key=key) as channel:
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=60)
        event = UsageEvent(event_id="e", event_type="call", customer_id="a")
        event.event_time.FromSeconds(JUNE_10)
        event.properties["tokens"].CopyFrom(PropertyValue(string_value="8"))
        UsageServiceStub(channel).RecordUsage(RecordUsageRequest(events=[event]), timeout=120)
        receivables = ReceivablesServiceStub(channel)
        for number, amount in enumerate(("30.00", "12.50")):
            receivables.RecordPayment(
                RecordPaymentRequest(
                    payment_id=f"ch_{number}", customer_id="a", currency="EUR", amount=amount,
                    received_at=Timestamp(seconds=JUNE_10),
                ),
                timeout=120,
            )  # fmt: skip
        receivables.RecordRefund(
            RecordRefundRequest(refund_id="re_1", payment_id="ch_0", amount="5.00", reason="a test"),
            timeout=120,
        )
        asked = ListSpendRequest(at=Timestamp(seconds=JUNE_10))
        totals = {
            each.currency: each.amount
            for each in SpendServiceStub(channel).ListSpend(asked, timeout=120).totals
        }
    page = Operator(world.engine.http_port)
    page.sign_in(key)
    status, _, html = page.get("/operator/revenue?at=2025-06-10")
    said = words_of(html)
    assert (status, totals) == (200, {"EUR": "174.00", "USD": "10.00"})
    assert "EUR €78.33 €170.00 €4.00 USD $3.33 $10.00 $0.00" in said
    assert "monthly fee €40.00 €40.00 monthly seats €30.00 €30.00 yearly fee €100.00 €8.33" in said
    assert "2025-06 EUR €37.50" in said
