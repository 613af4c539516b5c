"""The digest of a set of events: computed as the page about usage does it, adding up, and never cancelling."""

import itertools
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from engine.billing.meter_usage import measure_of
from engine.catalog.kinds.meter import Meter
from engine.usage.query.usage_reader import UsageReader
from engine.usage.store.query import Query
from engine.usage.store.tables.event_digest import EventDigest, summed_sql
from tests.support.usage.digest_oracle import digest_of
from tests.support.usage.meter_reads import deliver

PAGE = (Path(__file__).parents[2] / "docs" / "usage.md").read_text(encoding="utf-8")
(CODE,) = re.findall(r"```python\n(from hashlib.*?)```", PAGE, re.DOTALL)
START_US = 1_793_491_200_000_000
END_US = START_US + 86_400_000_000
COUNT = {"id": "n", "event_type": "call", "aggregation": "count"}


def event_of(event_id, *, customer="acme", time_us=START_US, **properties):
    return {
        "event_id": event_id,
        "event_type": "call",
        "customer": customer,
        "time_us": time_us,
        "properties": properties,
        "ingested_us": 1,
    }


@pytest.fixture
def read(shared_store, request):
    """Delivers events of one type, and gives the count and digest of all customers together."""
    tenants = (f"{request.node.name} {number}" for number in itertools.count())

    def delivered(*events):
        tenant = next(tenants)
        deliver(shared_store, [{**each, "tenant": tenant} for each in events])
        meter = {**COUNT, "event_type": events[0]["event_type"]}
        customer_ids = sorted({each["customer"] for each in events})
        asked = measure_of(tenant, Meter.read(meter)).asked(customer_ids, (START_US, END_US), 10**15)
        asked = replace(asked, by_customer=False)
        (usage,) = UsageReader(shared_store).read(asked, 10)
        return usage.event_count, usage.event_digest

    return delivered


def test_the_page_computes_what_the_engine_answers(read):
    """Of texts that are empty, long, alike when they are put one behind the other, or no ASCII."""
    events = [
        event_of("a"),
        event_of("1:a", customer="1:a", a="", b="x" * 1_000),
        event_of("b", time_us=END_US - 1, **{"\N{ROCKET}": "\N{SNOWMAN}", "￮": "\x00", "aa": "1", "a": "a1"}),
        event_of("c", customer="\N{ROCKET}", a="1", aa=""),
    ]
    namespace = {}
    exec(CODE, namespace)
    as_on_the_page = [
        {
            "customer_id": each["customer"],
            "event_type": each["event_type"],
            "event_id": each["event_id"],
            "event_time_us": each["time_us"],
            "properties": each["properties"],
        }
        for each in events
    ]
    expected = namespace["event_digest"](as_on_the_page)
    assert expected == digest_of(events)
    assert read(*events) == (4, expected)


def test_one_event_under_two_customers_is_in_the_digest_twice(read):
    """As it may be once a person has restored it: the exclusive or of equal hashes would be nothing."""
    twice = [event_of("a", customer=customer, v="1") for customer in ("acme", "bolt")]
    count, digest = read(*twice)
    assert (count, digest) == (2, digest_of(twice))
    assert digest not in {"0" * 32, digest_of(twice[:1]), digest_of(twice[1:])}


@pytest.mark.parametrize(
    "change",
    [
        {"event_id": "b"},
        {"customer": "bolt"},
        {"event_type": "calls"},
        {"time_us": START_US + 1},
        {"properties": {"v": "2"}},
        {"properties": {"v": "1", "w": ""}},
        {"properties": {}},
    ],
)
def test_everything_that_makes_an_event_is_in_its_digest(read, change):
    """Two events that differ in it alone have two digests; that of another tenant's event is the same."""
    event = event_of("a", v="1")
    other = {**event, **change}
    assert read(event) == read(event) == (1, digest_of([event]))
    assert read(other) == (1, digest_of([other]))
    assert digest_of([event]) != digest_of([other])


def test_sums_of_the_store_wrap_at_128_bits(shared_store):
    """Nothing becomes wider, and nothing is cut off but what is carried out."""
    sql, full = summed_sql("hash"), 2**128 - 1
    for hashes in ([2**127, 2**127], [full] * 3, [full] * 1_000):
        source = f"SELECT arrayJoin([{', '.join(f'''toUInt128('{each}')''' for each in hashes)}]) AS hash"
        found = shared_store.query(Query(f"SELECT {sql}, toTypeName({sql}) FROM ({source})", {}))
        assert found == [(sum(hashes) % 2**128, "UInt128")]


def test_digests_of_disjoint_sets_add_up_however_they_are_cut(seed):
    """With rows of the first form, whose digest stays apart; in any order."""
    dice = random.Random(seed)
    for _ in range(200):
        parts = [
            EventDigest(dice.getrandbits(128), dice.getrandbits(128), dice.randrange(3)) for _ in range(6)
        ]
        whole = sum(parts, EventDigest())
        assert whole.total == sum(each.total for each in parts) % 2**128
        dice.shuffle(parts)
        assert sum(parts[:3], EventDigest()) + sum(parts[3:], EventDigest()) == whole


def test_what_a_digest_is_can_be_seen():
    """32 digits of today's form; of the first form by name, alone or beside the other."""
    assert EventDigest(total=255).text(3) == "0" * 30 + "ff"
    assert EventDigest(first_form=1, first_form_count=3).text(3) == "xor:" + "0" * 31 + "1"
    both = EventDigest(total=255, first_form=1, first_form_count=2)
    assert both.text(3) == "xor:" + "0" * 31 + "1+" + "0" * 30 + "ff"
