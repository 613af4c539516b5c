"""QueryUsage over real gRPC: windows, groups, totals, pages and snapshots, worked out by hand."""

from datetime import UTC, datetime

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.metering_pb2 import (
    USAGE_SOURCE_RAW,
    USAGE_WINDOW_DAY,
    USAGE_WINDOW_HOUR,
    USAGE_WINDOW_MINUTE,
    USAGE_WINDOW_MONTH,
    QueryUsageRequest,
    UsageFilter,
    UsageGrouping,
)
from meterline.v1.metering_pb2_grpc import MeteringServiceStub
from meterline.v1.usage_pb2 import PropertyValue, UsageEvent
from tests.support.engine.api_world import CATALOG, JUNE_10, LATE_JUNE, api_event, record, refusal

DAY_S = 86_400
JUNE_1 = JUNE_10 - 9 * DAY_S
NASTY = "it's {x:String} \\' \" %s \n\t\N{ROCKET} -- ; DROP"


def question(name, **fields):
    """June 2025, unless the fields say otherwise."""
    asked = {
        "meter_id": f"{name}_tokens",
        "period_start": Timestamp(seconds=JUNE_1),
        "period_end": Timestamp(seconds=JUNE_1 + 30 * DAY_S),
        "customer_ids": [f"{name}_acme", f"{name}_bolt", f"{name}_ghost"],
    }
    return QueryUsageRequest(**(asked | fields))


def query(channel, request):
    return MeteringServiceStub(channel).QueryUsage(request, timeout=60)


def pages(channel, request):
    found = [query(channel, request)]
    while found[-1].next_page_token:
        request.page_token = found[-1].next_page_token
        found.append(query(channel, request))
    return found


def shown(name, answer):
    """(customer, model, day of June, quantity, events) of each row."""
    return [
        (
            row.customer_id.removeprefix(f"{name}_"),
            row.dimensions.get("model"),
            (row.window_start.seconds - JUNE_1) // DAY_S + 1,
            row.quantity,
            row.event_count,
        )
        for row in answer.rows
    ]


@pytest.fixture
def recorded(channel, name):
    """Two models, two days, and a customer that the catalog doesn't know."""
    record(
        channel,
        api_event(name, "a", "1.5"),
        api_event(name, "b", "2", seconds=JUNE_10 + DAY_S),
        api_event(name, "c", "4", model="small"),
        api_event(name, "d", "8", customer="bolt"),
        api_event(name, "e", "16", customer="ghost", model="small"),
    )
    return name


def test_a_period_is_one_window_with_the_meter_s_groups(channel, recorded):
    """Who is asked for by name is there whether the catalog knows it or not."""
    answer = query(channel, question(recorded))
    assert shown(recorded, answer) == [
        ("acme", "large", 1, "3.5", 2),
        ("acme", "small", 1, "4", 1),
        ("bolt", "large", 1, "8", 1),
        ("ghost", "small", 1, "16", 1),
    ]
    assert (answer.meter_version, answer.group_by) == (1, UsageGrouping(customer=True, properties=["model"]))
    assert {row.window_end.seconds for row in answer.rows} == {JUNE_1 + 30 * DAY_S}


def test_days_are_windows(channel, recorded):
    """One row for each day with events."""
    request = question(recorded, window=USAGE_WINDOW_DAY, customer_ids=[f"{recorded}_acme"])
    assert shown(recorded, query(channel, request)) == [
        ("acme", "large", 10, "1.5", 1),
        ("acme", "large", 11, "2", 1),
        ("acme", "small", 10, "4", 1),
    ]


def test_a_day_belongs_to_the_zone_that_is_asked_for(channel, recorded):
    """What is 10 June in Berlin from 22:00 UTC of the 9th on is 9 June in New York until 04:00 of the 10th."""
    for zone, start in (
        ("Europe/Berlin", "2025-06-09T22:00:00Z"),
        ("America/New_York", "2025-06-09T04:00:00Z"),
    ):
        request = question(recorded, window=USAGE_WINDOW_DAY, time_zone=zone, group_by=UsageGrouping())
        first = query(channel, request).rows[0]
        assert first.window_start.ToJsonString() == start
        assert first.quantity == "29.5"


