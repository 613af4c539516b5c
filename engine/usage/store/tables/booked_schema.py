"""The lines of closed billing periods: what invoices are made of (engine.billing.closing).

Rules:
1. A line is of one invoice, whose header is in the catalog store. Lines whose invoice isn't there were never issued: nobody
   reads them.
2. Lines are never changed, but by an erasure. Writing an invoice again writes the same rows, which collapse.
3. No row names a customer: the header does.
4. Amounts are whole minor units of the currency: exact, up to 38 digits.
"""

from typing import Final

from engine.usage.store.tables.durability import ON_DISK

BOOKED_LINES_TABLE: Final = "booked_lines"

CREATE_BOOKED_LINES = f"""
CREATE TABLE IF NOT EXISTS {BOOKED_LINES_TABLE} (
    tenant LowCardinality(String),
    invoice_id String CODEC(ZSTD(1)),
    line_number UInt32,
    kind LowCardinality(String),
    corrects_invoice_id String CODEC(ZSTD(1)),
    line_item_id String CODEC(ZSTD(1)),
    subscription_id String CODEC(ZSTD(1)),
    plan_id LowCardinality(String),
    plan_version UInt32,
    price_id LowCardinality(String),
    price_version UInt32,
    model LowCardinality(String),
    meter_id LowCardinality(String),
    meter_version UInt32,
    product LowCardinality(String),
    dimensions Map(String, String) CODEC(ZSTD(1)),
    period_start DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    period_end DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    service_start DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    service_end DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    currency LowCardinality(String),
    quantity String CODEC(ZSTD(1)),
    billable_quantity String CODEC(ZSTD(1)),
    exact_amount String CODEC(ZSTD(1)),
    event_count Int64,
    event_digest String CODEC(ZSTD(1)),
    amount_minor Decimal(38, 0) CODEC(ZSTD(1)),
    discount_minor Decimal(38, 0) CODEC(ZSTD(1)),
    credit_minor Decimal(38, 0) CODEC(ZSTD(1)),
    included_tax_minor Decimal(38, 0) CODEC(ZSTD(1)),
    tax_minor Decimal(38, 0) CODEC(ZSTD(1)),
    due_minor Decimal(38, 0) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, invoice_id, line_number)
SETTINGS {ON_DISK}
"""

BOOKED_SCHEMA = (CREATE_BOOKED_LINES,)
