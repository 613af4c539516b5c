"""Makes a usage store as an engine of the first form left it: what has expired is in rows whose digest is the exclusive
or of hashes without customer and type. By statements of that engine, written out, so that they stay as they were.
"""

# Before there was another form.
EXPIRED_CUSTOMERS = """
CREATE TABLE expired_customers (
    tenant LowCardinality(String),
    event_type LowCardinality(String),
    customer_id String CODEC(ZSTD(1)),
    expired_before DateTime64(6, 'UTC'),
    verified_at DateTime64(6, 'UTC'),
    recorded_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(expired_before)
ORDER BY (tenant, event_type, customer_id)
SETTINGS index_granularity = 1024
"""
# Of a meter that sums a property and groups by none or one, of which the events have one value.
_ROLL_UP = """
INSERT INTO rollups (tenant, rollup_key, slice_s, customer_id, slice_start, rolled_up_at, last_change,
    groups_dimensions, groups_event_count, groups_event_digest, groups_unreadable_count, groups_missing_count, groups_total)
SELECT tenant, '{key}', 3600, customer_id, toStartOfHour(event_time) AS start, {at}, max(ingested_at),
    [{dimensions}]::Array(Array(Nullable(String))), [count()],
    [groupBitXor(reinterpretAsUInt128(sipHash128(event_id, event_time, toString(properties))))],
    [toUInt64(0)], [toUInt64(0)], [sum(toInt256(properties['{value}']) * 1000000000000)]
FROM (SELECT *, ingested_at FROM events FINAL) WHERE tenant = '{tenant}' GROUP BY tenant, customer_id, start
"""
_COVER = """
INSERT INTO rollup_customers (tenant, rollup_key, customer_id, slice_s)
SELECT DISTINCT tenant, '{key}', customer_id, 3600 FROM events WHERE tenant = '{tenant}'
"""
_PROGRESS = """
INSERT INTO rollup_progress (tenant, rollup_key, rolled_up_until) SELECT '{tenant}', '{key}', {at}
"""
_KEY_EXPIRED = """
INSERT INTO expired_rollup_keys (tenant, event_type, rollup_key, rows_from, expired_before, recorded_at)
SELECT '{tenant}', 'call', '{key}', fromUnixTimestamp64Micro(0, 'UTC'), {before}, {at}
"""
_CUSTOMERS_EXPIRED = """
INSERT INTO expired_customers (tenant, event_type, customer_id, expired_before, verified_at, recorded_at)
SELECT '{tenant}', 'call', arrayJoin({customers}), {before}, {at}, {at}
"""
_DELETE = """
ALTER TABLE events DELETE WHERE tenant = '{tenant}' AND event_time < {before}
    AND customer_id IN {customers} SETTINGS mutations_sync = 2
"""


def first_form_statements(
    keys: dict[str, str], *, tenant: str, customers: list[str], before_us: int, at_us: int, value: str = "v"
) -> list[str]:
    """What rolled all events of a tenant up and had those of some customers expire, as of a watermark.

    keys: the rollup keys of the first form, each with its dimensions in SQL: "[]" or "['eu']". `value`: whose sum.
    """
    fields = {
        "tenant": tenant,
        "customers": customers,
        "before": f"fromUnixTimestamp64Micro({before_us}, 'UTC')",
        "at": f"fromUnixTimestamp64Micro({at_us}, 'UTC')",
        "value": value,
    }
    of_keys = [
        statement.format(**fields, key=key, dimensions=dimensions)
        for key, dimensions in keys.items()
        for statement in (_ROLL_UP, _COVER, _PROGRESS, _KEY_EXPIRED)
    ]
    return [*of_keys, _CUSTOMERS_EXPIRED.format(**fields), _DELETE.format(**fields)]
