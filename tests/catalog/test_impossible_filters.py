"""Filters that no event passes are refused where it is easy to see, and others never are."""

import itertools
import random

import pytest

from engine.catalog.kinds.meter import Meter
from fields import FieldsError
from tests.support.usage.meter_oracle import passes
from tests.support.usage.usage_histories import random_filter_tree

# Every kind of value that the random filters tell apart.
_TEXTS = (
    *("eu", "us", "", "EU", "5", "12.50", None),
    *("-1000", "-500.5", "-1", "-0.5", "0", "0.333333333333", "0.4", "12.5", "13"),
)
EVENTS = [
    {name: text for name, text in zip(("region", "size"), each, strict=True) if text is not None}
    for each in itertools.product(_TEXTS, repeat=2)
]


def problems_of(filters):
    try:
        Meter.read({"id": "m", "event_type": "e", "aggregation": "count", "filters": filters})
    except FieldsError as error:
        return [(each.path[1:], each.message) for each in error.problems]
    return []


def narrowed(filters, path):
    """The filters with only those members of groups that lie on the path: what is said to pass no event."""
    if not path:
        return filters
    name, position, *rest = path
    member = narrowed(filters[name][position], rest)
    return member if name == "not" else {**filters, name: [member, *(filters[name] if name == "all" else [])]}


def test_what_is_refused_passes_no_event(seed):
    """Random filters in groups, tried on every kind of event; and what has no such mistake is often passed."""
    dice = random.Random(seed)
    refused = passed = 0
    for _ in range(1_500):
        filters = random_filter_tree(dice)
        problems = problems_of(filters)
        for path, message in problems:
            if "passes no" in message:
                refused += 1
                assert not [event for event in EVENTS if passes(event, narrowed(filters, path))], filters
        passed += not problems and any(passes(event, filters) for event in EVENTS)
    assert refused > 100
    assert passed > 400


@pytest.mark.parametrize(
    ("filters", "path", "name"),
    [
        ({"a": "x", "all": [{"a": "y"}]}, (), "a"),
        ({"a": "x", "any": [{"a": ["y", "z"]}]}, (), "a"),
        ({"a": ["x", "y"], "not": [{"a": "x"}, {"a": ["y", "z"]}]}, (), "a"),
        ({"a": {"exists": "false"}, "any": [{"b": "1"}, {"a": "x"}]}, ("any", 1), "a"),
        ({"a": "x", "not": [{"a": {"exists": "true"}}]}, (), "a"),
        ({"a": {"exists": "false"}, "not": [{"a": {"not": "x"}}]}, (), "a"),
        (
            {"a": {"at_least": "5"}, "all": [{"any": [{"a": {"less_than": "5"}}, {"b": "1"}]}]},
            ("all", 0, "any", 0),
            "a",
        ),
        ({"a": {"at_least": "5"}, "any": [{"a": ["4", "many"]}, {"b": "1"}]}, ("any", 0), "a"),
        ({"b": "1", "not": [{"c": "1", "all": [{"c": "2"}]}]}, ("not", 0), "c"),
    ],
)
def test_a_contradiction_is_told_at_its_place(filters, path, name):
    """By the property that it is about."""
    assert problems_of(filters) == [(path, f"passes no event: the filters on {name!r} can't all hold")]


@pytest.mark.parametrize(
    "filters",
    [
        {"a": ["x", "y"], "all": [{"a": ["y", "z"]}]},
        {"a": "x", "not": [{"a": "x", "b": "1"}]},
        {"a": {"at_least": "5"}, "any": [{"a": {"at_most": "5"}}]},
        {"a": {"at_least": "5"}, "any": [{"a": "5.0"}]},
        {"a": "x", "not": [{"a": {"not": "x"}}]},
        {"a": "x", "not": [{"a": {"exists": "false"}}]},
        # Each any alone is possible: what they leave together isn't looked for.
        {"all": [{"any": [{"a": "1"}, {"a": "2"}]}, {"any": [{"a": "3"}, {"a": "4"}]}]},
    ],
)
def test_what_may_pass_is_taken(filters):
    """Ranges that meet in one number, lists with a value in common, and what is hard to see."""
    assert problems_of(filters) == []


def test_the_same_entry_twice_is_refused_whatever_its_order():
    """Values, groups and numbers have one form."""
    one, other = {"a": {"at_least": "5"}, "b": ["x", "y"]}, {"b": ["y", "x"], "a": {"at_least": "5.0"}}
    assert problems_of({"any": [one, {"c": "1"}, other]}) == [(("any", 2), "is the same as any[0]")]
    nested = [{"any": [one, {"c": "1"}]}, {"any": [{"c": "1"}, other]}]
    assert problems_of({"all": nested}) == [(("all", 1), "is the same as all[0]")]


def test_filters_have_bounds():
    """16 in a mapping and in a group, 64 altogether, 4 levels; each just within and just beyond."""
    sixteen = {f"p{i}": "x" for i in range(16)}
    four = [{**sixteen, "p0": str(i)} for i in range(4)]
    assert problems_of({"any": four}) == []
    assert problems_of({"any": [{"a": str(i)} for i in range(16)]}) == []
    assert problems_of({**sixteen, "p16": "x"}) == [((), "has 17 entries; at most 16 are allowed")]
    assert problems_of({"any": [{"a": str(i)} for i in range(17)]}) == [
        (("any",), "must have 1 to 16 entries, has 17")
    ]
    assert problems_of({"any": [*four, {"a": "x"}]}) == [
        ((), "has more than 64 filters, those in groups included")
    ]
    nested = {"a": "x"}
    for _ in range(4):
        nested = {"any": [nested]}
    assert problems_of(nested) == []
    # A property of such a name is not a group.
    assert problems_of({"any": [{"any": [{"any": [{"any": [{"any": ["x", "y"]}, {"all": "x"}]}]}]}]}) == []
    assert problems_of({"not": [nested]}) == [
        (("not", 0, *("any", 0) * 3, "any"), "is nested too deeply: groups in groups, 4 levels at most")
    ]