def test_totals_are_over_the_chosen_customers_together(channel, recorded):
    """By nothing, by a property alone, by a property that the meter doesn't group by, and narrowed by a filter."""
    assert shown(recorded, query(channel, question(recorded, group_by=UsageGrouping()))) == [
        ("", None, 1, "31.5", 5)
    ]
    by_model = question(recorded, group_by=UsageGrouping(properties=["model"]))
    assert shown(recorded, query(channel, by_model)) == [
        ("", "large", 1, "11.5", 3),
        ("", "small", 1, "20", 2),
    ]
    by_tokens = query(channel, question(recorded, group_by=UsageGrouping(properties=["tokens", "nothing"])))
    assert [dict(row.dimensions) for row in by_tokens.rows] == [
        {"tokens": tokens} for tokens in ("1.5", "16", "2", "4", "8")
    ]
    narrowed = question(
        recorded,
        group_by=UsageGrouping(customer=True),
        filters=[
            UsageFilter(property="model", values=["small", "tiny"]),
            UsageFilter(property="tokens", values=["16"]),
        ],
    )
    assert shown(recorded, query(channel, narrowed)) == [("ghost", None, 1, "16", 1)]


def test_all_customers_are_those_with_usage(channel, recorded):
    """In the order of their ids, without those who have none in the period or of this type."""
    found = shown(recorded, query(channel, question(recorded, customer_ids=[])))
    assert [row[0] for row in found] == ["acme", "acme", "bolt", "ghost"]
    july = question(
        recorded,
        customer_ids=[],
        period_start=Timestamp(seconds=JUNE_1 + 30 * DAY_S),
        period_end=Timestamp(seconds=JUNE_1 + 31 * DAY_S),
    )
    assert list(query(channel, july).rows) == []


def test_the_usage_of_a_billing_period_is_that_of_its_lines(channel, recorded):
    """Quantity, count and digest, at the line's watermark."""
    customer_id = f"{recorded}_acme"
    listing = ListLineItemsRequest(customer_id=customer_id, at=LATE_JUNE)
    lines = BillingServiceStub(channel).ListLineItems(listing, timeout=120)
    asked = question(recorded, customer_ids=[customer_id], as_of=lines.as_of)
    expected = {
        line.dimensions["model"]: (line.quantity, line.event_count, line.event_digest)
        for line in lines.line_items
        if line.meter_id
    }
    found = {
        row.dimensions["model"]: (row.quantity, row.event_count, row.event_digest)
        for row in query(channel, asked).rows
    }
    assert found == expected


def test_an_earlier_watermark_answers_the_same_bytes_for_ever(channel, recorded, apply):
    """Later events, a new version of the meter, and the raw events as source change nothing at a snapshot."""
    first = query(channel, question(recorded, window=USAGE_WINDOW_HOUR))
    record(channel, api_event(recorded, "a", "1.5"), api_event(recorded, "late", "100"))
    apply(CATALOG.replace("NAME", recorded).replace("aggregation: sum", "aggregation: max"))
    again = {"as_of": first.as_of, "catalog_revision": first.catalog_revision}
    for source in (0, USAGE_SOURCE_RAW):
        asked = question(recorded, window=USAGE_WINDOW_HOUR, source=source, **again)
        assert query(channel, asked).SerializeToString(deterministic=True) == first.SerializeToString(
            deterministic=True
        )
    newest = query(channel, question(recorded))
    assert (newest.meter_version, newest.rows[0].quantity) == (2, "100")


@pytest.mark.parametrize("page_size", [1, 2, 3])
@pytest.mark.parametrize("customers", ["named", "all", "together"])
def test_pages_are_one_answer_whatever_comes_in_meanwhile(channel, recorded, page_size, customers):
    """The same rows in the same order as one page has, of one watermark."""
    fields = {
        "named": {},
        "all": {"customer_ids": []},
        "together": {"group_by": UsageGrouping(properties=["model"])},
    }[customers]
    whole = query(channel, question(recorded, window=USAGE_WINDOW_DAY, **fields))
    request = question(recorded, window=USAGE_WINDOW_DAY, page_size=page_size, as_of=whole.as_of, **fields)
    found = [query(channel, request)]
    while found[-1].next_page_token:
        number = len(found)
        record(channel, api_event(recorded, f"{customers}{page_size}-{number}", customer=f"a{number}"))
        request.page_token = found[-1].next_page_token
        found.append(query(channel, request))
    assert [row for page in found for row in page.rows] == list(whole.rows)
    assert all(len(page.rows) == page_size for page in found[:-1])
    assert {(page.as_of.ToMicroseconds(), page.catalog_revision) for page in found} == {
        (whole.as_of.ToMicroseconds(), whole.catalog_revision)
    }


