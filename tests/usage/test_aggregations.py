"""Averages, levels over time, latest values and percentiles on a real ClickHouse: answers worked out by hand."""

from decimal import Decimal
from fractions import Fraction

import pytest

from engine.catalog.kinds.meter import Meter
from engine.meters.kinds import AGGREGATIONS
from engine.usage.facts.aggregations import finished
from engine.usage.facts.usage_request import UsageRequest
from engine.usage.store.tables.partials import SUPPORTED_AGGREGATIONS
from tests.support.usage.meter_reads import deliver, usage_by_store

DAY_US = 86_400_000_000
NOVEMBER_US = 1_793_491_200_000_000  # 2026-11-01T00:00:00Z; 30 days
DECEMBER_US = NOVEMBER_US + 30 * DAY_US
LARGEST = "99999999999999999999999999.999999999999"


@pytest.fixture
def read(shared_store, request):
    """Delivers events (time, value, other properties) and reads them: dimensions -> quantity."""

    def read_meter(meter, events, period_us=(NOVEMBER_US, DECEMBER_US)):
        tenant = request.node.nodeid
        deliveries = [
            {
                "tenant": tenant,
                "event_id": f"{number:06}",
                "event_type": "e",
                "customer": "acme",
                "time_us": time_us,
                "properties": {name: text for name, text in {"v": value, **more}.items() if text is not None},
                "ingested_us": 1,
            }
            for number, (time_us, value, more) in enumerate(
                (*event, {}) if len(event) == 2 else event for event in events
            )
        ]
        deliver(shared_store, deliveries)
        found = usage_by_store(
            shared_store,
            {"id": "m", "event_type": "e", "value": "v", **meter},
            tenant=tenant,
            customers=["acme"],
            period_us=period_us,
            as_of_us=1,
        )
        return {dimensions: usage.quantity for (_, dimensions), usage in found.items()}

    return read_meter


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2", "4"], "2.333333333333"),
        (["2", "0", "0"], "0.666666666667"),
        (["5", None, "many"], "5"),
        # Halves of the last digit go to the even neighbour: 0.5, 1.5, 2.5, and their mirror images.
        (["0.000000000001", "0"], "0"),
        (["0.000000000003", "0"], "0.000000000002"),
        (["0.000000000005", "0"], "0.000000000002"),
        (["-0.000000000001", "0"], "0"),
        (["-0.000000000003", "0"], "-0.000000000002"),
        (["-0.000000000005", "0"], "-0.000000000002"),
        ([LARGEST, LARGEST, LARGEST], LARGEST),
        ([None], "0"),
    ],
)
def test_an_average_is_rounded_once_half_even_to_twelve_digits(read, values, expected):
    """Of the events that have a readable value; zero if none has."""
    events = [(NOVEMBER_US, value) for value in values]
    assert read({"aggregation": "avg"}, events) == {(): Decimal(expected)}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        # 10 for all 30 days; 10 for the last 15; 10 for the first 6; for the last microsecond of 2.592e12.
        ([(0, "10")], "10"),
        ([(15 * DAY_US, "10")], "5"),
        ([(0, "10"), (6 * DAY_US, "-10")], "2"),
        ([(30 * DAY_US - 1, "2.592")], "0.000000000001"),
        ([(30 * DAY_US, "10")], None),
        # Up and down at one instant leave nothing behind; 1 / 3 and 2 / 3 of the period.
        ([(7, "3"), (7, "-3"), (20 * DAY_US, "1")], "0.333333333333"),
        ([(10 * DAY_US, "1")], "0.666666666667"),
        # A level may be negative, and a change that is not a number is none.
        ([(15 * DAY_US, "-10"), (3, "ten"), (4, None)], "-5"),
    ],
)
def test_a_level_counts_for_as_long_as_it_lasts(read, events, expected):
    """To the end of the period, where no event says otherwise."""
    found = read({"aggregation": "time_weighted"}, [(NOVEMBER_US + at_us, value) for at_us, value in events])
    assert found == ({} if expected is None else {(): Decimal(expected)})


def test_a_level_carries_over_if_the_meter_says_so(read):
    """8 from October, 2 more from the middle of November: 9 on average, or 1 for November's change alone."""
    events = [
        (NOVEMBER_US - 40 * DAY_US, "10"),
        (NOVEMBER_US - 1, "-2"),
        (NOVEMBER_US + 15 * DAY_US, "2"),
    ]
    assert read({"aggregation": "time_weighted", "carries_over": "true"}, events) == {(): Decimal(9)}
    assert read({"aggregation": "time_weighted"}, events) == {(): Decimal(1)}


