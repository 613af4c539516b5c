"""The tables of the usage store.

Rules:
1. The log of events is append-only. The sorting key holds the whole identity of an event and its time, so an
   identical retry falls on the row that is there and the two collapse, at any distance in time.
2. Of rows that collapse, the one ingested first survives (`ingest_rank` falls as time goes on), so a snapshot
   at an earlier watermark never loses an event to its own retry.
3. One partition is one calendar month of `event_time`. Identical events have the same time, hence the same
   partition: FINAL may treat partitions apart.
4. Tables are named without their database: every connection has one as its default (DATABASE, when embedded).
"""

DATABASE = "meterline"
EVENTS_TABLE = "events"

CREATE_EVENTS = f"""
CREATE TABLE IF NOT EXISTS {EVENTS_TABLE} (
    tenant LowCardinality(String),
    customer_id String,
    event_type LowCardinality(String),
    event_time DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    event_id String CODEC(ZSTD(1)),
    ingested_at DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    properties Map(String, String) CODEC(ZSTD(1)),
    ingest_rank UInt64 MATERIALIZED 18446744073709551615 - toUnixTimestamp64Micro(ingested_at)
        CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(ingest_rank)
PARTITION BY toYYYYMM(event_time)
ORDER BY (tenant, customer_id, event_type, event_time, event_id)
"""

SCHEMA = (CREATE_EVENTS,)


def create_database(name: str) -> str:
    # The default database of chDB is not Atomic.
    return f"CREATE DATABASE IF NOT EXISTS {name} ENGINE = Atomic"
