"""`meterline compare`: a hand-made old bill, in which each cause of a difference is planted, beside a running engine."""

import csv
from decimal import Decimal

import pytest
from click.testing import CliRunner

from engine.cli import cli
from engine.cli.comparison.causes import Cause, Evidence, explained
from engine.cli.comparison.compared_lines import ComparedLine
from meterline import open_channel
from meterline.v1.access_pb2 import CreateTenantRequest
from meterline.v1.access_pb2_grpc import TenantServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.usage_pb2 import PropertyValue, UsageEvent
from tests.support.engine.api_world import record

# 10.00 for the month, and 0.50 a call.
CUSTOMERS = ("same", "twice", "zoned", "many", "round", "price", "pror", "curr", "unbilled", "miss")
CATALOG = """
meters: [{id: calls, event_type: call, aggregation: sum, value: value}]
plans:
  - id: pro
    name: Pro
    currency: USD
    prices: [{id: fee, model: flat, flat_amount: 10}, {id: calls, meter: calls, model: per_unit, unit_amount: 0.50}]
tax_regions: [{id: home, name: Home, rates: [{id: vat, percent: 8}]}]
coupons: [{id: ten, name: Ten, percent_off: 10}]
customers:
  - {id: taxed, name: T, tax_region: home}
  - {id: off, name: O, coupons: [{coupon: ten, start: 2025-10-01}]}
""" + "".join(f"  - {{id: {each}, name: X}}\n" for each in CUSTOMERS)
CATALOG += "subscriptions:\n" + "".join(
    f"  - {{customer: {each}, plan: pro, start: 2025-10-01}}\n" for each in ("taxed", "off", *CUSTOMERS)
)
OLD = """customer_id,month,price,quantity,currency,amount
same,2025-11,Base fee,1,USD,10.00
same,2025-11,calls,4,USD,2.00
twice,2025-11,Base fee,1,USD,10.00
twice,2025-11,calls,8,USD,4.00
zoned,2025-11,Base fee,1,USD,10.00
zoned,2025-11,calls,11,USD,5.50
many,2025-11,Base fee,1,USD,10.00
many,2025-11,calls,7,USD,3.50
round,2025-11,Base fee,1,USD,10.00
round,2025-11,calls,4,USD,2.01
price,2025-11,Base fee,1,USD,10.00
price,2025-11,calls,4,USD,2.40
pror,2025-11,Base fee,1,USD,5.00
pror,2025-11,calls,0,USD,0.00
curr,2025-11,Base fee,1,EUR,10.00
curr,2025-11,calls,0,USD,0.00
taxed,2025-11,Base fee,1,USD,10.80
taxed,2025-11,calls,0,USD,0.00
off,2025-11,Base fee,1,USD,9.00
off,2025-11,calls,0,USD,0.00
miss,2025-11,support,1,USD,25.00
miss,2025-11,calls,0,USD,0.00
gone,2025-11,Base fee,1,USD,10.00
gone,2025-10,Base fee,1,USD,10.00
"""
# The month of the old bills begins and ends five hours later: without 3 calls of 1 November, with 6 of 1 December.
USAGE = (
    *((who, "2025-11-05T12:00:00Z", "4") for who in ("same", "twice", "many", "round", "price")),
    ("zoned", "2025-11-01T04:30:00Z", "3"),
    ("zoned", "2025-11-10T12:00:00Z", "5"),
    ("zoned", "2025-12-01T04:30:00Z", "6"),
)
FOUND = {
    ("twice", "calls"): (Cause.COUNTED_TWICE, "-2.00"),
    ("zoned", "calls"): (Cause.TIME_ZONE, "-1.50"),
    ("many", "calls"): (Cause.QUANTITY, "-1.50"),
    ("round", "calls"): (Cause.ROUNDING, "-0.01"),
    ("price", "calls"): (Cause.PRICE, "-0.40"),
    ("pror", "fee"): (Cause.PRORATION, "5.00"),
    ("taxed", "fee"): (Cause.TAX, "-0.80"),
    ("off", "fee"): (Cause.DISCOUNT, "1.00"),
    ("miss", "support"): (Cause.LINE_NOT_IN_METERLINE, "-25.00"),
    ("miss", "fee"): (Cause.LINE_NOT_BILLED, "10.00"),
    ("gone", "fee"): (Cause.CUSTOMER_NOT_IN_METERLINE, "-10.00"),
    ("unbilled", "fee"): (Cause.CUSTOMER_NOT_BILLED, "10.00"),
    ("unbilled", "calls"): (Cause.CUSTOMER_NOT_BILLED, "0.00"),
}
SPAN = ("--from", "2025-11", "--to", "2025-11", "--name", "Base fee=fee")