@pytest.mark.parametrize("aggregation", ["sum", "latest", "time_weighted"])
def test_what_ended_before_the_period_is_listed_no_more(read, aggregation):
    """Of machines a, b, c that carry over: a ended, b is still there, c ended in the period."""
    ends = {"sum": "-4", "time_weighted": "-4", "latest": "0"}[aggregation]
    events = [
        (NOVEMBER_US - 9, "4", {"machine": "a"}),
        (NOVEMBER_US - 8, ends, {"machine": "a"}),
        (NOVEMBER_US - 7, "4", {"machine": "b"}),
        (NOVEMBER_US - 6, "4", {"machine": "c"}),
        (NOVEMBER_US, ends, {"machine": "c"}),
    ]
    meter = {"aggregation": aggregation, "carries_over": "true", "group_by": ["machine"]}
    assert read(meter, events) == {("b",): Decimal(4), ("c",): Decimal(0)}


def test_a_carried_zero_without_groups_still_says_what_it_is_made_from(read):
    """The customer has its one line anyway; the row gives it its event count and digest."""
    events = [(NOVEMBER_US - 2, "4"), (NOVEMBER_US - 1, "-4")]
    meter = {"aggregation": "time_weighted", "carries_over": "true"}
    assert read(meter, events) == {(): Decimal(0)}


def test_the_largest_levels_over_the_longest_time_don_t_wrap(read):
    """A thousand of the largest value from 1970 to the end of 2199: the mean is a thousand of it."""
    period_us = (0, 7_258_118_400_000_000)
    found = read({"aggregation": "time_weighted"}, [(0, LARGEST)] * 1_000, period_us)
    assert Fraction(found[()]) == 1_000 * Fraction(LARGEST)
    found = read({"aggregation": "avg"}, [], period_us)
    assert Fraction(found[()]) == Fraction(LARGEST)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([(5, "1"), (9, "2"), (7, "3")], "2"),
        # At one microsecond the greatest event_id is the latest; ids ascend in this list.
        ([(5, "3"), (5, "1"), (5, "2")], "2"),
        ([(5, "1"), (6, None), (7, "many")], "1"),
        ([(5, None)], "0"),
        ([(5, LARGEST), (6, f"-{LARGEST}")], f"-{LARGEST}"),
    ],
)
def test_the_latest_value_is_the_newest_event_s(read, events, expected):
    """Of the events that have a readable value, whenever they arrived."""
    found = read({"aggregation": "latest"}, [(NOVEMBER_US + at_us, value) for at_us, value in events])
    assert found == {(): Decimal(expected)}


def test_the_latest_value_carries_over_if_the_meter_says_so(read):
    """Five seats, said in October, are five seats in November."""
    events = [(NOVEMBER_US - 1, "5")]
    assert read({"aggregation": "latest", "carries_over": "true"}, events) == {(): Decimal(5)}
    assert read({"aggregation": "latest"}, events) == {}


@pytest.mark.parametrize(
    ("percentile", "count", "expected"),
    [
        # ceil(percentile / 100 * count): 19 of 20, 20 of 21 (19.95), 1 of 1, 10 of 20, 11 of 21 (10.5).
        ("95", 20, "19"),
        ("95", 21, "20"),
        ("95", 1, "1"),
        ("50", 20, "10"),
        ("50", 21, "11"),
        ("100", 20, "20"),
        ("0.001", 20, "1"),
        # 99.9% of 1000 is 999 exactly, a rank that a binary float overshoots for 55% of 100, and 0.7% of 1000.
        ("99.9", 1000, "999"),
        ("55", 100, "55"),
        ("0.7", 1000, "7"),
        ("33.333", 1000, "334"),
    ],
)
def test_a_percentile_is_the_value_at_the_nearest_rank(read, percentile, count, expected):
    """Of the values 1 to count, in any order of time."""
    events = [(NOVEMBER_US + (n * 7919) % 1_000, str(n)) for n in range(1, count + 1)]
    meter = {"aggregation": "percentile", "percentile": percentile}
    assert read(meter, [*events, (NOVEMBER_US, None), (NOVEMBER_US, "many")]) == {(): Decimal(expected)}


