"""Usage by day behind the lines of an invoice, as its annex: what was rated, and whether its days add up to what is billed."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.support.billing_documents import pages_of
from tests.support.engine.tenant_world import TenantWorld

CATALOG = """
meters:
  - {id: calls, event_type: call, aggregation: sum, value: value, group_by: [region], unit: calls}
  - {id: requests, event_type: call, aggregation: count}
  - {id: peak, event_type: call, aggregation: max, value: value}
  - {id: regions, event_type: call, aggregation: unique_count, value: region}
  - {id: seats, event_type: seat, aggregation: sum, value: value, carries_over: true}
  - {id: tens, event_type: call, aggregation: sum, value: value, unit: tens, conversion: {divisor: 10, rounding: {mode: up, digits: 0}}}
plans:
  - id: pro
    name: Pro
    currency: EUR
    prices:
      - {id: calls, meter: calls, model: per_unit, unit_amount: 1}
      - {id: care, meter: calls, model: per_unit, unit_amount: 2}
      - {id: requests, meter: requests, model: per_unit, unit_amount: 1}
      - {id: peak, meter: peak, model: per_unit, unit_amount: 1}
      - {id: regions, meter: regions, model: per_unit, unit_amount: 1}
      - {id: seats, meter: seats, model: per_unit, unit_amount: 1}
      - {id: tens, meter: tens, model: per_unit, unit_amount: 1}
customers: [{id: acme, name: Acme, time_zone: Europe/Berlin, aliases: [acme-eu]}]
subscriptions: [{customer: acme, plan: pro, start: "2025-11-01T00:00:00+01:00"}]
"""
PARTS = """
meters: [{id: calls, event_type: call, aggregation: sum, value: value, unit: calls}]
plans: [{id: pro, name: Pro, currency: EUR, prices: [{id: calls, meter: calls, model: per_unit, unit_amount: 1}]}]
customers: [{id: bolt, name: Bolt}]
subscriptions: [{customer: bolt, plan: pro, start: START}]
"""
# Berlin is an hour ahead of UTC: its days begin at 23:00.
DAYS = {"5": "2025-11-04T23:00:00Z", "6": "2025-11-05T23:00:00Z", "20": "2025-11-19T23:00:00Z"}


@pytest.fixture
def world(engine, channel, request):
    found = TenantWorld.of(engine, channel, request.node.originalname, CATALOG)
    yield found
    found.channel.close()


@pytest.fixture
def invoiced(world):
    """November of acme, and what came late for it. Of five seats three are from October."""
    for day, value in (("2025-10-20", "3"), ("2025-11-20", "2")):
        world.use(day, "acme", day, value, "eu", event_type="seat")
    for number, (customer, day, value, region) in enumerate(
        (("acme", 5, "4", "eu"), ("acme-eu", 5, "6", "eu"), ("acme", 6, "10", "us"), ("acme", 20, "5", "eu"))
    ):
        world.use(f"e{number}", customer, f"2025-11-{day:02}", value, region)
    world.run("close", "--period", "2025-11", "--time-zone", "Europe/Berlin")
    world.use("late", "acme", "2025-11-07", "1000", "eu")
    (number,) = (line[0] for line in world.said("invoices", "list") if line[0].startswith("INV"))
    return number


def written(world, tmp_path, number, name, *options):
    path = tmp_path / name
    world.run("invoices", "document", number, "--with-usage", "-o", str(path), *options)
    return path


def test_days_come_to_what_their_lines_bill_or_it_is_said_that_they_don_t(world, invoiced, tmp_path):
    """By group, day of the customer's clock, and meter, at the invoice's watermark: what came late is not in it."""
    found = json.loads(written(world, tmp_path, invoiced, "a.json").read_text())
    lines = {line["line_number"]: line for section in found["sections"] for line in section["lines"]}
    usage = {(each["meter_id"], each["dimensions"].get("region")): each for each in found["usage"]}
    told = {
        key: (
            each["relation"],
            each["quantity"],
            each.get("days_sum"),
            [day["quantity"] for day in each["days"]],
        )
        for key, each in usage.items()
    }
    assert told == {
        ("calls", "eu"): ("adds_up", "15", "15", ["10", "5"]),
        ("calls", "us"): ("adds_up", "10", "10", ["10"]),
        ("requests", None): ("adds_up", "4", "4", ["2", "1", "1"]),
        ("peak", None): ("not_additive", "10", None, ["6", "10", "5"]),
        ("regions", None): ("not_additive", "2", None, ["1", "1", "1"]),
        ("seats", None): ("not_additive", "5", None, ["3"] * 19 + ["5"] * 11),
        # 25 by ten, rounded up once.
        ("tens", None): ("converted", "3", "25", ["10", "10", "5"]),
    }
    assert [day["start"] for day in usage["requests", None]["days"]] == list(DAYS.values())
    for each in found["usage"]:
        names = {lines[number]["price_id"] for number in each["line_numbers"]}
        assert names == ({"calls", "care"} if each["meter_id"] == "calls" else {each["meter_id"]})
        for number in each["line_numbers"]:
            assert lines[number]["quantity"] == each["quantity"]
            assert lines[number]["dimensions"] == each["dimensions"]
        if each["relation"] == "adds_up":
            assert sum(Decimal(day["quantity"]) for day in each["days"]) == Decimal(each["quantity"])


def test_csv_of_usage_has_a_row_a_line_and_day(world, invoiced, tmp_path):
    """Every line that bills usage; those of one line add up to it, or say that they don't."""
    lines = list(
        csv.DictReader(
            io.StringIO(world.run("invoices", "document", invoiced, "--format", "csv", "-o", "-").stdout)
        )
    )
    rows = list(
        csv.DictReader(written(world, tmp_path, invoiced, "a.csv").open(encoding="utf-8", newline=""))
    )
    assert {row["line_number"] for row in rows} == {line["line_number"] for line in lines}
    for line in lines:
        own = [row for row in rows if row["line_number"] == line["line_number"]]
        assert {row["line_quantity"] for row in own} == {line["quantity"]}
        total = sum(Decimal(row["quantity"]) for row in own)
        for row in own:
            assert row["number"] == invoiced
            assert row["start"] in DAYS.values() or row["meter_id"] == "seats"
            assert row["days_sum"] == ("" if row["relation"] == "not_additive" else str(total))


