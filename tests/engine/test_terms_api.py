"""Terms of money by the engine's face: from the document to what a customer owes."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from meterline.v1.spend_pb2 import GetSpendRequest, ListSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from tests.support.engine.api_world import CATALOG, LATE_JUNE, api_event, record, refusal, spend_of


@pytest.fixture
def channel(either_channel):
    return either_channel


def test_without_terms_what_is_due_is_the_amount(channel, name):
    """20.00 and 100 tokens at 0.01, and the fields of the terms are nothing."""
    record(channel, api_event(name, "1", "100"))
    (spend,) = spend_of(channel, name).spends
    assert (spend.amount, spend.settled.due, spend.settled.after_discounts) == ("21.00", "21.00", "21.00")
    assert (spend.settled.discounts, spend.settled.tax) == ("0.00", "0.00")


def test_a_coupon_is_off_what_a_customer_owes(channel, name, apply):
    """10 % of 21.00 is 2.10; 5.00 is off the fee alone. Bolt has none."""
    coupons = """
coupons:
  - {id: NAME_ten, name: Ten, percent_off: 10}
  - {id: NAME_five, name: Five, amount_off: 5, currency: USD, plans: [NAME], prices: [fee]}
"""
    before, _, after = CATALOG.partition("{id: NAME_acme, name: Acme}")
    redeemed = "{coupon: NAME_five, start: 2025-06-01}, {coupon: NAME_ten, start: 2025-06-05}"
    text = f"{before}{{id: NAME_acme, name: Acme, coupons: [{redeemed}]}}{after}{coupons}"
    apply(text.replace("NAME", name))
    record(channel, api_event(name, "1", "100"))
    answer = spend_of(channel, name)
    (spend,) = answer.spends
    assert (spend.amount, spend.settled.discounts, spend.settled.due) == ("21.00", "7.10", "13.90")
    assert [(each.coupon_id, each.currency, each.amount) for each in answer.discounts] == [
        (f"{name}_ten", "USD", "2.10"),
        (f"{name}_five", "USD", "5.00"),
    ]
    assert answer.discounts[0].period_start == Timestamp(seconds=1_748_736_000)
    listed = SpendServiceStub(channel).ListSpend(ListSpendRequest(at=LATE_JUNE, limit=1000), timeout=120)
    due = {each.customer_id: each.settled.due for each in listed.spends}
    assert (due[f"{name}_acme"], due[f"{name}_bolt"]) == ("13.90", "20.00")


def test_taxes_are_on_what_a_customer_owes(channel, name, apply):
    """5 % and 7 % of the fee of 20.00 and of 1.00: 1.00 and 0.05, 1.40 and 0.07."""
    region = "tax_regions: [{id: NAME_bc, name: BC, rates: [{id: gst, percent: 5}, {id: pst, percent: 7}]}]"
    customer = "customers: [{id: NAME_acme, name: Acme, tax_region: NAME_bc}]"
    apply(f"{region}\n{customer}".replace("NAME", name))
    record(channel, api_event(name, "1", "100"))
    answer = spend_of(channel, name)
    (spend,) = answer.spends
    assert (spend.amount, spend.settled.tax, spend.settled.due) == ("21.00", "2.52", "23.52")
    assert [(each.tax_id, each.percent, each.taxable_amount, each.amount) for each in answer.taxes] == [
        ("gst", "5", "21.00", "1.05"),
        ("pst", "7", "21.00", "1.47"),
    ]


def test_credit_pays_for_what_a_customer_owes_period_after_period(channel, name, apply):
    """June takes 21.00 of 30.00, July the 9.00 that are left of its 20.00."""
    grant = "{id: NAME_gift, customer: NAME_acme, currency: USD, amount: 30, effective_at: 2025-06-01}"
    apply(f"credit_grants: [{grant}]".replace("NAME", name))
    record(channel, api_event(name, "1", "100"))
    june = spend_of(channel, name)
    assert (june.spends[0].settled.credits, june.spends[0].settled.due) == ("21.00", "0.00")
    assert [(each.credit_grant_id, each.amount, each.balance) for each in june.credits] == [
        (f"{name}_gift", "21.00", "9.00")
    ]
    assert not june.credits[0].HasField("expires_at")
    july = ListSpendRequest(at=Timestamp(seconds=1_752_500_000), limit=1000)
    listed = SpendServiceStub(channel).ListSpend(july, timeout=120)
    due = {each.customer_id: (each.settled.credits, each.settled.due) for each in listed.spends}
    assert due[f"{name}_acme"] == ("9.00", "11.00")


def test_twenty_readers_at_once_do_not_spend_one_credit_twice(channel, name, apply):
    """30.00 for two subscriptions of 20.00 a month: June's takes 20.00, the other, to mid-July, what is left, and July's nothing."""
    apply(
        f"""
