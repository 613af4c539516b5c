"""The tables of alerts (engine.spend.alerts): which thresholds were reached, and up to where that is known.

- alert_crossings: of each customer, threshold and stretch of billing periods what is known; told or not.
- alert_cursors: of each tenant the watermark and the catalog's revision that all of them are as of.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from engine.sql.account_tables import ACCOUNT_ENTRIES

METADATA: Final = ACCOUNT_ENTRIES.metadata

ALERT_CROSSINGS: Final = Table(
    "alert_crossings",
    METADATA,
    # In the order in which they were found. An Integer, so that SQLite numbers the rows itself.
    Column("number", BigInteger().with_variant(Integer, "sqlite"), autoincrement=True, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("alert_id", Text, nullable=False),
    # Decimals in their canonical text, here and below.
    Column("threshold", Text, nullable=False),
    # Of the stretch in which the customer's billing periods are the same, in microseconds since 1970.
    Column("period_start_us", BigInteger, nullable=False),
    Column("period_end_us", BigInteger, nullable=False),
    # One of engine.spend.alerts.crossings.CrossingState.
    Column("state", Text, nullable=False),
    # What the alert said when it was told last; '' for no budget.
    Column("measure", Text, nullable=False),
    # The currency or the meter; '' for a commitment.
    Column("subject", Text, nullable=False),
    Column("budget", Text, nullable=False),
    # What the measure came to at the watermark `as_of_us`, when the state became what it is.
    Column("value", Text, nullable=False),
    Column("as_of_us", BigInteger, nullable=False),
    # When it was told last that it is reached, and that it has recovered; NULL: never.
    Column("reached_at_us", BigInteger),
    Column("recovered_at_us", BigInteger),
    PrimaryKeyConstraint("number", name="alert_crossings_pk"),
    Index(
        "alert_crossings_by_customer",
        *("tenant", "customer_id", "alert_id", "threshold", "period_start_us"),
        unique=True,
    ),
    Index("alert_crossings_by_tenant", "tenant", "number"),
    Index("alert_crossings_by_period", "tenant", "period_end_us"),
)

ALERT_CURSORS: Final = Table(
    "alert_cursors",
    METADATA,
    Column("tenant", Text, nullable=False),
    # Microseconds since 1970: of everything that was stored by then it is known what it reached.
    Column("as_of_us", BigInteger, nullable=False),
    Column("catalog_revision", BigInteger, nullable=False),
    # When all customers were measured last.
    Column("swept_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", name="alert_cursors_pk"),
)
