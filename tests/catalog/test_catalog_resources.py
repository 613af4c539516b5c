"""A resource is valid once it is constructed, and reads back from its definition."""

import json
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime

import pytest

from engine.catalog.kinds import KINDS, definition
from engine.catalog.kinds.meter import Meter
from engine.catalog.kinds.plan import Plan, PlanPrice
from engine.catalog.kinds.subscription import Subscription
from fields import FieldsError
from rating import Price

SUBSCRIPTION = {"customer": "acme", "plan": "starter", "start": "2023-11-01"}


def problems_of(kind, fields):
    with pytest.raises(FieldsError) as caught:
        KINDS[kind].read(fields)
    return [(each.path, each.message) for each in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2023-11-01", datetime(2023, 11, 1, tzinfo=UTC)),
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2023-11-01T08:30:00Z", datetime(2023, 11, 1, 8, 30, tzinfo=UTC)),
        ("2023-11-01t08:30:00z", datetime(2023, 11, 1, 8, 30, tzinfo=UTC)),
        ("2023-11-01T00:30:00+02:00", datetime(2023, 10, 31, 22, 30, tzinfo=UTC)),
        ("2023-11-01T08:30:00.000001-05:30", datetime(2023, 11, 1, 14, 0, 0, 1, tzinfo=UTC)),
    ],
)
def test_a_start_is_a_date_or_an_instant(text, instant):
    """A date is midnight UTC; an instant says its offset."""
    start = Subscription.read({**SUBSCRIPTION, "start": text}).start
    assert (start, start.tzinfo) == (instant, UTC)


@pytest.mark.parametrize(
    "text",
    [
        *("2023-11", "2023-11-1", "20231101", "2023-W44-3", "yesterday", "1698796800", "٢٠٢٣-11-01"),
        *("2023-11-01T08:30Z", "2023-11-01T08:30:00", "2023-11-01T24:30:00Z", "2023-11-01T08:30:00.1234567Z"),
        *("0001-01-01T00:00:00+02:00", "1969-12-31", "2200-01-01", "2023-11-01T08:30:60Z"),
    ],
)
def test_any_other_start_is_refused(text):
    """Nothing is guessed, and nothing is cut off."""
    ((path, _message),) = problems_of("subscription", {**SUBSCRIPTION, "start": text})
    assert path == ("start",)


def test_a_subscription_without_id_is_named_by_customer_and_plan():
    """Unless it gives an id."""
    assert Subscription.read(SUBSCRIPTION).id == "acme:starter"
    assert Subscription.read({**SUBSCRIPTION, "id": "s1"}).id == "s1"


def test_a_default_id_that_gets_too_long_asks_for_an_id():
    """Customer and plan may have 128 characters each, together they may not."""
    long = {**SUBSCRIPTION, "customer": "c" * 100, "plan": "p" * 100}
    ((path, message),) = problems_of("subscription", long)
    assert path == ("id",)
    assert "longer than 128" in message


def test_ids_have_1_to_128_characters():
    """Both ends."""
    meter = {"event_type": "e", "aggregation": "count"}
    assert Meter.read({**meter, "id": "A-z_0.:@" * 16}).id == "A-z_0.:@" * 16
    assert problems_of("meter", {**meter, "id": "x" * 129})[0][0] == ("id",)
    assert problems_of("meter", {**meter, "id": ""}) == [(("id",), "is empty")]
    assert problems_of("meter", {**meter, "id": "a\n"})[0][0] == ("id",)


def test_a_filter_is_a_set():
    """One accepted value is a list of one; order doesn't matter."""
    fields = {"id": "m", "event_type": "e", "aggregation": "count"}
    one = Meter.read({**fields, "filters": {"b": "x", "a": ["z", "y"]}})
    assert one.filters == {"a": ("y", "z"), "b": ("x",)}
    assert one == Meter.read({**fields, "filters": {"a": ["y", "z"], "b": ["x"]}})


