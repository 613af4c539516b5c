"""The client reads line items and usage of a running engine: all pages, one snapshot, exact."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from meterline import (
    AccessDeniedError,
    AsyncClient,
    Client,
    Conversion,
    Event,
    InvalidArgumentError,
    InvalidRequestError,
    NotFoundError,
    StageAmount,
    UnrateableCustomer,
    Verdict,
)

CATALOG = """
meters:
  - {id: NAME_tokens, event_type: NAME.call, aggregation: sum, value: tokens, group_by: [model]}
plans:
  - id: NAME
    name: The plan of NAME
    currency: USD
    prices:
      - {id: fee, model: flat, flat_amount: "20", percent_off: 10}
      - id: tokens
        meter: NAME_tokens
        model: per_unit
        unit_amount: "0.0041"
        conversion: {divisor: 1000, rounding: {mode: up, digits: 3}}
        free_units: 1
  - id: NAME_matrix
    name: By model
    currency: USD
    prices:
      - id: tokens
        meter: NAME_tokens
        model: matrix
        dimensions: [model]
        cells: [{match: {model: large}, unit_amount: "0.5"}]
customers:
  - {id: NAME_acme, name: Acme}
  - {id: NAME_mars, name: Mars}
subscriptions:
  - {customer: NAME_acme, plan: NAME, start: 2025-06-01, plan_version: 2}
  - {customer: NAME_mars, plan: NAME_matrix, start: 2025-06-01}