SAID = {
    "en": (
        "Usage by day calls region: eu Line",
        "Day Quantity Day Quantity Nov 5, 2025 10 Nov 20, 2025 5 In all 15 calls.",
        "Billed: 2. The days do not add up to it: what comes on several days counts once.",
        "the largest value of the period counts.",
        "what came before the period counts, too.",
        "As measured 25 in all, converted to 3 tens.",
    ),
    "de": (
        "Verbrauch nach Tagen calls region: eu Position",
        "05.11.2025 10 20.11.2025 5 Insgesamt 15 calls.",
        "Was an mehreren Tagen vorkommt, zählt einmal.",
    ),
}


def test_the_annex_of_a_pdf_and_a_page_says_it_in_words(world, invoiced, tmp_path):
    """On pages behind the invoice, which without it are not there; the same bytes again."""
    for locale, said in SAID.items():
        path = written(world, tmp_path, invoiced, "a.pdf", "--locale", locale)
        _, *annex = pages_of(path.read_bytes())
        text = " ".join(annex)
        for each in said:
            assert each in text, text
        again = written(world, tmp_path, invoiced, "b.pdf", "--locale", locale)
        assert path.read_bytes() == again.read_bytes()
        page = written(world, tmp_path, invoiced, "a.html", "--locale", locale).read_text(encoding="utf-8")
        assert said[0].partition(" calls")[0] in page
    world.run("invoices", "document", invoiced, "-o", str(tmp_path / "c.pdf"))
    assert len(pages_of((tmp_path / "c.pdf").read_bytes())) == 1


def test_an_invoice_of_a_part_of_the_period_says_how_much_of_its_days_it_bills(
    engine, channel, request, tmp_path
):
    """40 are billed at once, then 60 more: the days until then come to 100."""
    today = datetime.now(UTC).date()
    catalog = PARTS.replace("START", str(today - timedelta(days=10)))
    world = TenantWorld.of(engine, channel, request.node.originalname, catalog)
    for number, value in enumerate(("40", "60")):
        world.use(f"e{number}", "bolt", str(today - timedelta(days=5 - number)), value, "eu")
        world.run("close", "--threshold", "--customer", "bolt", "--regardless")
    numbers = sorted(line[0] for line in world.said("invoices", "list") if line[0].startswith("INV"))
    told = []
    for number in numbers:
        (each,) = json.loads(written(world, tmp_path, number, f"{number}.json").read_text())["usage"]
        told.append((each["relation"], each["quantity"], each["days_sum"]))
    world.channel.close()
    assert told == [("adds_up", "40", "40"), ("differs", "60", "100")]
