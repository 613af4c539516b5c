"""Stores of earlier forms: the tables that they had, and rows in them."""

# What an engine before content hashes made.
OF_FORM_1 = """
CREATE TABLE IF NOT EXISTS meterline.events (
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


# Over seven months, every fifth event with a retry: an id, a value and a stamp that its number decides.
FILL_ = """
INSERT INTO meterline.events (tenant, customer_id, event_type, event_time, event_id, {column}, properties)
SELECT 't1', concat('c', toString(number % 7)), 'call',
    fromUnixTimestamp64Micro(1793491200000000 + (number % 200) * 86400000000, 'UTC'), toString(number),
    {stamp}, map('v', toString(number * 3))
FROM numbers({{events}}) WHERE number % {{every}} = 0
"""


_STAMP_US = "toInt64(1793491200000000 + number + {late})"


FILL = FILL_.format(column="ingested_at", stamp=f"fromUnixTimestamp64Micro({_STAMP_US}, 'UTC')")


FILL_TODAY = FILL_.format(column="ingest_rank", stamp=f"bitNot(toUInt64({_STAMP_US}))")