@pytest.fixture(scope="module")
def run(engine, channel):
    made = TenantServiceStub(channel).CreateTenant(CreateTenantRequest(tenant="compare"), timeout=60)
    with open_channel(engine.target, api_key=made.key_text) as own:
        CatalogServiceStub(own).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=60)
        events = []
        for number, (who, time, value) in enumerate(USAGE):
            event = UsageEvent(event_id=f"compare-{number}", event_type="call", customer_id=who)
            event.event_time.FromJsonString(time)
            event.properties["value"].CopyFrom(PropertyValue(string_value=value))
            events.append(event)
        record(own, *events)

    def invoke(*words):
        words = ["compare", *words, "--target", engine.target]
        return CliRunner().invoke(cli, words, env={"METERLINE_API_KEY": made.key_text})

    return invoke


def test_each_cause_that_is_planted_is_found(run, tmp_path):
    """And nothing else differs: the fee of October is of another month."""
    (tmp_path / "old.csv").write_text(OLD)
    done = run(str(tmp_path / "old.csv"), *SPAN, "--csv", str(tmp_path / "found.csv"))
    assert done.exit_code == 1, (done.output, done.exception)
    with (tmp_path / "found.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = {
        (row["customer_id"], row["label"]): (row["cause"], row["difference"])
        for row in rows
        if row["customer_id"] != "curr"
    }
    assert found == FOUND
    currencies = {
        (row["currency"], row["cause"], row["difference"]) for row in rows if row["customer_id"] == "curr"
    }
    assert currencies == {("EUR", Cause.CURRENCY, "-10.00"), ("USD", Cause.CURRENCY, "10.00")}
    details = {row["customer_id"]: row["detail"] for row in rows}
    assert details["zoned"] == "the month begins and ends 5 h later"
    assert details["pror"] == "the old line is 15 of 30 days"
    assert details["many"] == "7 was billed, 4 is recorded: -3"
    assert "events counted more than once" in done.stdout


def test_a_bill_that_is_the_same_exits_with_0(run, tmp_path):
    """All that the customers with usage come to; the customers who have none in the file are left out by a tolerance."""
    lines = [line for line in OLD.splitlines() if line.startswith(("customer_id", "same"))]
    (tmp_path / "old.csv").write_text("\n".join(lines) + "\n")
    done = run(str(tmp_path / "old.csv"), *SPAN, "--tolerance", "10.00")
    assert (done.exit_code, "lines compared" in done.stdout) == (0, True), done.output


def test_a_file_without_labels_has_one_line_a_customer(run, tmp_path):
    """12.00 of same; 12.00 in place of 14.00 of twice, which no quantity explains."""
    (tmp_path / "old.csv").write_text(
        "customer_id,period_start,period_end,currency,amount\nsame,2025-11-01,2025-12-01,usd,12.00\ntwice,2025-11-01,2025-12-01,USD,14.00\n"
    )
    done = run(str(tmp_path / "old.csv"), *SPAN[:4], "--csv", str(tmp_path / "found.csv"))
    with (tmp_path / "found.csv").open(newline="") as file:
        rows = {row["customer_id"]: (row["cause"], row["difference"]) for row in csv.DictReader(file)}
    assert done.exit_code == 1
    assert rows["twice"] == (Cause.AMOUNT, "-2.00")
    assert "same" not in rows


def test_usage_that_came_after_the_period_is_late():
    """3 were recorded when the period ended, and 4 are now."""
    line = ComparedLine(
        *(
            "acme",
            "calls",
            "2025-11",
            "USD",
            "pro",
            "calls",
            1,
            1,
            Decimal(3),
            Decimal("1.50"),
            0,
            Decimal(4),
            Decimal(2),
        ),
        *(Decimal(0), Decimal(0), Decimal(2)),
    )
    both = frozenset({"acme"})
    (found,) = explained([line], both, both, lambda _line: Evidence(is_late=True))
    assert (found.cause, found.detail) == (Cause.LATE, "1 came after the period's end")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("customer_id,month,currency\na,2025-11,USD\n", "has no column 'amount'"),
        ("customer_id,month,currency,amount\na,2025-11,USD,ten\n", "old.csv:2: amount"),
        ("customer_id,month,currency,amount\na,2025-13,USD,1\n", "is not a month"),
        ("customer_id,month,currency,amount\na,2024-11,USD,1\n", "have no line of 2025-11"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_where_it_is_wrong(run, tmp_path, text, said):
    (tmp_path / "old.csv").write_text(text)
    done = run(str(tmp_path / "old.csv"), *SPAN[:4])
    assert done.exit_code in (1, 2)
    assert said in done.output + str(done.exception)