def test_rows_too_large_for_one_message_end_the_page_early(channel, name):
    """Five thousand groups with values of a KiB: every page is below 4 MiB, and together they are all."""
    # In a month of its own: other tests list June, for all customers.
    november = JUNE_1 + 153 * DAY_S
    models = [f"{i:04d}" + "x" * 900 for i in range(5_000)]
    for first in range(0, len(models), 2_500):
        some = models[first : first + 2_500]
        record(channel, *(api_event(name, m[:4], model=m, seconds=november) for m in some))
    period = {
        "period_start": Timestamp(seconds=november),
        "period_end": Timestamp(seconds=november + DAY_S),
    }
    found = pages(channel, question(name, page_size=10_000, **period))
    assert len(found) == 2
    assert all(page.ByteSize() < 4 * 1024 * 1024 for page in found)
    assert [row.dimensions["model"] for page in found for row in page.rows] == models


def test_names_and_values_never_become_anything_else(channel, name, apply):
    """Quotes, braces, escapes and line breaks as customer, property, value and group."""
    event = UsageEvent(
        event_id=f"{name}-{NASTY}",
        event_type=f"{name}.call",
        customer_id=NASTY,
        event_time=Timestamp(seconds=JUNE_10),
        properties={
            "tokens": PropertyValue(string_value="7"),
            NASTY: PropertyValue(string_value=NASTY),
            "customer_id": PropertyValue(string_value=""),
        },
    )
    record(channel, event, api_event(name, "other"))
    asked = question(
        name,
        customer_ids=[NASTY],
        group_by=UsageGrouping(customer=True, properties=[NASTY, "customer_id", "model"]),
        filters=[UsageFilter(property=NASTY, values=["", NASTY])],
    )
    answer = query(channel, asked)
    (row,) = answer.rows
    assert (row.customer_id, dict(row.dimensions), row.quantity) == (
        NASTY,
        {NASTY: NASTY, "customer_id": ""},
        "7",
    )
    asked.filters[0].values[:] = [NASTY[:-1]]
    assert list(query(channel, asked).rows) == []
    # In a page token too.
    everybody = question(name, customer_ids=[], page_size=1)
    assert sorted(row.customer_id for page in pages(channel, everybody) for row in page.rows) == sorted(
        [NASTY, f"{name}_acme"]
    )


def test_events_without_a_readable_value_are_counted_beside(channel, name, apply):
    """Stored before the meter aggregated their property: one has no number, one has nothing."""
    apply(f"meters: [{{id: {name}_calls, event_type: {name}.late, aggregation: count}}]")
    late = [
        UsageEvent(
            event_id=f"{name}-{number}",
            event_type=f"{name}.late",
            customer_id=f"{name}_acme",
            event_time=Timestamp(seconds=JUNE_10),
            properties={"tokens": PropertyValue(string_value=tokens)} if tokens else {},
        )
        for number, tokens in enumerate(("many", "", "3"))
    ]
    record(channel, *late)
    apply(f"meters: [{{id: {name}_calls, event_type: {name}.late, aggregation: sum, value: tokens}}]")
    (row,) = query(channel, question(name, meter_id=f"{name}_calls")).rows
    counts = (row.quantity, row.event_count, row.unreadable_event_count, row.missing_value_event_count)
    assert counts == ("3", 3, 1, 1)


def test_the_months_of_a_century_are_one_question(channel, recorded):
    """Windows without usage cost nothing and have no row."""
    century = question(
        recorded,
        period_start=Timestamp(seconds=0),
        period_end=Timestamp(seconds=int(datetime(2199, 1, 1, tzinfo=UTC).timestamp())),
        window=USAGE_WINDOW_MONTH,
        group_by=UsageGrouping(),
    )
    (row,) = query(channel, century).rows
    assert (row.window_start.ToJsonString(), row.quantity) == ("2025-06-01T00:00:00Z", "31.5")


