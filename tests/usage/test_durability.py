"""Durability: what is synced to the disk before an acknowledgement, counted by ClickHouse itself."""

import os
from functools import partial
from pathlib import Path

import pytest

from engine.app.stores import Placement, Warming, open_usage_stores
from engine.cluster.data_directory import open_data_directory
from engine.usage.store.tables.durability import Durability, statements
from engine.usage.store.usage_store import UsageStore
from ingest import partition_batches
from tests.support.ingest.admission_oracle import Row
from tests.support.ingest.event_columns import columns_of

PROCESS, POWER = Durability.PROCESS, Durability.POWER
ALL_SET = "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1"


def _insert(store, stamp_us):
    events = [Row("t1", f"{stamp_us}-{k}", "call", "acme", 1_750_000_000_000_000, ()) for k in range(3)]
    for batch, _ in partition_batches(columns_of(events), stamp_us, 1_000):
        store.insert(batch)


def _merge(store):
    store._backend.clients.writer.command("OPTIMIZE TABLE events FINAL")


def _syncs(store, work):
    """How many files and how many directories are synced while `work(store)` runs."""

    def counts():
        rows = store._backend.clients.writer.query(
            "SELECT event, value FROM system.events WHERE event IN ('FileSync', 'DirectorySync')"
        ).result_rows
        return dict(rows).get("FileSync", 0), dict(rows).get("DirectorySync", 0)

    files, directories = counts()
    work(store)
    return counts()[0] - files, counts()[1] - directories


@pytest.mark.parametrize("modes", [(PROCESS, POWER), (POWER, PROCESS, POWER), (POWER, POWER)])
def test_each_start_decides_what_an_insert_and_a_merge_sync(tmp_path, modes):
    """A new directory and one that was in the other mode: with `power` every file of a part, its directory before
    and after it gets its name, and the directory that holds the name; with `process` nothing.
    """
    for number, mode in enumerate(modes, 1):
        store = UsageStore.open_embedded(tmp_path / "usage", mode)
        try:
            store._backend.clients.writer.command("SYSTEM STOP MERGES events")
            for part in (0, 1):
                files, directories = _syncs(store, partial(_insert, stamp_us=10 * number + part))
                assert (files >= 10, directories >= 3) == ((mode is POWER,) * 2), (files, directories)
            store._backend.clients.writer.command("SYSTEM START MERGES events")
            files, _ = _syncs(store, _merge)
            assert (files >= 10) == (mode is POWER)
        finally:
            store.close()


@pytest.mark.parametrize("mode", [PROCESS, POWER])
def test_rollups_are_on_the_disk_in_every_mode(tmp_path, mode):
    """Also where events are not: progress that survives rows would be usage that no answer has."""
    for _ in range(2):
        store = UsageStore.open_embedded(tmp_path / "usage", mode)
        try:
            for table in ("rollups", "rollup_customers", "rollup_progress"):
                files, directories = _syncs(
                    store,
                    lambda store, table=table: store._backend.clients.writer.command(
                        f"INSERT INTO {table} (tenant, rollup_key) VALUES ('t', 'k')"
                    ),
                )
                assert files >= 3, table
                assert directories >= 3, table
        finally:
            store.close()


def test_an_operators_own_settings_stay():
    """A table with some of them is set in full for power, and left alone otherwise."""
    own = "SETTINGS index_granularity = 8192, fsync_after_insert = 1, min_rows_to_fsync_after_merge = 10"
    assert list(statements(PROCESS, [("events", own), ("voids", "")])) == []
    (statement,) = statements(POWER, [("events", own), ("voids", ALL_SET)])
    assert statement.startswith("ALTER TABLE events MODIFY SETTING fsync_after_insert = 1, ")
    assert [each.split()[2:5] for each in statements(PROCESS, [("voids", ALL_SET)])] == [
        ["voids", "RESET", "SETTING"]
    ]


def test_the_watermark_is_synced_with_its_name(tmp_path, monkeypatch):
    """The file before it gets its name, then the directory; power loss leaves the old one or the new one."""
    synced, fsync = [], os.fsync
    with open_data_directory(tmp_path / "data") as directory:
        monkeypatch.setattr(
            os, "fsync", lambda fd: (synced.append(Path(f"/proc/self/fd/{fd}").readlink().name), fsync(fd))
        )
        directory.keep_watermark_ceiling(7)
    assert synced == ["watermark.new", "data"]


@pytest.mark.parametrize(("mode", "synced"), [(PROCESS, []), (POWER, ["everything"])])
def test_a_start_with_power_syncs_what_the_other_mode_left(tmp_path, monkeypatch, mode, synced):
    """Events that were acknowledged before it are then as safe as those to come."""
    found = []
    monkeypatch.setattr(os, "sync", lambda: found.append("everything"))
    with open_usage_stores(Placement(tmp_path / "data"), mode, Warming(10, lambda _events: None), lambda: 1):
        assert found == synced