def test_a_number_in_a_meter_is_one_however_it_is_written():
    """Digit by digit, without the zeros that say nothing; twelve digits and 26 more are not too many."""
    fields = {"id": "m", "event_type": "e", "aggregation": "percentile", "value": "v"}
    large = "9" * 26 + "." + "9" * 12

    def meter(percentile, low, high):
        condition = {"at_least": low, "less_than": high}
        return Meter.read({**fields, "percentile": percentile, "filters": {"size": condition}})

    one = meter("95", "-0.5", large)
    assert one == meter("+095.00", "-00.50", large)
    assert json.loads(definition(one)) == {
        **fields,
        "percentile": "95",
        "filters": {"size": {"at_least": "-0.5", "less_than": large}},
    }


@pytest.mark.parametrize("percentile", ["0", "-1", "100.001", "99.9999", "1e1", "NaN", "", "50%"])
def test_a_percentile_is_above_zero_up_to_100_in_thousandths(percentile):
    """Nothing else is a rank."""
    fields = {"id": "m", "event_type": "e", "aggregation": "percentile", "value": "v"}
    ((path, _),) = problems_of("meter", {**fields, "percentile": percentile})
    assert path == ("percentile",)


def test_values_can_t_be_changed():
    """Frozen, down to their mappings."""
    meter = Meter.read({"id": "m", "event_type": "e", "aggregation": "count", "filters": {"a": "b"}})
    with pytest.raises(FrozenInstanceError):
        meter.id = "other"
    with pytest.raises(TypeError):
        meter.filters["a"] = ("c",)


def test_an_invalid_value_can_t_be_constructed():
    """The classes hold their rules themselves, whoever calls them."""
    flat = Price.read({"model": "flat", "currency": "USD", "flat_amount": "1"})
    with pytest.raises(FieldsError, match="flat price"):
        PlanPrice(id="p", price=flat, meter="m")
    with pytest.raises(FieldsError, match="is missing"):
        PlanPrice(
            id="p", price=Price.read({"model": "per_unit", "currency": "USD", "unit_amount": "1"}), meter=None
        )
    with pytest.raises(FieldsError, match="does not belong to a count"):
        Meter(id="m", event_type="e", aggregation="count", value="v")
    price = PlanPrice(id="p", price=flat)
    with pytest.raises(FieldsError, match="is in USD, its plan in EUR"):
        Plan(id="p", name="P", currency="EUR", prices=(price,))
    with pytest.raises(FieldsError, match="must be a date"):
        Subscription(id="s", customer="a", plan="p", start=datetime(2023, 11, 1))  # noqa: DTZ001 - what is refused


def test_a_plan_tells_the_mistakes_of_all_its_prices():
    """And its own."""
    prices = [
        {"id": "a", "model": "flat"},
        {"id": "a", "model": "per_unit", "unit_amount": "x", "meter": "m"},
        {"model": "flat", "flat_amount": "1"},
        "b",
    ]
    assert problems_of("plan", {"id": "p", "name": "P", "currency": "XAU", "prices": prices}) == [
        (("currency",), "XAU has no minor unit, so no amount can be rounded to it"),
        (("prices", 0, "flat_amount"), "is missing: a flat price needs it"),
        (("prices", 1, "unit_amount"), "must be a decimal, is 'x'"),
        (("prices", 2, "id"), "is missing"),
        (("prices", 3), "must be a mapping with the fields of a price, is the text 'b'"),
        (("prices", 1, "id"), "'a' is the id of a price above, too"),
    ]


def test_a_definition_leaves_out_what_isn_t_given():
    """One text for each value: equal resources have equal definitions."""
    assert definition(Subscription.read(SUBSCRIPTION)) == (
        '{"customer":"acme","id":"acme:starter","plan":"starter","start":"2023-11-01T00:00:00Z"}'
    )
    fields = Meter.read({"id": "m", "event_type": "e", "aggregation": "count"}).to_fields()
    assert fields == {"id": "m", "event_type": "e", "aggregation": "count"}


def test_a_plan_without_currency_says_so_once():
    """Its prices are judged all the same, but not blamed for it."""
    prices = [
        {"id": "a", "model": "flat", "flat_amount": "1"},
        {"id": "b", "model": "flat", "flat_amount": "-1"},
    ]
    assert problems_of("plan", {"id": "p", "name": "P", "prices": prices}) == [
        (("currency",), "is missing: an ISO 4217 code such as USD"),
        (("prices", 1, "flat_amount"), "must be 0 or more, is -1"),
    ]