def test_every_mistake_of_a_question_is_named_at_once(channel, name):
    """By its field, in one answer."""
    long, longer = "x" * 129, "x" * 1_025
    bad = QueryUsageRequest(
        period_start=Timestamp(seconds=JUNE_1),
        period_end=Timestamp(seconds=JUNE_1),
        group_by=UsageGrouping(properties=["a", "a"]),
        filters=[UsageFilter(property="a", values=[longer])],
        customer_ids=["", long],
        as_of=Timestamp(seconds=-1),
        source=7,
        page_size=10_001,
    )
    code, _, details = refusal(lambda: query(channel, bad))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert [each.field for each in details["BadRequest"].field_violations] == [
        "meter_id",
        "period_end",
        "group_by.properties[1]",
        "filters[0].values[0]",
        "customer_ids[0]",
        "as_of",
        "source",
        "page_size",
    ]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"period_start": None}, "period_start: is not set"),
        ({"period_end": None}, "period_end: is not set"),
        ({"period_end": Timestamp(seconds=10**11)}, "period_end: must lie between the years 1970 and 2199"),
        ({"window": USAGE_WINDOW_MINUTE}, "window: makes more than 10,000 windows of the period"),
        ({"window": 9}, "window: is 9, which is not a UsageWindow"),
        ({"time_zone": "Europe/Berln"}, "did you mean 'Europe/Berlin'"),
        ({"group_by": UsageGrouping(properties=[""])}, "group_by.properties[0]: is empty"),
        ({"group_by": UsageGrouping(properties=list("abcdefghi"))}, "group by at most 8 properties"),
        ({"filters": [UsageFilter(values=["a"])]}, "filters[0].property: is empty"),
        ({"filters": [UsageFilter(property="a")]}, "filters[0].values: has 0 entries: give 1 to 100"),
        ({"filters": [UsageFilter(property="a", values=["a"])] * 17}, "filters: has 17 entries"),
        (
            {"filters": [UsageFilter(property="a", values=[f"{i:02}" + "x" * 1_000 for i in range(99)])]},
            "filters[0].values: has 99198 bytes: give at most 61,440",
        ),
        ({"customer_ids": ["a"] * 501}, "customer_ids: has 501 entries: name at most 500"),
        ({"as_of": Timestamp(seconds=4_000_000_000)}, "as_of: is in the future"),
        ({"page_token": "bm9uc2Vuc2U="}, "page_token: is not one"),
        ({"page_token": "W10="}, "page_token: is not one"),
        ({"page_token": "WzEsMSwiYSIsMCwwLCJ4Il0="}, "page_token: is not one"),
        ({"page_token": "WzEsMSwxLDAsMCwieCJd"}, "page_token: is not one"),
    ],
)
def test_a_question_that_can_not_be_answered_is_refused(channel, name, fields, line):
    """INVALID_ARGUMENT, in one line that names the field and the limit."""
    code, said, _ = refusal(lambda: query(channel, question(name, **fields)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert line in said


def test_a_page_token_holds_for_its_own_question(channel, recorded):
    """With another customer, group or window it would skip rows in silence; with another page size it goes on."""
    first = query(channel, question(recorded, page_size=1))
    for fields in ({"customer_ids": []}, {"group_by": UsageGrouping()}, {"window": USAGE_WINDOW_DAY}):
        other = question(recorded, page_token=first.next_page_token, **fields)
        code, line, _ = refusal(lambda other=other: query(channel, other))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert line.startswith("page_token:")
    rest = query(channel, question(recorded, page_size=100, page_token=first.next_page_token))
    assert len(rest.rows) == 3


def test_a_meter_or_revision_that_is_not_there_is_not_found(channel, name):
    """With the meter that may have been meant; a meter that is younger than the revision is not there either."""
    code, line, _ = refusal(lambda: query(channel, question(name, meter_id=f"{name}_token")))
    assert code is grpc.StatusCode.NOT_FOUND
    assert f"did you mean '{name}_tokens'" in line
    code, _, _ = refusal(lambda: query(channel, question(name, catalog_revision=10**9)))
    assert code is grpc.StatusCode.NOT_FOUND
