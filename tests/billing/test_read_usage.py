"""The usage of an answer's charges, from a real store to rated lines: how often it is read, and with how many groups."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from engine.billing.rater import Rater, Snapshot
from engine.catalog.documents.document import read_document
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import Versioned
from engine.spend.spend import joined, spend_of
from engine.times import datetime_us
from engine.usage.query.periods_reader import PeriodsReader
from engine.usage.query.usage_reader import UsageReader
from engine.usage.store.backends.server_address import read_server_address
from engine.usage.store.usage_store import UsageStore
from tests.support.catalogs import versions_of
from tests.support.usage.clickhouse_process import ClickHouseProcess
from tests.support.usage.meter_reads import deliver

AT = datetime(2026, 3, 30, 12, tzinfo=UTC)
METERS = """
meters:
  - {id: calls, event_type: call, aggregation: count}
  - {id: tokens, event_type: call, aggregation: sum, value: tokens, group_by: [model]}
plans:
  - id: p
    name: P
    currency: USD
    prices:
      - {id: calls, meter: calls, model: per_unit, unit_amount: "0.01"}
      - {id: tokens, meter: tokens, model: per_unit, unit_amount: 2}
"""
CELLS = """
  - id: by_model
    name: M
    currency: USD
    prices:
      - {id: calls, meter: calls, model: per_unit, unit_amount: "0.01"}
      - {id: cells, meter: tokens, model: matrix, dimensions: [model], default: 1, cells: [{match: {model: a}, unit_amount: 2}]}
"""
# 31 x 45 ids of 109 bytes: a parameter of a server would hold 128 KiB, and these are 148.
DAYS, OF_A_DAY = 31, 45


@pytest.fixture(scope="module", params=["embedded", "server"])
def store(request, tmp_path_factory):
    if request.param == "embedded":
        opened = UsageStore.open_embedded(tmp_path_factory.mktemp("billing") / "usage")
        yield opened
        opened.close()
        return
    with ClickHouseProcess(tmp_path_factory.mktemp("server")) as server:
        opened = UsageStore.open_server(read_server_address(server.url()))
        yield opened
        opened.close()


def catalog_of(tenant, text):
    empty = Catalog.empty(tenant)
    resources = read_document(text, "c.yaml").resources(empty, datetime(2026, 1, 1, tzinfo=UTC))
    return empty.advanced(1, versions_of(Versioned(each, 1, 1) for each in resources))


def subscribed(*subscriptions):
    """Customers and their subscriptions, given as (customer, plan, start)."""
    customers = dict.fromkeys(customer for customer, _, _ in subscriptions)
    lines = ["customers:", *(f"  - {{id: {each}, name: C}}" for each in customers), "subscriptions:"]
    lines += [
        f"  - {{customer: {each}, plan: {plan}, start: {start}}}" for each, plan, start in subscriptions
    ]
    return "\n".join(lines) + "\n"


def event(tenant, number, customer, at, tokens, model):
    return {
        "tenant": tenant,
        "event_id": f"e{number}",
        "event_type": "call",
        "customer": customer,
        "time_us": datetime_us(at) if isinstance(at, datetime) else at,
        "properties": {"tokens": str(tokens), "model": model},
        "ingested_us": 1,
    }


def rater_of(store):
    return Rater(None, PeriodsReader(store, UsageReader(store)), None, None)


def period_of_day(day):
    """The period that contains AT of a subscription that began on that day of January."""
    if day == 31:
        return datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC)
    return datetime(2026, 3, day, tzinfo=UTC), datetime(2026, 4, day, tzinfo=UTC)


def customer_of(number):
    return f"customer{number:04}{'x' * 97}"


@pytest.fixture(scope="module")
def many(store):
    """Customers whose subscriptions begin on 31 days, each with an event at the first and at the last instant of the
    period, and one before and one behind it.
    """
    starts, events = [], []
    for number in range(DAYS * OF_A_DAY):
        customer, day = customer_of(number), number % DAYS + 1
        starts.append((customer, "p", f"2026-01-{day:02}"))
        start_us, end_us = map(datetime_us, period_of_day(day))
        for place, (at_us, tokens) in enumerate(
            ((start_us - 1, 10**6), (start_us, number), (end_us - 1, 5), (end_us, 10**6))
        ):
            events.append(event("many", 4 * number + place, customer, at_us, tokens, "ab"[place % 2]))
    # Nobody's customer, in between.
    events.append(event("many", "-", customer_of(7) + "y", AT, 10**6, "a"))
    deliver(store, events)
    return catalog_of("many", METERS + subscribed(*starts))


def test_every_customer_has_the_usage_of_the_own_period(store, many):
    """Of two events in it: the first has the customer's number of tokens, by model b, the last 5 by model a."""
    rated = rater_of(store).rate(Snapshot(many, datetime_us(AT), 1), np.arange(DAYS * OF_A_DAY))
    lines = rated.line_items(np.arange(len(rated)))
    found = [
        (each.charge.subscription.customer, each.charge.billed.price.id, each.dimensions, each.rated.amount)
        for each in lines
    ]
    assert found == [
        line
        for number in range(DAYS * OF_A_DAY)
        for line in (
            (customer_of(number), "calls", {}, Decimal("0.02")),
            (customer_of(number), "tokens", {"model": "a"}, Decimal(10)),
            (customer_of(number), "tokens", {"model": "b"}, Decimal(2 * number)),
        )
    ]


