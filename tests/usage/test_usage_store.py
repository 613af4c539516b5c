"""The usage store on a real ClickHouse (chDB): stored once, read exactly, as of a watermark."""

from decimal import Decimal

import pytest

from engine.usage.facts.usage_request import UsageRequest
from engine.usage.query.usage_reader import UsageReader
from engine.usage.store.tables.newest_rows import recent_events_query
from engine.usage.store.usage_store import UsageStore
from ingest import partition_batches
from tests.support.ingest.admission_oracle import Row
from tests.support.ingest.event_columns import columns_of, rows_of

HOUR_US = 3_600_000_000
NOVEMBER_US = 1_793_491_200_000_000  # 2026-11-01T00:00:00Z
DECEMBER_US = 1_796_083_200_000_000  # 2026-12-01T00:00:00Z


@pytest.fixture
def store(tmp_path):
    opened = UsageStore.open_embedded(tmp_path / "usage")
    yield opened
    opened.close()


def _event(event_id, tokens="1", *, at_us=NOVEMBER_US, customer="acme", tenant="t1", **properties):
    values = {"tokens": tokens} | properties
    kept = tuple(sorted((name, value) for name, value in values.items() if value is not None))
    return Row(tenant, event_id, "call", customer, at_us, kept)


def _insert(store, *events, stamp_us=1):
    for batch, _ in partition_batches(columns_of(events), stamp_us, 1_000):
        store.insert(batch)


def _read(store, aggregation="sum", **changes):
    fields = {
        "tenant": "t1",
        "event_type": "call",
        "aggregation": aggregation,
        "value": None if aggregation == "count" else "tokens",
        "filters": {},
        "group_by": (),
        "customer_ids": ["acme", "bolt"],
        "bounds_us": (NOVEMBER_US, DECEMBER_US),
        "as_of_us": 10**15,
    }
    groups = UsageReader(store).read(UsageRequest(**(fields | changes)), 1_000)
    return [
        (
            group.customer_id,
            *group.dimensions,
            group.quantity,
            group.event_count,
            group.event_digest,
            group.unreadable_event_count,
            group.missing_value_event_count,
        )
        for group in groups
    ]


def test_usage_is_summed_by_customer_to_the_last_digit(store):
    """Twelve fractional and 26 integer digits, negative quantities included."""
    _insert(
        store,
        _event("a", "99999999999999999999999999.999999999999"),
        _event("b", "0.000000000001"),
        _event("c", "-0.5", customer="bolt"),
        _event("d", "1.25", customer="bolt"),
    )
    rows = _read(store)
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("acme", Decimal(100000000000000000000000000), 2),
        ("bolt", Decimal("0.75"), 2),
    ]


@pytest.mark.parametrize(
    ("aggregation", "expected"), [("count", 4), ("sum", 13), ("min", 1), ("max", 7), ("unique_count", 3)]
)
def test_each_aggregation(store, aggregation, expected):
    """Over 1, 5, 7 and an event without the property; unique_count counts distinct values: 1, 5, 7."""
    _insert(store, _event("a", "5"), _event("b", "7"), _event("c", "1"), _event("d", None))
    ((_, quantity, event_count, *_),) = _read(store, aggregation)
    assert quantity == expected
    assert event_count == 4


def test_a_retry_is_counted_once_whenever_it_comes(store):
    """The same insert replayed, the same event in another batch, and after a restart of the store."""
    _insert(store, _event("a"), _event("b"))
    _insert(store, _event("a"), _event("b"), stamp_us=2)
    _insert(store, _event("b"), _event("c"), stamp_us=3)
    ((_, quantity, event_count, *_),) = _read(store)
    assert (quantity, event_count) == (3, 3)


def test_an_earlier_watermark_gives_what_it_gave_then(store):
    """A retry that came later doesn't take its event out of an earlier snapshot."""
    _insert(store, _event("a", "1"), stamp_us=100)
    before = _read(store, as_of_us=100)
    _insert(store, _event("a", "1"), _event("b", "2"), stamp_us=200)
    assert _read(store, as_of_us=100) == before
    assert _read(store, as_of_us=99) == []
    assert _read(store, as_of_us=200)[0][1] == 3


def test_a_period_is_half_open(store):
    """Its first microsecond is in, the first of the next is not."""
    _insert(
        store,
        _event("before", "1", at_us=NOVEMBER_US - 1),
        _event("first", "10", at_us=NOVEMBER_US),
        _event("last", "100", at_us=DECEMBER_US - 1),
        _event("after", "1000", at_us=DECEMBER_US),
    )
    assert _read(store)[0][1] == 110