def test_a_percentile_of_nothing_is_zero(read):
    """As every quantity of events without a readable value."""
    assert read({"aggregation": "percentile", "percentile": "95"}, [(NOVEMBER_US, None)]) == {(): Decimal(0)}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("5", {"a"}),
        (["5", ""], {"a", "e"}),
        ({"not": "5"}, {"b", "c", "d", "e", "f", "g"}),
        ({"not": ["5", "-7"], "exists": "true"}, {"b", "d", "e", "g"}),
        ({"exists": "true"}, {"a", "b", "c", "d", "e", "g"}),
        ({"exists": "false"}, {"f"}),
        ({"greater_than": "5"}, {"g"}),
        ({"at_least": "5"}, {"a", "b", "g"}),
        ({"less_than": "5"}, {"c"}),
        ({"at_most": "5.00"}, {"a", "b", "c"}),
        ({"less_than": LARGEST}, {"a", "b", "c", "g"}),
        ({"greater_than": LARGEST}, set()),
        ({"greater_than": "-7", "less_than": "10"}, {"a", "b"}),
        ({"at_least": "5", "at_most": "5"}, {"a", "b"}),
        ({"at_least": "5", "not": "5"}, {"b", "g"}),
    ],
)
def test_filters_on_text_and_on_decimals(read, condition, expected):
    """5 and 5.0 are one number and two texts; 1e9, the empty text and no property are no number."""
    sizes = {"a": "5", "b": "5.0", "c": "-7", "d": "1e9", "e": "", "f": None, "g": "10"}
    events = [(NOVEMBER_US, "1", {"size": size, "name": name}) for name, size in sizes.items()]
    meter = {"aggregation": "sum", "filters": {"size": condition}, "group_by": ["name"]}
    assert {name for (name,) in read(meter, events)} == expected


def test_two_meters_with_one_list_and_its_negation_share_all_events(read):
    """Whatever an event's property is, exactly one of them counts it."""
    events = [(NOVEMBER_US, "1", {"model": model}) for model in ("large", "small", "", None)]
    large = read({"aggregation": "sum", "filters": {"model": "large"}}, events)
    others = read({"aggregation": "sum", "filters": {"model": {"not": "large"}}}, [])
    assert (large[()], others[()]) == (1, 3)


def test_names_and_bounds_of_conditions_never_become_sql(read):
    """Quotes, backslashes and NUL in every place of a filter."""
    nasty = "'\\\"); DROP TABLE events; --\x00{tenant:String}"
    meter = {"aggregation": "sum", "filters": {nasty.replace("\x00", ""): {"not": nasty}}}
    assert read(meter, [(NOVEMBER_US, "1", {nasty.replace("\x00", ""): "x"})]) == {(): Decimal(1)}


@pytest.mark.parametrize(
    ("aggregation", "stored"),
    [
        ("sum", 1.5),
        ("sum", True),
        ("sum", "1"),
        ("max", 1.5),
        ("max", 1),
        ("avg", (1.5, 2)),
        ("avg", (1, 2.0)),
    ],
)
def test_a_quantity_that_isn_t_exact_is_refused(aggregation, stored):
    """Above all a binary float, whatever made the store return one."""
    request = UsageRequest(
        tenant="t", event_type="e", aggregation=aggregation, value="v", filters={}, group_by=(),
        customer_ids=["acme"], bounds_us=(0, 1), as_of_us=1,
    )  # fmt: skip
    state = (0, 1, 0, 0, 0, *(stored if isinstance(stored, tuple) else (stored,)))
    with pytest.raises(TypeError, match="the usage store returned a"):
        list(finished(request, "acme", (), [state]))


def test_the_catalog_and_the_store_know_the_same_aggregations():
    """What can be applied can be read."""
    assert set(AGGREGATIONS) == SUPPORTED_AGGREGATIONS


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_a_value_that_is_aggregated_as_a_number_must_be_one(aggregation):
    """And a property that is compared as one; not what is counted or compared as text."""
    more = {"count": {}, "percentile": {"value": "v", "percentile": "95"}}.get(aggregation, {"value": "v"})
    filters = {"size": {"at_least": "1"}, "region": "eu", "zone": {"not": "a", "exists": "true"}}
    meter = {"id": "m", "event_type": "e", "aggregation": aggregation, "filters": filters, **more}
    numbers = {"size"} if aggregation in ("count", "unique_count") else {"size", "v"}
    assert Meter.read(meter).decimal_properties == numbers
