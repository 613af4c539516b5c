"""A metered price with terms per event on every face: lines, sums, tables of lines, and corrections that are tried."""

import json
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from google.protobuf.json_format import MessageToDict

from engine.cli import cli
from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.correction_pb2 import CorrectUsageRequest, EventRef, EventRefs, Signature, VoidUsage
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub
from tests.support.engine.api_world import AT, JUNE_10, api_event, record, refusal, spend_of

SHOP = """
meters:
  - {id: NAME_paid, event_type: NAME.call, aggregation: sum, value: tokens}
plans:
  - id: NAME_shop
    name: Shop
    currency: USD
    prices:
      - id: payments
        meter: NAME_paid
        model: percentage
        percent: 2.9
        fixed_amount_per_event: 0.30
        free_events: 1
        minimum_per_event: 0.5
        maximum_per_event: 5
customers:
  - {id: NAME_acme, name: Acme}
subscriptions:
  - {customer: NAME_acme, plan: NAME_shop, start: 2025-06-01}
"""
# The first is free; 2.9 % and 0.30 of the others are 0.59, 29.30 and 0.329.
FEES = {
    "freeEventCount": "1",
    "chargedEventCount": "3",
    "chargedAmount": "1011",
    "percentAmount": "29.319",
    "fixedAmount": "0.9",
    "aboveMaximum": "24.3",
    "belowMinimum": "0.171",
    "percent": "2.9",
    "fixedAmountPerEvent": "0.3",
    "maximumPerEvent": "5",
    "minimumPerEvent": "0.5",
    "freeEvents": "1",
}


@pytest.fixture
def shop(channel, name, apply):
    """Payments of 100 (free), 10, 1,000 and 1: 0.59 + 5.00 + 0.50 = 6.09. A test's first call records them, out of order."""
    apply(SHOP.replace("NAME", name))
    amounts = ["100", "10", "1000", "1"]
    events = [
        api_event(name, f"p{number}", amount, seconds=JUNE_10 + number)
        for number, amount in enumerate(amounts)
    ]
    record(channel, *events[::-1])
    return f"{name}_acme"


def payments(channel, customer, **fields):
    request = ListLineItemsRequest(customer_id=customer, at=AT, **fields)
    answer = BillingServiceStub(channel).ListLineItems(request, timeout=120)
    return answer, next(line for line in answer.line_items if line.price_id == "payments")


def test_a_line_says_what_its_fees_are_made_of(channel, shop):
    """Counts, amounts and terms, and the formula of them; the order is that of the events' time."""
    _, line = payments(channel, shop)
    assert (line.quantity, line.event_count, line.amount) == ("1111", 4, "6.09")
    assert MessageToDict(line.event_fees) == FEES
    assert line.formula == (
        "1011 × 0.029 + 3 × 0.3 + -24.3 (at most 5 an event) + 0.171 (at least 0.5 an event) = 6.09 → 6.09 USD"
    )


def test_a_correction_changes_the_allowance_too_and_old_answers_stay(channel, name, shop):
    """Without the first payment the second one is free: 5.50, as the dry run says. What was answered before stays."""
    before, _ = payments(channel, shop)
    sums = spend_of(channel, name)
    stub = CorrectionServiceStub(channel)
    request = CorrectUsageRequest(
        event_refs=EventRefs(events=[EventRef(event_id=f"{name}-p0")]),
        void=VoidUsage(),
        signature=Signature(correction_id=f"{name}-1", recorded_by="ada", reason="a test run"),
        dry_run=True,
    )
    tried = next(
        each
        for each in stub.CorrectUsage(request, timeout=60).effect.line_changes
        if each.price_id == "payments"
    )
    assert (tried.amount_before, tried.amount_after) == ("6.09", "5.50")
    request.dry_run = False
    stub.CorrectUsage(request, timeout=60)
    _, line = payments(channel, shop)
    assert (line.amount, line.event_fees.free_event_count, line.event_count) == ("5.50", 1, 3)
    again, _ = payments(channel, shop, as_of=before.as_of)
    assert again.line_items == before.line_items
    spend = spend_of(channel, name, as_of=sums.as_of)
    assert spend.SerializeToString(deterministic=True) == sums.SerializeToString(deterministic=True)


def test_tables_and_files_of_lines_have_it(engine, channel, shop, tmp_path):
    """The table for people shows the working; a Parquet file the line."""
    words = ["lines", "--customer", shop, "--at", "2025-06-20", "--target", engine.target]
    shown = CliRunner().invoke(cli, words).stdout
    for text in ("free: 1 event", "2.9 % of 3 events", "0.3 for each", "at most 5 for each", "-24.3"):
        assert text in shown
    path = tmp_path / "lines.parquet"
    done = CliRunner().invoke(cli, [*words, "--format", "parquet", "--output", str(path)])
    assert done.exit_code == 0, done.output
    (line,) = [each for each in pq.read_table(path).to_pylist() if each["price_id"] == "payments"]
    assert (line["amount"], line["exact_amount"], line["negative_quantity"]) == (
        Decimal("6.09"),
        "6.09",
        False,
    )


def test_a_refund_is_said_in_every_form(engine, channel, name, shop, tmp_path):
    """An event below zero bills as zero, although the sum of all is above; the columns say so as the message does."""
    record(channel, api_event(name, "refund", "-5", seconds=JUNE_10 + 9))
    _, line = payments(channel, shop)
    assert (line.quantity, line.amount, line.negative_quantity) == ("1106", "6.09", True)
    path = tmp_path / "lines.ndjson"
    words = ["lines", "--customer", shop, "--at", "2025-06-20", "--target", engine.target]
    CliRunner().invoke(cli, [*words, "--format", "ndjson", "--output", str(path)])
    rows = map(json.loads, path.read_text().splitlines())
    assert [each["negative_quantity"] for each in rows if each["price_id"] == "payments"] == [True]


def test_a_meter_that_gives_no_amounts_is_refused(shop, apply, name):
    """In a plan, in an override, and where a meter of such a price would change; each says where."""
    counted = SHOP.replace("NAME", name).replace("aggregation: sum, value: tokens", "aggregation: count")
    _, text, _ = refusal(lambda: apply(counted))
    assert f"plans.{name}_shop.prices.payments.meter: must be a meter with aggregation: sum" in text
    _, text, _ = refusal(
        lambda: apply(
            f"meters:\n  - {{id: {name}_paid, event_type: {name}.call, aggregation: max, value: tokens}}\n"
        )
    )
    assert f"meters.{name}_paid.aggregation: must stay as it is" in text
    carried = SHOP.replace("NAME", name).replace(
        "percent: 2.9", "percent: 2.9\n        tier_proration: carry_over"
    )
    _, text, _ = refusal(lambda: apply(carried))
    assert "prices.payments.tier_proration: carry_over is not for a price with terms per event" in text
    override = (
        f"meters:\n  - {{id: {name}_n, event_type: x, aggregation: count}}\n"
        f"plans:\n  - {{id: {name}_q, name: Q, currency: USD, prices: [{{id: n, meter: {name}_n, model: percentage, percent: 1}}]}}\n"
        f"subscriptions:\n  - {{customer: {name}_acme, plan: {name}_q, start: 2025-06-01, overrides: {{n: {{free_events: 1}}}}}}\n"
    )
    _, text, _ = refusal(lambda: apply(override))
    assert (
        f"subscriptions.{name}_acme:{name}_q.overrides.n.meter: must be a meter with aggregation: sum" in text
    )
