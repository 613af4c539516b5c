"""What is kept of events that were not stored: a bounded log of what was wrong with them, and how many there were.

Rules:
1. Nothing depends on it: rows may be lost with the engine that has not written them yet, and a count may have an insert
   twice that the driver repeated. So it has no stamp of the order of ingestion, and no snapshot.
2. A row is one thing that is wrong with one event: who it was, as far as it could be read, and never its properties.
   What a producer sent is cut off at the length that an event's may have.
3. Of a tenant, an hour and a reason at most LOGGED_AN_HOUR_MAX rows are kept: a flood of one kind hides no other, and what
   comes in the next hour is seen again. What was left out is in the counts (engine.usage.recording.problem_log).
4. Both go after KEPT_DAYS, day by day: whole parts are dropped, and none is written again.
"""

from typing import Final

PROBLEMS_TABLE: Final = "problems"
PROBLEM_COUNTS_TABLE: Final = "problem_counts"
KEPT_DAYS: Final = 7
LOGGED_AN_HOUR_MAX: Final = 500
HOUR_US: Final = 3_600_000_000

CREATE_PROBLEMS = f"""
CREATE TABLE IF NOT EXISTS {PROBLEMS_TABLE} (
    tenant LowCardinality(String),
    received_at DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    problem_id UInt64 CODEC(ZSTD(1)),
    verdict UInt8,
    reason UInt8,
    field LowCardinality(String),
    event_id String CODEC(ZSTD(1)),
    event_type LowCardinality(String),
    customer_id String CODEC(ZSTD(1)),
    event_time Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
    credential LowCardinality(String)
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (tenant, received_at, problem_id)
TTL toDateTime(received_at) + INTERVAL {KEPT_DAYS} DAY
SETTINGS ttl_only_drop_parts = 1
"""

CREATE_PROBLEM_COUNTS = f"""
CREATE TABLE IF NOT EXISTS {PROBLEM_COUNTS_TABLE} (
    tenant LowCardinality(String),
    hour DateTime('UTC'),
    reason UInt8,
    problems UInt64,
    logged UInt64
)
ENGINE = SummingMergeTree((problems, logged))
PARTITION BY toDate(hour)
ORDER BY (tenant, hour, reason)
TTL hour + INTERVAL {KEPT_DAYS} DAY
SETTINGS ttl_only_drop_parts = 1
"""

PROBLEM_SCHEMA = (CREATE_PROBLEMS, CREATE_PROBLEM_COUNTS)
