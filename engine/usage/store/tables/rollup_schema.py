"""Rollups: partials of the events of a slice of time, kept so that a read need not go back to the events.

Rules:
1. A rollup is never money of its own: it is what its events reduce to (engine.usage.store.tables.partials), computed
   from the deduplicated log, and can be thrown away and computed again, as long as those are there: of usage that has
   expired rollups are all that is left (engine.usage.store.tables.retention_schema).
2. One row is one slice of one customer under one rollup key, with all its groups in arrays. A slice that is computed
   again replaces the row as a whole: what is gone from the slice is gone from the row.
3. `rolled_up_at` is the watermark that a row was computed at: all that had happened to the slice by then is in it.
   Of two rows the one with the later watermark stands (ReplacingMergeTree), whoever wrote it last.
4. `last_change` is the stamp of the last thing that happened to the slice: its newest event or fact. The row is right
   for every watermark from `last_change` on, until something happens to the slice again.
5. Progress says up to which stamp everything that happened to a covered customer is in rows. What happened since is
   found in the log itself, so that a row need not be touched to become stale.
6. A customer is covered from when all its slices have been computed, and for ever. Slices are hours; days for
   customers with few events an hour, for whom a row an hour would be larger than the events. Who has only a handful of
   events a day isn't covered: its events are read faster than anything made of them.
7. Rows are on the disk before progress is, also where events are not (engine.usage.store.tables.durability): a row that
   a loss of power took away, below progress that it left, would be usage that no answer has.
8. The key names what the meter aggregates, so meters that aggregate the same share rows, and a meter that is changed
   starts anew.
"""

from engine.usage.store.tables.durability import ON_DISK
from engine.usage.store.tables.partials import ALL_PARTIALS

ROLLUPS_TABLE = "rollups"
ROLLUP_CUSTOMERS_TABLE = "rollup_customers"
ROLLUP_PROGRESS_TABLE = "rollup_progress"

# Lengths of slices, and what gives the start of the one that an instant lies in; both aligned in UTC.
HOUR_S, DAY_S = 3_600, 86_400
SLICE_START = {HOUR_S: "toStartOfHour", DAY_S: "toStartOfDay"}

# A group's column in a row: an array with an element for each group, in one order.
GROUP_DIMENSIONS = "groups_dimensions"


def groups_column(partial_name: str) -> str:
    return f"groups_{partial_name}"


_GROUPS = ",\n    ".join(
    f"{groups_column(each.name)} Array({each.type}) CODEC(ZSTD(1))" for each in ALL_PARTIALS
)

CREATE_ROLLUPS = f"""
CREATE TABLE IF NOT EXISTS {ROLLUPS_TABLE} (
    tenant LowCardinality(String),
    rollup_key LowCardinality(String),
    slice_s UInt32,
    customer_id String CODEC(ZSTD(1)),
    slice_start DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    rolled_up_at DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    last_change DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    {GROUP_DIMENSIONS} Array(Array(Nullable(String))) CODEC(ZSTD(1)),
    {_GROUPS}
)
ENGINE = ReplacingMergeTree(rolled_up_at)
PARTITION BY toYYYYMM(slice_start)
ORDER BY (tenant, rollup_key, slice_s, customer_id, slice_start)
SETTINGS index_granularity = 1024, {ON_DISK}
"""

CREATE_ROLLUP_CUSTOMERS = f"""
CREATE TABLE IF NOT EXISTS {ROLLUP_CUSTOMERS_TABLE} (
    tenant LowCardinality(String),
    rollup_key LowCardinality(String),
    customer_id String CODEC(ZSTD(1)),
    slice_s UInt32
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, rollup_key, customer_id, slice_s)
SETTINGS index_granularity = 1024, {ON_DISK}
"""

CREATE_ROLLUP_PROGRESS = f"""
CREATE TABLE IF NOT EXISTS {ROLLUP_PROGRESS_TABLE} (
    tenant LowCardinality(String),
    rollup_key LowCardinality(String),
    rolled_up_until DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(rolled_up_until)
ORDER BY (tenant, rollup_key)
SETTINGS {ON_DISK}
"""

ROLLUP_SCHEMA = (CREATE_ROLLUPS, CREATE_ROLLUP_CUSTOMERS, CREATE_ROLLUP_PROGRESS)
