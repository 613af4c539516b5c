"""The tables of the usage store.

Rules:
1. The log of events is append-only. The sorting key holds the whole identity of an event, its time and a hash of
   its properties: an identical retry falls on the row that is there and the two collapse, at any distance in
   time; the same id with anything else beside it is a row of its own, and stays.
2. Of rows that collapse, the one ingested first survives (`ingest_rank` falls as time goes on), so a snapshot
   at an earlier watermark never loses an event to its own retry. The rank is all that is kept of an event's stamp:
   `ingested_at` is read from it, and conditions on stamps are conditions on it, which its index serves.
3. One partition is one calendar month of `event_time`. Identical events have the same time, hence the same
   partition: FINAL may treat partitions apart.
4. `content_hash` is xxHash32, a published function of bytes, over bytes that are made here and not by a text
   format of ClickHouse: the same in every version. Properties come sorted by key (ingest.properties). Were it
   ever to change, a retry would become a second version of its event, and be voided
   (engine.usage.corrections.reconciler).
5. Corrections are facts of their own (`voids`), stamped by the clock that stamps events: what a read leaves out
   is decided by what was recorded at or before its watermark. The table has no partitions, so that the facts of
   one correction are one block, stored whole or not at all.
6. A fact is about one version of an event, and the key that both tables share names it. A version that replaces
   another (an amendment) lives in `voids` whole, its properties with its key: it never enters the log of events.
   So whatever a correction changes lies in the slices (customer_id, event_type, event_time) that its rows name,
   and changes there at their `recorded_at`: an amendment has a row for where the event was and one for where
   it is.
7. Tables are named without their database: every connection has one as its default (DATABASE, when embedded).
"""

from engine.usage.store.tables.settings import MERGE_SETTINGS

DATABASE = "meterline"
EVENTS_TABLE = "events"
VOIDS_TABLE = "voids"
DRAFTS_TABLE = "drafts"
RECONCILED_TABLE = "reconciled"

# Of the log of events: when one was ingested, the stamp of its batch; and the index that finds what came in last.
INGESTED_AT = (
    "ingested_at DateTime64(6, 'UTC') ALIAS fromUnixTimestamp64Micro(toInt64(bitNot(ingest_rank)), 'UTC')"
)
RANKS_INDEX_NAME = "ranks"
RANKS_INDEX = f"{RANKS_INDEX_NAME} ingest_rank TYPE minmax GRANULARITY 1"

# What makes an event one event. The order is that of both tables.
EVENT_KEY = ("tenant", "customer_id", "event_type", "event_time", "event_id", "content_hash")


def spelled_sql(texts: str) -> str:
    """The bytes of an array of texts, each with its length: no two have the same, whatever is in them."""
    return f"arrayStringConcat(arrayMap(text -> concat(toString(length(text)), ':', text), {texts}))"


def content_hash_sql(properties: str) -> str:
    """The hash of a map of properties that are sorted by key: keys first, then values."""
    texts = f"arrayConcat(mapKeys({properties}), mapValues({properties}))"
    return f"xxHash32({spelled_sql(texts)})"


def ingest_rank(stamp_us: int) -> int:
    """The rank of what is ingested with this stamp."""
    return 2**64 - 1 - stamp_us


def stamp_sql(parameter: str) -> str:
    """A bound instant: stamps and event times alike."""
    return f"fromUnixTimestamp64Micro({{{parameter}:Int64}}, 'UTC')"


def ingested_by_sql(stamp_us: str) -> str:
    """A condition on rows of the log: ingested at this instant (an expression, microseconds since 1970) or before."""
    return f"ingest_rank >= bitNot(toUInt64({stamp_us}))"


def ingested_after_sql(stamp_us: str) -> str:
    """A condition on rows of the log: ingested after this instant (as `ingested_by_sql`)."""
    return f"ingest_rank < bitNot(toUInt64({stamp_us}))"


