"""What differs between two definitions is told field by field."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog.documents.changes import differences

INPUT = {
    "id": "input",
    "model": "graduated",
    "tiers": [{"up_to": "10", "unit_amount": "2"}, {"unit_amount": "1"}],
}
FLAT = {"id": "platform", "model": "flat", "flat_amount": "20"}


def told(before, after):
    return [(each.path, each.before, each.after) for each in differences(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"name": "A"}, {"name": "A"}, []),
        ({"name": "A"}, {"name": "B"}, [("name", '"A"', '"B"')]),
        ({"name": "A"}, {"name": "A", "end": "2024"}, [("end", "", '"2024"')]),
        ({"name": "A", "end": "2024"}, {"name": "A"}, [("end", '"2024"', "")]),
        ({"end": None}, {}, [("end", "null", "")]),
        (
            {"metadata": {"a": "1", "b": "2"}},
            {"metadata": {"a": "1", "b": "3"}},
            [("metadata.b", '"2"', '"3"')],
        ),
        ({"group_by": ["a"]}, {"group_by": ["a", "b"]}, [("group_by", '["a"]', '["a","b"]')]),
        ({"name": "é"}, {"name": "e"}, [("name", '"é"', '"e"')]),
    ],
)
def test_fields_are_compared_by_name(before, after, expected):
    """JSON before and after; empty where there is no field."""
    assert told(before, after) == expected


def test_prices_are_matched_by_id():
    """A price in another place is the same price; tiers have no id and go by index."""
    after = copy.deepcopy(INPUT)
    after["tiers"][1]["unit_amount"] = "0.5"
    assert told({"prices": [FLAT, INPUT]}, {"prices": [FLAT, after]}) == [
        ("prices.input.tiers.1.unit_amount", '"1"', '"0.5"')
    ]


def test_a_price_that_is_new_or_gone_is_told_whole():
    """With all its fields on the side where it is."""
    assert told({"prices": [INPUT]}, {"prices": [INPUT, FLAT]}) == [
        ("prices.platform", "", '{"flat_amount":"20","id":"platform","model":"flat"}')
    ]
    assert told({"prices": [FLAT]}, {"prices": []}) == [
        ("prices.platform", '{"flat_amount":"20","id":"platform","model":"flat"}', "")
    ]


def test_a_new_order_of_prices_is_a_change():
    """Line items follow the plan's order, so it is told, as the ids."""
    assert told({"prices": [FLAT, INPUT]}, {"prices": [INPUT, FLAT]}) == [
        ("prices", '["platform","input"]', '["input","platform"]')
    ]


def test_a_tier_more_is_a_field_more():
    """By index: the new last tier, and what moved."""
    after = copy.deepcopy(INPUT)
    after["tiers"].append({"unit_amount": "0.1"})
    assert told({"prices": [INPUT]}, {"prices": [after]}) == [
        ("prices.input.tiers.2", "", '{"unit_amount":"0.1"}')
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "a", "b"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(before=JSON, after=JSON)
def test_there_is_no_difference_only_between_equals(before, after):
    """Nothing goes untold, and nothing is told of equal definitions."""
    same = json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert (differences(before, after) == ()) == same
    assert differences(before, copy.deepcopy(before)) == ()
