"""The page about meters tells the truth: every example on it is run, in a real usage store."""

import re
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import pytest
import yaml

from engine.meters.kinds import AGGREGATIONS
from engine.times import datetime_us
from tests.support.usage.meter_reads import deliver, usage_by_store

PAGE = Path(__file__).parents[2] / "docs" / "meters.md"
NOVEMBER_US = (1_793_491_200_000_000, 1_796_083_200_000_000)
# Every scalar is the text that stands on the page.
EXAMPLES = [
    yaml.load(block, Loader=yaml.BaseLoader)
    for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
]


def expected_of(example):
    names = example["meter"].get("group_by", [])
    groups = example.get("groups", [example])
    return {tuple(map(group.get, names)): Fraction(group["quantity"]) for group in groups}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["meter"]["id"])
def test_a_meter_on_the_page_comes_to_its_quantity(shared_store, example):
    """Its events, for one customer."""
    meter = example["meter"]
    deliver(
        shared_store,
        [
            {
                "tenant": meter["id"],
                "event_id": str(number),
                "event_type": meter["event_type"],
                "customer": "acme",
                "time_us": datetime_us(datetime.fromisoformat(event["at"])),
                "properties": {name: text for name, text in event.items() if name != "at"},
                "ingested_us": 1,
            }
            for number, event in enumerate(example["events"])
        ],
    )
    found = usage_by_store(
        shared_store, meter, tenant=meter["id"], customers=["acme"], period_us=NOVEMBER_US, as_of_us=1
    )
    assert {key: Fraction(usage.quantity) for (_, key), usage in found.items()} == expected_of(example)
    unreadable = sum(usage.unreadable_event_count for usage in found.values())
    assert unreadable == int(example.get("unreadable_event_count", 0))
    if said := example.get("missing_value_event_count"):
        assert sum(usage.missing_value_event_count for usage in found.values()) == int(said)


def test_the_page_has_an_example_of_every_aggregation():
    """`min` shares its example with `max`."""
    shown = {example["meter"]["aggregation"] for example in EXAMPLES}
    assert shown == set(AGGREGATIONS) - {"min"}
    ids = [example["meter"]["id"] for example in EXAMPLES]
    assert len(set(ids)) == len(ids)