plans: [{{id: {name}_more, name: More, currency: USD, prices: [{{id: fee, model: flat, flat_amount: 20}}]}}]
subscriptions: [{{customer: {name}_acme, plan: {name}_more, start: 2025-06-15}}]
credit_grants:
  - {{id: {name}_gift, customer: {name}_acme, currency: USD, amount: 30, effective_at: 2025-06-01}}
"""
    )
    days = [f"2025-{day}T00:00:00Z" for day in ("06-10", "06-20", "07-10")]

    def read(number):
        request = GetSpendRequest(customer_id=f"{name}_acme")
        request.at.FromJsonString(days[number % len(days)])
        answer = SpendServiceStub(channel).GetSpend(request, timeout=60)
        (spend,), (credit,) = answer.spends, answer.credits
        return spend.amount, spend.settled.credits, spend.settled.due, credit.amount, credit.balance

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(read, range(60)))
    # The 10th: June's alone. The 20th: both. The 10th of July: the second one and July's.
    assert set(found[0::3]) == {("20.00", "20.00", "0.00", "20.00", "10.00")}
    assert set(found[1::3]) == {("40.00", "30.00", "10.00", "30.00", "0.00")}
    assert set(found[2::3]) == {("40.00", "10.00", "30.00", "10.00", "0.00")}


def test_what_a_customer_pays_is_divided(channel, name, apply):
    """Of 21.00 the host has 1.00, of 20.00 the author 70 %; bolt's 20.00 too: 14.00 + 13.30."""
    shares = "[{recipient: NAME_host, amount: 1}, {recipient: NAME_author, percent: 70}]"
    split = f"{{id: NAME_s, name: S, plans: [NAME], currency: USD, shares: {shares}}}"
    record(channel, api_event(name, "1", "100"))
    before = spend_of(channel, name)
    assert not before.shares
    apply(f"revenue_splits: [{split}]".replace("NAME", name))
    answer = spend_of(channel, name)
    assert answer.spends == before.spends
    assert [
        (each.revenue_split_id, each.recipient_id, each.split_amount, each.amount) for each in answer.shares
    ] == [
        (f"{name}_s", f"{name}_host", "21.00", "1.00"),
        (f"{name}_s", f"{name}_author", "21.00", "14.00"),
        (f"{name}_s", "", "21.00", "6.00"),
    ]
    assert answer.shares[0].period_start == Timestamp(seconds=1_748_736_000)
    listed = SpendServiceStub(channel).ListSpend(ListSpendRequest(at=LATE_JUNE, limit=1), timeout=120)
    found = {each.recipient_id: (each.currency, each.amount) for each in listed.recipients}
    assert found[f"{name}_host"] == ("USD", "2.00")
    assert found[f"{name}_author"] == ("USD", "27.30")
    assert listed.recipient_count == len(listed.recipients)
    grouped = ListSpendRequest(at=LATE_JUNE, limit=1, customer_id=f"{name}_bolt")
    (platform, *_) = [
        each
        for each in SpendServiceStub(channel).ListSpend(grouped, timeout=120).recipients
        if not each.recipient_id
    ]
    assert platform.amount == "5.70"


def test_totals_are_reported_in_one_currency(channel, name, apply):
    """Acme's 21.00 and bolt's 20.00 by themselves, at 3.3333 yen: 70 (69.9993) and 67 (66.666)."""
    apply(
        "exchange_rates: [{from_currency: USD, to_currency: JPY, rate: 3.3333, effective_from: 2024-01-01}]"
    )
    record(channel, api_event(name, "1", "100"))
    for customer, yen in (("acme", "70"), ("bolt", "67")):
        asked = ListSpendRequest(
            at=LATE_JUNE, limit=1, customer_id=f"{name}_{customer}", reporting_currency="JPY"
        )
        found = SpendServiceStub(channel).ListSpend(asked, timeout=120).reported
        assert (found.currency, found.amount, found.due) == ("JPY", yen, yen)
        assert [(each.currency, each.amount, each.due) for each in found.totals] == [("USD", yen, yen)]
        (rate,) = found.rates
        assert (rate.from_currency, rate.rate, rate.effective_from.seconds) == (
            "USD",
            "3.3333",
            1_704_067_200,
        )
    without = SpendServiceStub(channel).ListSpend(ListSpendRequest(at=LATE_JUNE, limit=1), timeout=120)
    assert not without.HasField("reported")


def test_a_missing_rate_is_told_in_one_line(channel, name):
    """And a currency that is none."""
    stub = SpendServiceStub(channel)
    for currency, said in (
        ("CHF", "there is no exchange rate from USD to CHF on 2025-0"),
        ("EURO", "must be an ISO 4217 code such as USD"),
    ):
        asked = ListSpendRequest(at=LATE_JUNE, reporting_currency=currency, customer_id=f"{name}_acme")
        code, line, *_ = refusal(lambda asked=asked: stub.ListSpend(asked, timeout=120))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "reporting_currency" in line
        assert said in line
