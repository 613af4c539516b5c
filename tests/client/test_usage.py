"""Usage as values, and the question as it travels."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from meterline import InvalidArgumentError
from meterline.v1 import metering_pb2

JUNE = (datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
EXACT = "-12345678901234567890123456.123456789012"


@pytest.fixture
def page(engine):
    """One page with one row of one day."""
    page = metering_pb2.QueryUsageResponse(catalog_revision=7, meter_version=3)
    row = page.rows.add(
        customer_id="acme",
        dimensions={"region": "eu", "model": "large"},
        quantity=EXACT,
        event_count=5,
        unreadable_event_count=1,
        missing_value_event_count=2,
        event_digest="00000000deadbeef",
    )
    row.window_start.FromMicroseconds(1_780_272_000_000_000)
    row.window_end.FromMicroseconds(1_780_358_400_000_000)
    engine.usage.pages.append(page)
    return page


@pytest.mark.usefixtures("page")
def test_a_row_is_exact(connect):
    """The quantity as the engine wrote it, to the last of 38 digits, and times in UTC."""
    rows = connect().usage("tokens", *JUNE)
    [row] = rows
    assert str(row.quantity) == EXACT
    assert row.quantity == Decimal(EXACT)
    assert (row.window_start, row.window_end) == (
        datetime(2026, 6, 1, tzinfo=UTC),
        datetime(2026, 6, 2, tzinfo=UTC),
    )
    assert (row.customer_id, list(row.dimensions.items())) == ("acme", [("model", "large"), ("region", "eu")])
    assert (row.event_count, row.unreadable_event_count, row.missing_value_event_count) == (5, 1, 2)
    assert (row.event_digest, rows.meter_version) == ("00000000deadbeef", 3)


@pytest.mark.usefixtures("page")
def test_a_question_travels_whole(engine, connect):
    """Each part in its field; what is left out is the engine's default."""
    client = connect()
    client.usage("tokens", *JUNE)
    client.usage(
        "tokens",
        *JUNE,
        window="day",
        time_zone="Europe/Berlin",
        group_by=["customer_id", "model", "properties.customer_id"],
        filters={"region": ["eu", ""]},
        customer_ids=("acme", "bolt"),
    )
    client.usage("tokens", *JUNE, group_by=[])
    plain, full, total = engine.usage.requests
    assert (plain.meter_id, plain.period_start.seconds, plain.period_end.seconds) == (
        "tokens",
        1_780_272_000,
        1_782_864_000,
    )
    assert (plain.window, plain.time_zone, plain.HasField("group_by")) == (0, "", False)
    assert (list(plain.filters), list(plain.customer_ids)) == ([], [])
    assert (full.window, full.time_zone) == (metering_pb2.USAGE_WINDOW_DAY, "Europe/Berlin")
    assert full.group_by == metering_pb2.UsageGrouping(customer=True, properties=["model", "customer_id"])
    assert list(full.filters) == [metering_pb2.UsageFilter(property="region", values=["eu", ""])]
    assert list(full.customer_ids) == ["acme", "bolt"]
    assert total.HasField("group_by")
    assert total.group_by == metering_pb2.UsageGrouping()


@pytest.mark.parametrize(
    "group_by",
    [
        (),
        ("customer_id",),
        ("model", "region"),
        ("customer_id", "properties.customer_id", "properties.properties.x", "customer_ids"),
    ],
)
def test_what_rows_are_grouped_by_can_be_asked_for_again(engine, page, connect, group_by):
    """The answer names it in the words of the argument."""
    client = connect()
    client.usage("tokens", *JUNE, group_by=group_by)
    page.group_by.CopyFrom(engine.usage.requests[0].group_by)
    assert client.usage("tokens", *JUNE).group_by == group_by


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"window": "fortnight"}, "window is 'fortnight': give one of minute, hour, day, week, month"),
        ({"group_by": "model"}, r"group_by is a str \('model'\): give a list of str"),
        ({"group_by": [1]}, r"an item of group_by is a int \(1\): give a str"),
        ({"filters": ["model"]}, "filters is a list: give a mapping of properties to lists of values"),
        ({"filters": {"model": "large"}}, r"filters\['model'\] is a str \('large'\): give a list of str"),
        ({"customer_ids": []}, "customer_ids is empty: leave it out for all customers"),
        ({"customer_ids": "acme"}, r"customer_ids is a str \('acme'\): give a list of str"),
        ({"time_zone": UTC}, "time_zone is a timezone"),
    ],
)
def test_a_question_that_can_not_be_meant_is_refused(engine, connect, keywords, message):
    """Before anything is sent; an empty list of customers must not ask for everybody."""
    with pytest.raises(InvalidArgumentError, match=message):
        connect().usage("tokens", *JUNE, **keywords)
    assert engine.usage.requests == []
