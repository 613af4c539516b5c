"""An identity holds for ever: a retry collapses, other content under the same id never does."""

import pytest

from engine.usage.store.query import Query
from engine.usage.store.usage_store import UsageStore
from ingest import Admission, Limits, RequestKind, decode, partition_batches
from meterline.v1.usage_pb2 import RecordUsageRequest
from tests.support.ingest.admission_oracle import Row
from tests.support.ingest.event_columns import columns_of
from tests.support.usage.content_hashes import content_hash, xxhash32
from tests.support.usage.meter_reads import deliver, usage_by_store

NOVEMBER_US = 1_793_491_200_000_000  # 2026-11-01T00:00:00Z
PERIOD_US = (NOVEMBER_US, 1_796_083_200_000_000)
HASHES = Query(
    "SELECT event_id, content_hash FROM meterline.events FINAL ORDER BY event_id, content_hash", {}
)


@pytest.fixture
def store(tmp_path):
    opened = UsageStore.open_embedded(tmp_path / "usage")
    yield opened
    opened.close()


def _event(event_id, value, *, ingested_us=1, **properties):
    return {
        "tenant": "t1",
        "event_id": event_id,
        "event_type": "call",
        "customer": "acme",
        "time_us": NOVEMBER_US,
        "properties": {"value": value, **properties},
        "ingested_us": ingested_us,
    }


def _read(store, aggregation, as_of_us=100):
    meter = {"id": "m", "event_type": "call", "aggregation": aggregation, "value": "value"}
    found = usage_by_store(
        store, meter, tenant="t1", customers=["acme"], period_us=PERIOD_US, as_of_us=as_of_us
    )
    return {key: (usage.quantity, usage.event_count) for key, usage in found.items()}


def test_other_content_under_the_same_id_and_time_is_never_lost(store):
    """Both were acknowledged, so both stay, whatever ClickHouse merges; the retries of each collapse."""
    for stamp_us, value in ((1, "5"), (2, "7"), (3, "5"), (4, "7")):
        deliver(store, [_event("a", value, ingested_us=stamp_us)])
    assert _read(store, "sum") == {("acme", ()): (12, 2)}
    store._backend.clients.writer.command("OPTIMIZE TABLE meterline.events FINAL")
    assert store.query(Query("SELECT count() FROM meterline.events", {})) == [(2,)]
    assert _read(store, "sum") == {("acme", ()): (12, 2)}
    assert _read(store, "sum", as_of_us=1) == {("acme", ()): (5, 1)}


def test_contents_that_differ_only_around_a_nul_are_two(store):
    """Texts go into the hash with their lengths: no text can play the end of another."""
    deliver(store, [_event("a", "5", a="x", z="7\0y")])
    deliver(store, [_event("a", "7", a="x\x005", z="y", ingested_us=2)])
    assert _read(store, "sum") == {("acme", ()): (12, 2)}


def test_the_latest_of_one_id_used_twice_is_the_first_ingested(store):
    """At one microsecond and under one id, until the second is void; and the greater id before either."""
    deliver(store, [_event("a", "7", ingested_us=1), _event("a", "5", ingested_us=2)])
    deliver(store, [_event("a", "9", ingested_us=3)])
    assert _read(store, "latest") == {("acme", ()): (7, 3)}
    deliver(store, [_event("b", "1", ingested_us=4)])
    assert _read(store, "latest") == {("acme", ()): (1, 4)}


def test_the_hash_is_the_published_one():
    """The test vectors of xxHash32 (seed 0): an oracle that is wrong would prove nothing."""
    assert xxhash32(b"") == 0x02CC5D05
    assert xxhash32(b"a") == 0x550D7456
    assert xxhash32(b"abc") == 0x32D153FF
    assert xxhash32(b"Nobody inspects the spammish repetition") == 0xE2293B2F


def test_content_is_hashed_the_same_for_ever(store):
    """Computed here from the definition; texts with quotes, NUL, emoji and none at all."""
    nasty = [
        {},
        {"a": ""},
        {"": "a"},
        {"'\\": '"\x00'},
        {"\N{ROCKET}": "'; DROP TABLE events; --", "b": "x" * 999},
    ]
    events = [
        Row("t1", f"{number}", "call", "acme", NOVEMBER_US, tuple(sorted(properties.items())))
        for number, properties in enumerate(nasty)
    ]
    for batch, _ in partition_batches(columns_of(events), 1, 1_000):
        store.insert(batch)
    assert store.query(HASHES) == [(f"{number}", content_hash(each)) for number, each in enumerate(nasty)]


def _wire(event_id, *properties):
    """An event in the bytes of the wire, its properties in this order."""
    head = RecordUsageRequest().events.add(event_id=event_id, event_type="call", customer_id="acme")
    head.event_time.FromMicroseconds(NOVEMBER_US)
    data = head.SerializeToString()
    for name, kind, value in properties:
        event = RecordUsageRequest().events.add()
        setattr(event.properties[name], kind, value)
        data += event.SerializeToString()
    size = len(data)
    return b"\x0a" + bytes((size & 0x7F | 0x80, size >> 7)) + data


def test_an_identical_retry_has_the_same_content_in_any_order_and_form(store):
    """Properties sent in another order, a quantity as a text, an integer and a double: one event."""
    filler = ("z", "string_value", "-" * 100)
    forms = [
        [filler, ("n", "string_value", "5.5"), ("B", "bool_value", True), ("é", "string_value", "7")],
        [("é", "int_value", 7), ("n", "string_value", "5.5"), filler, ("B", "string_value", "true")],
        [("B", "bool_value", True), ("é", "string_value", "7"), ("n", "double_value", 5.5), filler],
    ]
    admission = Admission(Limits(), {"call": frozenset({"n"})})
    for stamp_us, form in enumerate(forms, 1):
        decoded = decode(RequestKind.RECORD, [_wire("a", *form)], Limits())
        admitted = admission.admit("t1", decoded.events, NOVEMBER_US)
        assert not admitted.problems
        for batch, _ in partition_batches(admitted.events, stamp_us, 1_000):
            store.insert(batch)
    texts = {"n": "5.5", "B": "true", "é": "7", "z": "-" * 100}
    assert store.query(HASHES) == [("a", content_hash(texts))]
