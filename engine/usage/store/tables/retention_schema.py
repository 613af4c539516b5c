"""What is known of raw events that have expired: from then on their rollups are all there is of them.

Rules:
1. An expiry is recorded before the first event of it is deleted, and never taken back: whoever reads knows that a
   smaller number could come from the log, and answers from rollups or not at all (engine.usage.query.expired_read).
2. Of a customer's events of a type all before `expired_before` are gone or about to go, as they stood at `verified_at`:
   what happened to that stretch later is in no rollup. Both only rise.
3. Of a rollup key everything in [rows_from, expired_before) is in rollups by hours, of every customer that has expired:
   a key that came later than an expiry starts where that one ended.
4. Key by key a row is recorded anew before the rows of more customers are: by them a reader sees how far back it must
   look out at all, and whether any customer may have been added since it looked.
5. Rollups of a stretch that has expired are never computed again (`not_expired_sql`): from a log without its events
   they would become nothing.
6. Of a customer all before `first_form_before` is in rows of the first form (engine.usage.store.tables.event_digest),
   of which nothing else is left either. An engine that knows of one form only doesn't name the column, and leaves all
   before `expired_before` in it. What expires now is in rows of today's form, and the instant stays what it was.
7. All of it is on the disk in every mode of durability, as rollups are: it must not be lost while deletion is not.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from engine.usage.store.tables.durability import ON_DISK

EXPIRED_CUSTOMERS_TABLE = "expired_customers"
EXPIRED_KEYS_TABLE = "expired_rollup_keys"

_FIRST_FORM_BEFORE = "first_form_before DateTime64(6, 'UTC') DEFAULT expired_before"
CREATE_EXPIRED_CUSTOMERS = f"""
CREATE TABLE IF NOT EXISTS {EXPIRED_CUSTOMERS_TABLE} (
    tenant LowCardinality(String),
    event_type LowCardinality(String),
    customer_id String CODEC(ZSTD(1)),
    expired_before DateTime64(6, 'UTC'),
    verified_at DateTime64(6, 'UTC'),
    recorded_at DateTime64(6, 'UTC'),
    {_FIRST_FORM_BEFORE}
)
ENGINE = ReplacingMergeTree(expired_before)
ORDER BY (tenant, event_type, customer_id)
SETTINGS index_granularity = 1024, {ON_DISK}
"""

# Of a store that was made before there was another form.
EXTEND_EXPIRED_CUSTOMERS = (
    f"ALTER TABLE {EXPIRED_CUSTOMERS_TABLE} ADD COLUMN IF NOT EXISTS {_FIRST_FORM_BEFORE}"
)

CREATE_EXPIRED_KEYS = f"""
CREATE TABLE IF NOT EXISTS {EXPIRED_KEYS_TABLE} (
    tenant LowCardinality(String),
    event_type LowCardinality(String),
    rollup_key LowCardinality(String),
    rows_from DateTime64(6, 'UTC'),
    expired_before DateTime64(6, 'UTC'),
    recorded_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(recorded_at)
ORDER BY (tenant, event_type, rollup_key)
SETTINGS {ON_DISK}
"""

RETENTION_SCHEMA = (CREATE_EXPIRED_CUSTOMERS, EXTEND_EXPIRED_CUSTOMERS, CREATE_EXPIRED_KEYS)

_OF_CUSTOMERS = (
    f"SELECT customer_id, max(toUnixTimestamp64Micro(expired_before)) AS before_us FROM {EXPIRED_CUSTOMERS_TABLE} "
    "WHERE tenant = {tenant:String} AND event_type = {event_type:String} AND customer_id IN {customers:Array(String)} "
    "GROUP BY customer_id ORDER BY customer_id"
)


def not_expired_sql(instant_us: str = "toUnixTimestamp64Micro(event_time)") -> str:
    """A condition on events, facts or rows of `customers` at an instant: not in a stretch that has expired. Decided inside the statement
    that computes from them, so that nothing comes in between.
    """
    # No customer has an empty id: it only keeps the arrays from being empty.
    ids = f"(SELECT arrayPushBack(groupArray(customer_id), '') FROM ({_OF_CUSTOMERS}))"
    before = f"(SELECT arrayPushBack(groupArray(before_us), toInt64(0)) FROM ({_OF_CUSTOMERS}))"
    return f"{instant_us} >= transform(customer_id, {ids}, {before}, toInt64(0))"
