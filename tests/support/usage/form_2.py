"""A store of the second form."""

# What an engine made before parts were compressed by their size.
OF_FORM_2 = """
CREATE TABLE meterline.events (
    tenant LowCardinality(String),
    customer_id String,
    event_type LowCardinality(String),
    event_time DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    event_id String CODEC(ZSTD(1)),
    ingested_at DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    properties Map(String, String) CODEC(ZSTD(1)),
    ingest_rank UInt64 MATERIALIZED 18446744073709551615 - toUnixTimestamp64Micro(ingested_at)
        CODEC(DoubleDelta, ZSTD(1)),
    content_hash UInt32 MATERIALIZED xxHash32(arrayStringConcat(arrayMap(
        text -> concat(toString(length(text)), ':', text), arrayConcat(mapKeys(properties), mapValues(properties)))))
        CODEC(ZSTD(1)),
    INDEX ingested_range ingested_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(ingest_rank)
PARTITION BY toYYYYMM(event_time)
ORDER BY (tenant, customer_id, event_type, event_time, event_id, content_hash)
"""
