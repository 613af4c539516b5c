"""Line items as values: exact, with all that explains them."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from meterline import (
    AsyncClient,
    Conversion,
    InvalidArgumentError,
    Rounding,
    StageAmount,
    TierAmount,
    UnrateableCustomer,
)
from meterline.v1 import billing_pb2

EXACT = "12345678901234567890123456.123456789012"


@pytest.fixture
def page(engine):
    """One page: a line with every part, and two of customers who can't be rated."""
    page = billing_pb2.ListLineItemsResponse(catalog_revision=7)
    line = page.line_items.add(
        line_item_id="li-1",
        customer_id="acme",
        quantity=EXACT,
        billable_quantity="0.000000000001",
        exact_amount="0.004",
        amount="0.01",
        currency="USD",
        dimensions={"region": "eu", "model": "large"},
        event_count=5,
        missing_value_event_count=2,
        unreadable_event_count=1,
        conversion=billing_pb2.Conversion(divisor="1000"),
        allowance="100",
        free_amount="2.50",
        package_size="25",
        block_size="1E3",
        rounding=billing_pb2.Rounding(
            mode="half_up",
            scope="line",
            digits=2,
            group_count=3,
            charge_exact_amount="0.012",
            charge_amount="0.01",
        ),
        stages=[
            billing_pb2.StageAmount(stage="price", amount="0.005"),
            billing_pb2.StageAmount(stage="percent_off", amount="0.004", term="20"),
        ],
        tiers=[billing_pb2.TierAmount(index=0, quantity="1", unit_amount="0.005", amount="0.005")],
    )
    line.period_start.FromMicroseconds(1_772_323_200_000_000)
    line.period_end.FromMicroseconds(1_775_001_600_000_000)
    page.line_items.add(customer_id="bolt", unrateable_reason="has no cell: region=mars")
    page.line_items.add(customer_id="bolt", amount="3.00", exact_amount="3")
    page.unrateable_customers.add(customer_id="bolt", message="has no cell: region=mars")
    engine.lines.pages.append(page)
    return page


@pytest.mark.usefixtures("page")
def test_a_line_is_exact_and_whole(connect):
    """Decimals as the engine wrote them, to the last of 38 digits; what a line doesn't have is None."""
    line, unrateable, plain = connect().lines()
    assert str(line.quantity) == EXACT
    assert str(line.billable_quantity) == str(Decimal("1E-12"))
    assert (str(line.exact_amount), str(line.amount)) == ("0.004", "0.01")
    assert (line.period_start, line.period_end) == (
        datetime(2026, 3, 1, tzinfo=UTC),
        datetime(2026, 4, 1, tzinfo=UTC),
    )
    assert list(line.dimensions.items()) == [("model", "large"), ("region", "eu")]
    assert (line.event_count, line.missing_value_event_count, line.unreadable_event_count) == (5, 2, 1)
    assert line.conversion == Conversion(factor=None, divisor=Decimal(1000))
    assert (line.allowance, line.free_amount) == (Decimal(100), Decimal("2.50"))
    assert (line.package_size, line.block_size) == (Decimal(25), Decimal(1000))
    assert line.rounding == Rounding("half_up", "line", 2, 3, Decimal("0.012"), Decimal("0.01"))
    assert line.stages == (
        StageAmount("price", Decimal("0.005"), None),
        StageAmount("percent_off", Decimal("0.004"), Decimal(20)),
    )
    assert line.tiers == (TierAmount(0, None, Decimal(1), Decimal("0.005"), None, Decimal("0.005")),)
    assert (unrateable.amount, unrateable.exact_amount, unrateable.billable_quantity) == (None, None, None)
    assert unrateable.unrateable_reason == "has no cell: region=mars"
    assert (plain.amount, plain.unrateable_reason, plain.conversion, plain.allowance) == (
        Decimal(3),
        "",
        None,
        None,
    )
    assert plain.rounding == Rounding("", "", 0, 0, None, None)


def test_who_can_not_be_rated_is_complete_after_the_last_line(engine, page, connect):
    """A customer whose lines are on two pages is named once, with the first reason."""
    further = engine.lines.pages
    further.append(billing_pb2.ListLineItemsResponse(catalog_revision=7))
    further[1].line_items.add(customer_id="bolt", unrateable_reason="has no cell: region=moon")
    further[1].unrateable_customers.add(customer_id="bolt", message="has no cell: region=moon")
    further[1].unrateable_customers.add(customer_id="corn", message="has no cell: region=moon")
    lines = connect().lines()
    first = UnrateableCustomer("bolt", "has no cell: region=mars")
    assert lines.unrateable_customers == (first,)
    assert len(list(lines)) == 4
    both = (first, UnrateableCustomer("corn", "has no cell: region=moon"))
    assert lines.unrateable_customers == both

    async def main():
        async with AsyncClient(engine.target) as client:
            lines = client.lines()
            assert len([line async for line in lines]) == 4
            return lines.unrateable_customers

    assert asyncio.run(main()) == both


@pytest.mark.usefixtures("page")
def test_a_listing_is_asked_for_as_it_was_meant(engine, connect):
    """The customer and the instant travel; without them it is everybody, now."""
    client = connect()
    client.lines()
    client.lines("acme", at=datetime(2026, 3, 1, 0, 0, 0, 1, tzinfo=UTC))
    everybody, acme = engine.lines.requests
    assert (everybody.customer_id, everybody.HasField("at"), everybody.HasField("as_of")) == (
        "",
        False,
        False,
    )
    assert (acme.customer_id, acme.at.ToMicroseconds()) == ("acme", 1_772_323_200_000_001)


@pytest.mark.parametrize(
    ("customer_id", "message"),
    [
        ("", "customer_id is empty: leave it out for all customers"),
        (7, r"customer_id is a int \(7\): give a str"),
        ("\ud800", "customer_id is not valid Unicode"),
    ],
)
def test_a_customer_who_can_not_be_meant_is_refused(engine, connect, customer_id, message):
    """An empty id is a variable that was not set, and must not bill everybody."""
    with pytest.raises(InvalidArgumentError, match=message):
        connect().lines(customer_id)
    assert engine.lines.requests == []