"""
JUNE = (datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC))
JUNE_10 = datetime(2025, 6, 10, 12, tzinfo=UTC)
DAYS = 3
# So many groups with names so long that neither the lines (at most 1,000 a page) nor the rows of three days (at most
# 3 MiB a page: 1,100 x 3 x 1,000 bytes are more) fit one page.
MODELS = [f"{number:04}".ljust(1_000, "x") for number in range(1_100)]


@pytest.fixture
def world(name, apply):
    """Acme pays by the thousand tokens; mars by a matrix that has one cell."""
    apply(CATALOG.replace("NAME", name))
    return name


def call(name, model, tokens, *, customer="acme", day=0):
    properties = {"model": model} if tokens is None else {"model": model, "tokens": tokens}
    return Event(f"{name}_{customer}", f"{name}.call", properties, None, JUNE_10 + timedelta(days=day))


def record(client, events):
    verdicts = Counter(receipt.verdict for receipt in client.record_batch(events))
    assert set(verdicts) == {Verdict.ACCEPTED}


@pytest.fixture
def recorded(client, world):
    """700 tokens of each model on each of three days."""
    record(client, (call(world, model, 700, day=day) for model in MODELS for day in range(DAYS)))
    return world


def test_all_lines_of_one_snapshot_come_in_pages(client, recorded):
    """2.1 thousand tokens of each model, one of them free: 1.1 x 0.0041 = 0.00451 of each of 1,100, 4.961 together,
    which is 4.96; and 18 for the fee. What is recorded between two pages is in none of them.
    """
    lines = client.lines(f"{recorded}_acme", at=JUNE_10)
    fee = next(lines)
    record(client, [call(recorded, MODELS[-1], 1_000_000)])
    tokens = list(lines)
    assert [line.dimensions["model"] for line in tokens] == MODELS
    assert {(line.quantity, line.billable_quantity, line.event_count) for line in tokens} == {
        (Decimal(2_100), Decimal("1.1"), 3)
    }
    assert {str(line.exact_amount) for line in tokens} == {"0.00451"}
    assert {
        (line.rounding.group_count, line.rounding.charge_exact_amount, line.rounding.charge_amount)
        for line in tokens
    } == {(1_100, Decimal("4.961"), Decimal("4.96"))}
    assert sum(line.amount for line in tokens) == Decimal("4.96")
    assert (fee.amount, fee.quantity, fee.meter_id) == (Decimal("18.00"), Decimal(0), "")
    assert lines.unrateable_customers == ()

    again = client.lines(
        f"{recorded}_acme", at=JUNE_10, as_of=lines.as_of, catalog_revision=lines.catalog_revision
    )
    assert [fee, *tokens] == list(again)
    # 1,002.1 thousand, one free: 1,001.1 x 0.0041.
    *_, newest = client.lines(f"{recorded}_acme", at=JUNE_10)
    assert newest.exact_amount == Decimal("4.10451")
    spend = client.spend(
        f"{recorded}_acme", at=JUNE_10, as_of=lines.as_of, catalog_revision=lines.catalog_revision
    )
    assert spend.amount == Decimal("22.96")


def test_all_usage_of_one_snapshot_comes_in_pages(client, recorded):
    """A row for each model and day; what is recorded between two pages is in none of them."""
    rows = client.usage(f"{recorded}_tokens", *JUNE, window="day")
    first = next(rows)
    record(client, [call(recorded, MODELS[-1], 1_000_000)])
    found = [first, *rows]
    assert [(row.dimensions["model"], row.window_start.day) for row in found] == [
        (model, 10 + day) for model in MODELS for day in range(DAYS)
    ]
    assert {(row.customer_id, row.quantity, row.event_count) for row in found} == {
        (f"{recorded}_acme", Decimal(700), 1)
    }
    assert (rows.meter_version, rows.group_by) == (1, ("customer_id", "model"))
    [total] = client.usage(
        f"{recorded}_tokens", *JUNE, group_by=(), as_of=rows.as_of, catalog_revision=rows.catalog_revision
    )
    assert (total.quantity, total.event_count, total.dimensions) == (Decimal(2_310_000), 3_300, {})


def test_a_client_makes_links_to_spend_pages(client, engine, recorded):
    """The token alone is a key that reads this customer; the text of a link shows no token."""
    acme = f"{recorded}_acme"
    link = client.spend_page(acme, valid_for=timedelta(hours=1))
    assert timedelta(minutes=50) < link.expires_at - datetime.now(UTC) <= timedelta(hours=1)
    # This engine serves no HTTP.
    assert (link.url, link.token[:4], link.token in repr(link)) == ("", "mls_", False)
    with Client(engine.target, api_key=link.token) as portal:
        assert portal.spend(acme, at=JUNE_10).totals == client.spend(acme, at=JUNE_10).totals
        with pytest.raises(AccessDeniedError):
            portal.spend_page(acme)

    async def main():
        async with AsyncClient(engine.target) as other:
            return await other.spend_page(acme)

    assert asyncio.run(main()).customer_id == acme
    for wrong in (timedelta(0), timedelta(days=60_000), 3_600):
        with pytest.raises(InvalidArgumentError):
            client.spend_page(acme, valid_for=wrong)
    with pytest.raises(InvalidRequestError, match="valid_for_s"):
        client.spend_page(acme, valid_for=timedelta(days=32))
    with pytest.raises(NotFoundError):
        client.spend_page("nobody")


def test_a_loop_reads_the_same(client, engine, recorded):
    """Value by value, at one watermark."""
    lines = list(client.lines(f"{recorded}_acme", at=JUNE_10))
    rows = list(client.usage(f"{recorded}_tokens", *JUNE, window="month", time_zone="Europe/Berlin"))

    async def main():
        async with AsyncClient(engine.target) as other:
            assert [line async for line in other.lines(f"{recorded}_acme", at=JUNE_10)] == lines
            listing = await other.usage(
                f"{recorded}_tokens", *JUNE, window="month", time_zone="Europe/Berlin"
            )
            assert [row async for row in listing] == rows
            spend = await other.spend(
                f"{recorded}_acme", at=JUNE_10, catalog_revision=listing.catalog_revision
            )
            return spend.amount

    assert asyncio.run(main()) == Decimal("22.96")


def test_a_line_says_how_it_came_about(client, world):
    """The conversion and the free units of the price, its discount, and the event without tokens."""
    record(client, [call(world, "large", Decimal("5000.000000000001")), call(world, "large", None)])
    fee, tokens = client.lines(f"{world}_acme", at=JUNE_10)
    assert fee.stages == (
        StageAmount("price", Decimal(20), None),
        StageAmount("percent_off", Decimal(18), Decimal(10)),
    )
    assert tokens.quantity == Decimal("5000.000000000001")
    assert (tokens.event_count, tokens.missing_value_event_count) == (2, 1)
    assert tokens.conversion == Conversion(factor=None, divisor=Decimal(1000))
    # 5.000000000000001 is rounded up to 5.001, of which 1 is free; 4.001 x 0.0041 is 0.0164041.
    assert (tokens.allowance, tokens.billable_quantity) == (Decimal(1), Decimal("4.001"))
    assert (tokens.exact_amount, tokens.amount) == (Decimal("0.0164041"), Decimal("0.02"))


def test_who_can_not_be_rated_is_told_with_the_lines(client, world):
    """A model without a cell: its line has no amount, and the listing names the customer."""
    record(client, [call(world, "large", 2, customer="mars"), call(world, "huge", 2, customer="mars")])
    lines = client.lines(f"{world}_mars", at=JUNE_10)
    assert {line.dimensions["model"]: line.amount for line in lines} == {
        "large": Decimal("1.00"),
        "huge": None,
    }
    [mars] = lines.unrateable_customers
    assert isinstance(mars, UnrateableCustomer)
    assert mars.customer_id == f"{world}_mars"
    assert "model=huge" in mars.message


def test_an_earlier_catalog_rates_as_it_did(client, world, apply):
    """The fee was 18.00 before it was 27.00; without usage the other line is of nothing."""
    before = client.spend(f"{world}_acme", at=JUNE_10)
    dearer = CATALOG.replace("NAME", world).replace('flat_amount: "20"', 'flat_amount: "30"')
    apply(dearer.replace("plan_version: 2", "plan_version: 3"))
    assert client.spend(f"{world}_acme", at=JUNE_10).amount == Decimal("27.00")
    pinned = {"at": JUNE_10, "catalog_revision": before.catalog_revision}
    assert client.spend(f"{world}_acme", **pinned).amount == before.amount == Decimal("18.00")
    assert [line.amount for line in client.lines(f"{world}_acme", **pinned)] == [Decimal("18.00"), Decimal(0)]


def test_filters_groups_and_customers_choose(client, world):
    """Two customers, three models: each question gets what it asks for."""
    record(client, [call(world, model, tokens) for model, tokens in (("a", 1), ("b", 2), ("c", 4))])
    record(client, [call(world, "a", 8, customer="mars")])

    def quantities(**question):
        return [int(row.quantity) for row in client.usage(f"{world}_tokens", *JUNE, **question)]

    assert quantities() == [1, 2, 4, 8]
    assert quantities(group_by=["model"]) == [9, 2, 4]
    assert quantities(group_by=["customer_id"]) == [7, 8]
    assert quantities(customer_ids=[f"{world}_mars"]) == [8]
    assert quantities(group_by=[], filters={"model": ["b", "c"]}) == [6]


def test_what_is_not_there_is_told_at_the_call(client, engine, world):
    """An unknown customer, meter and revision, and a zone that is none."""
    for read in (
        lambda: client.lines("nobody"),
        lambda: client.lines(f"{world}_acme", catalog_revision=1_000_000),
        lambda: client.usage("nothing", *JUNE),
    ):
        with pytest.raises(NotFoundError, match=r"nobody|revision 1,?000,?000|nothing"):
            read()
    with pytest.raises(InvalidRequestError, match="time_zone"):
        client.usage(f"{world}_tokens", *JUNE, time_zone="Europe/Atlantis")

    async def main():
        async with AsyncClient(engine.target) as other:
            with pytest.raises(NotFoundError, match="nobody"):
                await other.lines("nobody")
            with pytest.raises(NotFoundError, match="nobody"):
                await anext(other.lines("nobody"))

    asyncio.run(main())
