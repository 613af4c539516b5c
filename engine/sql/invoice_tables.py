"""The tables of closed billing periods in the catalog database (engine.sql.schema has the others).

- closes: runs that close billing periods; invoices: the headers of what they issued (engine.billing.closing). Rows are never
  deleted; the lines of an invoice are in the usage store.
- draft_holds: billing periods that people hold back (engine.billing.closing.held_periods). Deleted when they are released.
- billing_settings: how a tenant's billing periods are closed (engine.billing.automatic.billing_settings).
- invoice_series: the next numbers of a tenant's invoices and credit notes, and how often what is billed has changed.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, PrimaryKeyConstraint, Table, Text, text

METADATA: Final = MetaData()
"""Of all tables of the catalog database."""

CLOSES: Final = Table(
    "closes",
    METADATA,
    Column("tenant", Text, nullable=False),
    Column("close_id", Text, nullable=False),
    # Instants are in microseconds since 1970. Of the billing periods that end in (from, before].
    Column("from_us", BigInteger, nullable=False),
    Column("before_us", BigInteger, nullable=False),
    Column("grace_us", BigInteger, nullable=False),
    # Rated from the usage and the catalog of these.
    Column("as_of_us", BigInteger, nullable=False),
    Column("catalog_revision", BigInteger, nullable=False),
    Column("begun_at_us", BigInteger, nullable=False),
    Column("begun_by", Text, nullable=False),
    # NULL until all its invoices are issued.
    Column("ended_at_us", BigInteger, nullable=True),
    # 1: of drafts that were approved, not of all that ended in the span.
    Column("of_drafts", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("tenant", "close_id", name="closes_pk"),
    # Of one span one at a time.
    Index(
        "closes_under_way",
        "tenant",
        "from_us",
        "before_us",
        unique=True,
        sqlite_where=text("ended_at_us IS NULL AND of_drafts = 0"),
        postgresql_where=text("ended_at_us IS NULL AND of_drafts = 0"),
    ),
)

DRAFT_HOLDS: Final = Table(
    "draft_holds",
    METADATA,
    *(Column(name, Text, nullable=False) for name in ("tenant", "customer_id")),
    # Instants are in microseconds since 1970. The billing period, in whatever currencies.
    Column("period_start_us", BigInteger, nullable=False),
    Column("period_end_us", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("held_at_us", BigInteger, nullable=False),
    Column("held_by", Text, nullable=False),
    PrimaryKeyConstraint("tenant", "customer_id", "period_start_us", "period_end_us", name="draft_holds_pk"),
)

BILLING_SETTINGS: Final = Table(
    "billing_settings",
    METADATA,
    Column("tenant", Text, nullable=False),
    # How long after its end a billing period is closed where nothing else is said.
    Column("grace_us", BigInteger, nullable=False),
    # Billing periods that end by then are closed by the engine itself, or were; NULL: none are.
    Column("closed_until_us", BigInteger, nullable=True),
    # 1: the engine closes what ends later too.
    Column("is_automatic", Integer, nullable=False),
    # Since when: what ended before is left to people.
    Column("closed_since_us", BigInteger, nullable=True),
    # Where the span of the run ends that is under way; NULL: none is.
    Column("closing_until_us", BigInteger, nullable=True),
    # Where the span of the first run begins that left a customer open; NULL: none is left open.
    Column("open_since_us", BigInteger, nullable=True),
    Column("open_customer_count", BigInteger, nullable=False),
    # When those that are left open were tried last.
    Column("retried_at_us", BigInteger, nullable=True),
    # When past spans were looked through last for periods that have come into them, and at which revision of the catalog.
    Column("looked_at_us", BigInteger, nullable=True),
    Column("looked_revision", BigInteger, nullable=False),
    # 1: what the engine would issue by itself waits as a draft until somebody approves it.
    Column("is_reviewed", Integer, nullable=False, server_default="0"),
    # How many drafts waited when they were counted last.
    Column("draft_count", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("tenant", name="billing_settings_pk"),
)

INVOICE_SERIES: Final = Table(
    "invoice_series",
    METADATA,
    Column("tenant", Text, nullable=False),
    # From 1, by one, without a gap.
    Column("next_number", BigInteger, nullable=False),
    # The same of credit notes, a series of their own.
    Column("next_credit_note", BigInteger, nullable=False, server_default="1"),
    # Rises with every transaction that issues or voids: what was computed of an earlier state is computed again.
    Column("version", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", name="invoice_series_pk"),
)

INVOICES: Final = Table(
    "invoices",
    METADATA,
    Column("tenant", Text, nullable=False),
    Column("invoice_id", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    # One of engine.billing.accounts.invoice_states, as it is before it is due: who reads it looks at due_at_us, too.
    Column("state", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    # Instants are in microseconds since 1970.
    Column("period_start_us", BigInteger, nullable=False),
    Column("period_end_us", BigInteger, nullable=False),
    # 0: all of the period, or its rest. From 1 on: what was billed while the period ran (engine.billing.running_periods).
    Column("part", Integer, nullable=False, server_default="0"),
    Column("close_id", Text, nullable=False),
    Column("as_of_us", BigInteger, nullable=False),
    Column("catalog_revision", BigInteger, nullable=False),
    Column("issued_at_us", BigInteger, nullable=False),
    Column("line_count", BigInteger, nullable=False),
    # Sums of the lines, decimals in units of the currency.
    Column("amount", Text, nullable=False),
    Column("discounts", Text, nullable=False),
    Column("commitments", Text, nullable=False),
    Column("credits", Text, nullable=False),
    Column("included_tax", Text, nullable=False),
    Column("tax", Text, nullable=False),
    Column("due", Text, nullable=False),
    Column("payment_terms_days", Integer, nullable=False, server_default="30"),
    Column("due_at_us", BigInteger, nullable=False, server_default="0"),
    # Who bought and who sold, as they were at the catalog's revision: JSON (engine.billing.closing.invoice_terms).
    Column("billing_details", Text, nullable=False, server_default="{}"),
    # When the outbox was told that it is overdue; NULL: not, or not since it was last paid.
    Column("overdue_told_at_us", BigInteger, nullable=True),
    # NULL unless it is void.
    Column("voided_at_us", BigInteger, nullable=True),
    Column("void_reason", Text, nullable=False, server_default=""),
    # NULL unless the customer's personal data was erased since (engine.erasure.facts_and_invoices).
    Column("erased_at_us", BigInteger, nullable=True),
    PrimaryKeyConstraint("tenant", "invoice_id", name="invoices_pk"),
    Index("invoices_by_number", "tenant", "number", unique=True),
    # A billing period is billed once, and each of its parts.
    Index(
        "invoices_by_period",
        "tenant",
        "customer_id",
        "currency",
        "period_start_us",
        "period_end_us",
        "part",
        unique=True,
        sqlite_where=text("state <> 'void'"),
        postgresql_where=text("state <> 'void'"),
    ),
    Index("invoices_by_customer", "tenant", "customer_id", "number"),
    Index(
        "invoices_falling_due",
        "due_at_us",
        sqlite_where=text("state IN ('issued', 'partly_paid') AND overdue_told_at_us IS NULL"),
        postgresql_where=text("state IN ('issued', 'partly_paid') AND overdue_told_at_us IS NULL"),
    ),
)