def create_events(table: str, codec: str) -> str:
    """The log of events, under this name; `codec` compresses its columns (engine.usage.store.tables.settings)."""
    return f"""
CREATE TABLE IF NOT EXISTS {table} (
    tenant LowCardinality(String),
    customer_id String,
    event_type LowCardinality(String),
    event_time DateTime64(6, 'UTC') CODEC(Delta, {codec}),
    event_id String CODEC({codec}),
    {INGESTED_AT},
    properties Map(String, String) CODEC({codec}),
    ingest_rank UInt64 CODEC(Delta, {codec}),
    content_hash UInt32 MATERIALIZED {content_hash_sql("properties")} CODEC({codec}),
    INDEX {RANKS_INDEX}
)
ENGINE = ReplacingMergeTree(ingest_rank)
PARTITION BY toYYYYMM(event_time)
ORDER BY ({", ".join(EVENT_KEY)})
SETTINGS {MERGE_SETTINGS}
"""


# `kind` says what made the fact: see engine.usage.corrections.voids. `stands_*` is the version that stands instead, if
# one does. `voided` is 0, 1 or UNMADE (engine.usage.store.tables.void_sql).
_FACT_COLUMNS = """
    tenant LowCardinality(String),
    customer_id String,
    event_type LowCardinality(String),
    event_time DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    event_id String CODEC(ZSTD(1)),
    content_hash UInt32,
    recorded_at DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    voided UInt8,
    kind LowCardinality(String),
    correction_id String CODEC(ZSTD(1)),
    reason String CODEC(ZSTD(1)),
    recorded_by String CODEC(ZSTD(1)),
    stands_customer_id String CODEC(ZSTD(1)),
    stands_event_type LowCardinality(String),
    stands_event_time DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    stands_content_hash UInt32"""
# Since form 3. Of a version that replaces another (`is_replacement`) its properties, and when the event that it
# replaces was first ingested; of a correction's facts the hash of what was asked for, and what it undoes.
_FACT_COLUMNS_3 = (
    "is_replacement UInt8",
    "properties Map(String, String) CODEC(ZSTD(1))",
    "first_at DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1))",
    "request_hash LowCardinality(String)",
    "undoes LowCardinality(String)",
)
CREATE_VOIDS = f"""
CREATE TABLE IF NOT EXISTS {VOIDS_TABLE} ({_FACT_COLUMNS},
    {", ".join(_FACT_COLUMNS_3)}
)
ENGINE = ReplacingMergeTree
ORDER BY ({", ".join(EVENT_KEY)}, recorded_at, correction_id)
"""
# Of a store of form 2. Columns are metadata: nothing is copied, and a second time nothing happens.
EXTEND_VOIDS = f"ALTER TABLE {VOIDS_TABLE} " + ", ".join(
    f"ADD COLUMN IF NOT EXISTS {column}" for column in _FACT_COLUMNS_3
)

# The facts of a correction that is tried and not made: rated by one dry run, then dropped; what a killed engine
# left behind goes by itself.
CREATE_DRAFTS = f"""
CREATE TABLE IF NOT EXISTS {DRAFTS_TABLE} (
    draft_id UInt64,
    made_at DateTime DEFAULT now(),{_FACT_COLUMNS},
    {", ".join(_FACT_COLUMNS_3)}
)
ENGINE = MergeTree
PARTITION BY draft_id
ORDER BY ({", ".join(EVENT_KEY)})
TTL made_at + INTERVAL 1 HOUR
"""

# Up to where the log has been looked through for ids that were used twice. It only rises.
CREATE_RECONCILED = f"""
CREATE TABLE IF NOT EXISTS {RECONCILED_TABLE} (
    reader LowCardinality(String),
    ingested_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(ingested_at)
ORDER BY reader
"""


def log_schema(codec: str) -> tuple[str, ...]:
    """What makes the tables of the log of events, and of what is decided on it."""
    return create_events(EVENTS_TABLE, codec), CREATE_VOIDS, EXTEND_VOIDS, CREATE_DRAFTS, CREATE_RECONCILED


def create_database(name: str) -> str:
    # The default database of chDB is not Atomic.
    return f"CREATE DATABASE IF NOT EXISTS {name} ENGINE = Atomic"


# Of a server's database: the data directory whose order of ingestion holds here.
OWNERS_TABLE = "owners"
CREATE_OWNERS = f"""
CREATE TABLE IF NOT EXISTS {OWNERS_TABLE} (
    directory String,
    since DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = MergeTree
ORDER BY since
"""
