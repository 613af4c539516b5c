"""Filters joined by any, all and not, in a real ClickHouse: who passes, worked out by hand."""

import itertools

import pytest

from engine.catalog.kinds.meter import Meter
from engine.usage.facts.filter_sql import filter_conditions
from tests.support.usage.meter_reads import deliver, usage_by_store
from tests.support.usage.usage_histories import PERIOD_US

TENANTS = itertools.count()
# Name -> region, model, size.
EVENTS = {
    "a": ("eu", "large", "5"),
    "b": ("eu", "small", "500"),
    "c": ("us", "large", "500"),
    "d": ("us", "small", "many"),
    "e": (None, "large", None),
    "f": ("eu", None, "-1"),
}
NASTY = "'\\\"); DROP TABLE events; -- 🚀 {tenant:String} \x00"


@pytest.fixture
def passing(shared_store):
    """The names of the events that pass these filters."""

    def read(filters, events):
        tenant = f"groups-{next(TENANTS)}"
        deliver(
            shared_store,
            [
                {
                    "tenant": tenant,
                    "event_id": name,
                    "event_type": "e",
                    "customer": "acme",
                    "time_us": PERIOD_US[0],
                    "properties": {"name": name, **properties},
                    "ingested_us": 1,
                }
                for name, properties in events.items()
            ],
        )
        meter = {
            "id": "m",
            "event_type": "e",
            "aggregation": "count",
            "group_by": ["name"],
            "filters": filters,
        }
        scope = {"tenant": tenant, "customers": ["acme"], "period_us": PERIOD_US, "as_of_us": 1}
        return {name for _, (name,) in usage_by_store(shared_store, meter, **scope)}

    return read


def events():
    names = ("region", "model", "size")
    return {
        key: {name: text for name, text in zip(names, texts, strict=True) if text is not None}
        for key, texts in EVENTS.items()
    }


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"any": [{"region": "eu"}, {"model": "large"}]}, "abcef"),
        ({"any": [{"region": "eu", "model": "large"}, {"region": "us", "model": "small"}]}, "ad"),
        ({"region": "eu", "any": [{"model": "large"}, {"size": {"at_least": "100"}}]}, "ab"),
        ({"all": [{"region": "eu"}, {"model": ["large", "small"]}]}, "ab"),
        ({"not": [{"region": "eu", "model": "large"}]}, "bcdef"),
        ({"not": [{"region": "eu"}, {"model": "large"}]}, "d"),
        # An event that has no decimal there doesn't pass a comparison, hence passes its negation.
        ({"size": {"less_than": "100"}}, "af"),
        ({"not": [{"size": {"less_than": "100"}}]}, "bcde"),
        ({"not": [{"not": [{"size": {"less_than": "100"}}]}]}, "af"),
        ({"not": [{"region": {"exists": "true"}}, {"model": {"not": "large"}}]}, "e"),
        (
            {
                "all": [
                    {"any": [{"region": "eu"}, {"model": "large"}]},
                    {"any": [{"region": "us"}, {"size": "5"}]},
                ]
            },
            "ac",
        ),
        (
            {"any": [{"all": [{"region": "eu"}], "not": [{"model": "small"}]}, {"any": [{"size": "many"}]}]},
            "adf",
        ),
    ],
)
def test_groups_join_filters(passing, filters, expected):
    """`not` is the complement also where a property is missing or unreadable."""
    assert passing(filters, events()) == set(expected)


def test_a_group_and_its_negation_share_all_events(passing):
    """Whatever they hold: two meters count each event once between them."""
    group = [{"region": "eu", "size": {"greater_than": "0"}}, {"model": {"not": "large"}}]
    kept, left = passing({"any": group}, events()), passing({"not": group}, events())
    assert kept | left == EVENTS.keys()
    assert not kept & left


def test_properties_may_have_the_names_of_groups(passing):
    """A text, a list of texts or conditions are a property's; a list of filters is a group."""
    odd = {"x": {"any": "1", "all": "2", "not": "3"}, "y": {"any": "1", "not": "4"}, "z": {"all": "2"}}
    assert passing({"any": "1"}, odd) == {"x", "y"}
    assert passing({"any": ["1"], "not": {"not": "3"}}, odd) == {"y"}
    assert passing({"all": {"exists": "true"}, "not": ["3", "4"]}, odd) == {"x"}
    assert passing({"any": [{"any": "1", "all": "2"}, {"all": {"exists": "true"}}]}, odd) == {"x", "z"}
    assert passing({"not": [{"not": {"exists": "true"}}]}, odd) == {"z"}


def test_names_and_values_in_groups_never_become_sql(passing):
    """Quotes, backslashes, emoji and NUL, three groups deep; and the text of the SQL doesn't depend on them."""
    name = NASTY.replace("\x00", "")

    def filters(name, value, bound):
        return {"any": [{"not": [{"all": [{name: value, "b": {"not": value}, "c": {"less_than": bound}}]}]}]}

    odd = {"x": {name: NASTY, "c": "1"}, "y": {name: NASTY, "b": NASTY, "c": "1"}, "z": {name: "\\"}}
    assert passing(filters(name, NASTY, "5"), odd) == {"y", "z"}

    def sql_of(given):
        meter = {"id": "m", "event_type": "e", "aggregation": "count", "filters": given}
        return filter_conditions(Meter.read(meter).filters, {})

    assert sql_of(filters("a", "x", "1")) == sql_of(filters("`", NASTY, "-7.5"))