def test_one_read_serves_all_meters_and_periods(store, many, monkeypatch):
    """Also of 1,395 customers with 31 periods: besides it the store is only asked what a reader remembers."""
    reads = Counter()

    def count(way):
        read = getattr(store, way)
        monkeypatch.setattr(store, way, lambda query: reads.update([way]) or read(query))

    count("query")
    count("query_columns")
    rater = rater_of(store)
    (rated,) = rater.rate_all(Snapshot(many, datetime_us(AT), 1))
    assert reads["query_columns"] == 1
    assert reads["query"] <= 3
    # 0.02 for calls, 2 x 5 and 2 x its number for tokens: 1,395 x 10.02 + 2 x (0 + ... + 1,394).
    (total,) = spend_of(rated).totals()
    assert (total.amount, total.incomplete) == (Decimal("1958607.90"), False)


@pytest.fixture(scope="module")
def crowded(store):
    """A customer with 200,001 models, and two with one each."""
    events = [event("crowded", number, "crowd", AT, 1, f"m{number}") for number in range(200_001)]
    events += [event("crowded", customer, customer, AT, 3, "a") for customer in ("acme", "zed")]
    deliver(store, events)


def test_a_customer_of_too_many_groups_is_told_so_alone(store, crowded):
    """Also where nobody else's groups are read."""
    catalog = catalog_of("crowded", METERS + subscribed(("crowd", "p", "2026-03-01")))
    rated = rater_of(store).rate_customer(Snapshot(catalog, datetime_us(AT), 1), "crowd")
    assert [each.rated and each.rated.amount for each in rated.line_items(np.arange(len(rated)))] == [
        Decimal("2000.01"),
        None,
    ]


@pytest.mark.parametrize("plan", ["p", "by_model"])
def test_a_charge_of_too_many_groups_is_flagged_and_nothing_else(store, crowded, plan):
    """Its line has no amount and says why, also of a matrix price; its customer's other lines and all others stand."""
    starts = [(customer, plan, "2026-03-01") for customer in ("acme", "crowd", "zed")]
    catalog = catalog_of("crowded", METERS + CELLS + subscribed(*starts))
    (rated,) = rater_of(store).rate_all(Snapshot(catalog, datetime_us(AT), 1))
    lines = rated.line_items(np.arange(len(rated)))
    amounts = [
        (each.charge.subscription.customer, each.dimensions, each.rated and each.rated.amount)
        for each in lines
    ]
    assert amounts == [
        ("acme", {}, Decimal("0.01")),
        ("acme", {"model": "a"}, Decimal(6)),
        # 200,001 x 0.01.
        ("crowd", {}, Decimal("2000.01")),
        ("crowd", {}, None),
        ("zed", {}, Decimal("0.01")),
        ("zed", {"model": "a"}, Decimal(6)),
    ]
    (flagged,) = rated.unrateable_lines(10)
    assert flagged.unrateable_reason == (
        "has more than 200,000 combinations of its meter's group_by properties: "
        "have the meter group by properties with fewer values"
    )
    spends = joined([spend_of(rated)])
    assert [(each.customer_id, each.amount, each.incomplete) for each in spends.by_amount(3)] == [
        ("crowd", Decimal("2000.01"), True),
        ("acme", Decimal("6.01"), False),
        ("zed", Decimal("6.01"), False),
    ]


def test_nobody_reads_where_no_event_ever_came(store, monkeypatch):
    """A server is asked each time: others write to it. An event is in the first answer after it."""
    tenant = f"silent{'' if store.own_writes else '_server'}"
    catalog = catalog_of(tenant, METERS + subscribed(("acme", "p", "2026-03-01")))
    reads = Counter()
    read = store.query_columns
    monkeypatch.setattr(store, "query_columns", lambda query: reads.update(["scan"]) or read(query))
    rater = rater_of(store)

    def lines(as_of_us):
        rated = rater.rate_customer(Snapshot(catalog, datetime_us(AT), as_of_us), "acme")
        return [
            (each.dimensions, each.event_count, each.rated.amount)
            for each in rated.line_items(np.arange(len(rated)))
        ]

    nothing = [({}, 0, Decimal(0)), ({}, 0, Decimal(0))]
    assert lines(1) == lines(1) == nothing
    assert reads["scan"] == (0 if store.own_writes else 2)
    deliver(store, [event(tenant, 1, "acme", AT, 3, "a")])
    assert lines(1) == [({}, 1, Decimal("0.01")), ({"model": "a"}, 1, Decimal(6))]
    # What was so before the event was ingested stays so.
    assert lines(0) == nothing
