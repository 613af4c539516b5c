"""Parts of the log: small ones are quick to write, large ones small, and older tables learn it when they are opened."""

import re

import clickhouse_connect

from engine.usage.store.query import Query
from engine.usage.store.tables.schema import create_events
from engine.usage.store.tables.settings import EMBEDDED_CODEC, SERVER_CODEC, part_statements
from engine.usage.store.usage_store import UsageStore
from tests.support.usage.form_2 import OF_FORM_2

FILL = """
INSERT INTO meterline.events (tenant, customer_id, event_type, event_time, event_id, {stamp_column}, properties)
SELECT 't1', 'c', 'call', fromUnixTimestamp64Micro(1793491200000000 + number, 'UTC'), toString(number),
    {stamp}, map('v', randomPrintableASCII(1000))
FROM numbers({first}, {count})
"""
STAMPED = {
    "stamp_column": "ingested_at",
    "stamp": "fromUnixTimestamp64Micro(1793491200000000, 'UTC')",
}
RANKED = {"stamp_column": "ingest_rank", "stamp": "bitNot(toUInt64(1793491200000000))"}
DEFINITION = Query("SELECT create_table_query FROM system.tables WHERE name = 'events'", {})
CODECS = Query("SELECT default_compression_codec FROM system.parts WHERE active AND table = 'events'", {})


def _definition(path):
    store = UsageStore.open_embedded(path)
    try:
        return store.query(DEFINITION)[0][0]
    finally:
        store.close()


def test_a_table_of_an_older_form_learns_how_parts_are_compressed_and_merged(tmp_path):
    """Opened, it has the definition of a new one, and its events."""
    client = clickhouse_connect.get_client(interface="chdb", path=str(tmp_path / "old"))
    client.command("CREATE DATABASE meterline ENGINE = Atomic")
    client.command(OF_FORM_2)
    client.command(FILL.format(first=0, count=10, **STAMPED))
    client.close()
    store = UsageStore.open_embedded(tmp_path / "old")
    count = store.query(Query("SELECT count() FROM events", {}))
    store.close()
    assert count == [(10,)]
    old, new = _definition(tmp_path / "old"), _definition(tmp_path / "new")
    # ClickHouse lists the settings in the order in which they came.
    assert sorted(re.split(", | SETTINGS ", old)) == sorted(re.split(", | SETTINGS ", new))
    assert list(part_statements("events", old)) == []


def test_small_parts_are_lz4_and_what_a_merge_makes_large_is_zstd(tmp_path):
    """Two inserts of 20 MB each, then their merge."""
    store = UsageStore.open_embedded(tmp_path / "usage")
    try:
        store._backend.clients.writer.command("SYSTEM STOP MERGES events")
        for first in (0, 20_000):
            store._backend.clients.writer.command(FILL.format(first=first, count=20_000, **RANKED))
        small = store.query(CODECS)
        store._backend.clients.writer.command("SYSTEM START MERGES events")
        store._backend.clients.writer.command("OPTIMIZE TABLE events FINAL")
        large = store.query(CODECS)
    finally:
        store.close()
    assert small == [("LZ4",)] * 2
    assert large == [("ZSTD(2)",)]


def test_a_server_s_columns_name_their_codec_themselves():
    """Its configuration is its operator's: nothing is left to a default, where a default would be twice the size."""
    assert SERVER_CODEC == "ZSTD(2)"
    assert EMBEDDED_CODEC not in create_events("events", SERVER_CODEC)
