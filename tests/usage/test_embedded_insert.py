"""Rows reach the embedded store through a file in memory that is written over, or the driver's way where there is none."""

import os

import pytest

from engine.usage.store.usage_store import UsageStore
from ingest import partition_batches
from tests.support.ingest.admission_oracle import Row
from tests.support.ingest.event_columns import columns_of, rows_of

NOVEMBER_US = 1_793_491_200_000_000  # 2026-11-01T00:00:00Z


def _events(name, count, text):
    return [
        Row(
            "t1", f"{name}-{i}", "call", "acme", NOVEMBER_US + i, (("note", f"{text}{i}"), ("tokens", str(i)))
        )
        for i in range(count)
    ]


def _insert(store, events, stamp_us):
    for batch, _ in partition_batches(columns_of(events), stamp_us, 10_000):
        store.insert(batch)


@pytest.mark.parametrize("in_memory", [True, False])
def test_each_insert_stores_its_own_rows_whatever_was_inserted_before_it(tmp_path, monkeypatch, in_memory):
    """A large one, a small one and a larger one, each read back whole; no row of one comes with another."""
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    inserts = [_events("a", 3_000, "x" * 100), _events("b", 2, "é"), _events("c", 5_000, "y" * 40)]
    store = UsageStore.open_embedded(tmp_path / "usage")
    try:
        for number, events in enumerate(inserts):
            _insert(store, events, 1 + number)
        found = rows_of(store.recent_events(20_000))
    finally:
        store.close()
    assert {row.event_id: row for row in found} == {row.event_id: row for each in inserts for row in each}
    assert len(found) == 8_002


def test_the_file_in_memory_keeps_no_more_than_the_last_insert_needed(tmp_path):
    """After 500 kB and then one event it holds some kB."""
    store = UsageStore.open_embedded(tmp_path / "usage")
    try:
        _insert(store, _events("a", 3_000, "x" * 100), 1)
        large = os.fstat(store._backend._events._file).st_size
        _insert(store, _events("b", 1, ""), 2)
        small = os.fstat(store._backend._events._file).st_size
    finally:
        store.close()
    assert large > 300_000
    assert small < 10_000


def test_a_store_that_is_closed_twice_leaves_the_files_of_others_alone(tmp_path):
    """The number of its file is given to the next that is opened."""
    store = UsageStore.open_embedded(tmp_path / "usage")
    number = store._backend._events._file
    store.close()
    with (tmp_path / "another").open("wb") as another:
        os.dup2(another.fileno(), number)
        try:
            store.close()
            os.fstat(number)
        finally:
            os.close(number)