def test_no_tenant_sees_another(store):
    """The same customer and event ids under two tenants are two worlds."""
    _insert(store, _event("a", "1"), _event("a", "50", tenant="t2"))
    assert _read(store)[0][1] == 1
    assert _read(store, tenant="t2")[0][1] == 50


def test_filters_and_groups(store):
    """A filter keeps the accepted values; an event without the grouping property falls in the group of null."""
    _insert(
        store,
        _event("a", "1", model="large", region="eu"),
        _event("b", "2", model="small", region="us"),
        _event("c", "4", model="large"),
        _event("d", "8", region="eu"),
        _event("e", "16", model="", region="eu"),
    )
    assert [row[1] for row in _read(store, filters={"model": ["large"]})] == [5]
    assert [row[1] for row in _read(store, filters={"model": ["large", "small"], "region": ["eu"]})] == [1]
    by_model = {row[1]: row[2] for row in _read(store, group_by=["model"])}
    assert by_model == {"large": 5, "small": 2, "": 16, None: 8}


def test_names_and_values_never_become_sql(store):
    """Quotes, backslashes, NUL, emoji and keywords, as customer, property name, value and filter."""
    nasty = [
        "'",
        '"',
        "\\",
        "\\'",
        "\x00",
        "\N{ROCKET}",
        "'; DROP TABLE events; --",
        "{tenant:String}",
        "%(x)s",
        "\n\t",
    ]
    for i, text in enumerate(nasty):
        _insert(
            store,
            Row("t1", text, "call", text, NOVEMBER_US, ((text, text), ("tokens", "3"))),
            stamp_us=i + 1,
        )
    for text in nasty:
        rows = _read(store, customer_ids=[text], filters={text: [text]}, group_by=[text])
        assert [row[:3] for row in rows] == [(text, text, Decimal(3))], repr(text)


def test_a_value_that_is_no_plain_decimal_is_left_out_and_counted(store):
    """Stored before a meter read it: too precise, exponents and words are reported, never cut or guessed."""
    _insert(
        store,
        _event("a", "1.5"),
        _event("b", "0.1234567890123"),
        _event("c", "1e3"),
        _event("d", "many"),
        _event("e", None),
    )
    ((_, quantity, event_count, _, unreadable, missing),) = _read(store)
    assert (quantity, event_count, unreadable, missing) == (Decimal("1.5"), 5, 3, 1)


def test_the_event_digest_names_the_set_of_events(store):
    """The same for the same events in any order and with retries; other for any other event."""
    _insert(store, _event("a", tenant="t2"), _event("b", tenant="t2"), stamp_us=1)
    _insert(store, _event("b"), stamp_us=2)
    _insert(store, _event("a"), stamp_us=3)
    _insert(store, _event("a"), stamp_us=4)
    ((*_, digest, _, _),) = _read(store)
    assert len(digest) == 32
    assert [each[3] for each in _read(store, tenant="t2")] == [digest]
    _insert(store, _event("c"), stamp_us=5)
    assert _read(store)[0][3] != digest


def test_what_was_stored_is_there_after_reopening(tmp_path):
    """Events, their newest stamp, and the recent events that warm the hot window."""
    first = UsageStore.open_embedded(tmp_path / "usage")
    assert first.latest_stamp_us() == 0
    _insert(first, _event("a", model="large"), stamp_us=7)
    _insert(first, _event("b"), stamp_us=9)
    first.close()
    again = UsageStore.open_embedded(tmp_path / "usage")
    try:
        assert again.latest_stamp_us() == 9
        assert rows_of(again.recent_events(10)) == [_event("a", model="large"), _event("b")]
        assert rows_of(again.recent_events(1)) == [_event("b")]
    finally:
        again.close()


def test_the_events_read_back_at_start_are_bounded_in_bytes(store):
    """Fat events must not keep an engine from starting: of five stamps with 100 kB each, the newest three fit."""
    assert store.query(recent_events_query(10, 350_000)) == []
    for stamp_us in range(1, 6):
        _insert(store, _event(f"e{stamp_us}", text="x" * 100_000), stamp_us=stamp_us)
    fitting = store.query(recent_events_query(10, 350_000))
    assert [row[4] for row in fitting] == ["e3", "e4", "e5"]
    assert [row[4] for row in store.query(recent_events_query(2, 350_000))] == ["e4", "e5"]
    assert store.query(recent_events_query(10, 50_000)) == []
