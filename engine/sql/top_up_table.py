"""The table of top-ups (engine.spend.top_ups): each one that a rule has made, for ever, whatever became of its grant."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text

from engine.sql.alert_tables import ALERT_CURSORS

METADATA: Final = ALERT_CURSORS.metadata

TOP_UPS: Final = Table(
    "top_ups",
    METADATA,
    Column("tenant", Text, nullable=False),
    Column("rule_id", Text, nullable=False),
    # Of the rule's top-ups, from 1, by one.
    Column("number", BigInteger, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("credit_grant_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    # Decimals in their canonical text: what was granted, and what was left before, at the watermark `as_of_us`.
    Column("amount", Text, nullable=False),
    Column("balance", Text, nullable=False),
    # "2026-11", in UTC: toward whose most it counts.
    Column("month", Text, nullable=False),
    # Microseconds since 1970, both. When it was made, from which on the grant is valid.
    Column("as_of_us", BigInteger, nullable=False),
    Column("topped_up_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "rule_id", "number", name="top_ups_pk"),
    Index("top_ups_by_customer", "tenant", "customer_id"),
)
