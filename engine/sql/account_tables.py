"""The tables of what customers owe and have paid (engine.billing.accounts): every change is a row, balances are sums.

- account_entries: append-only. Of an account, a customer's in one currency, what changes what is owed on one of its invoices, or
  (invoice_id '') its balance, which is negative: money and credit that no invoice has used.
- payments, refunds: what was reported, each once.
- credit_notes, credit_note_lines: credit notes, and what each gives back of the lines of its invoice.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from engine.sql.invoice_tables import METADATA

ACCOUNT_ENTRIES: Final = Table(
    "account_entries",
    METADATA,
    # In the order of commits. An Integer, so that SQLite numbers the rows itself.
    Column("number", BigInteger().with_variant(Integer, "sqlite"), autoincrement=True, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    # '' for the balance of the account.
    Column("invoice_id", Text, nullable=False),
    # One of engine.billing.accounts.account.EntryKind.
    Column("kind", Text, nullable=False),
    # What the customer owes more (or, negative, less), in minor units.
    Column("amount_minor", BigInteger, nullable=False),
    # Whose money it is; '' for credit that no payment gave.
    Column("payment_id", Text, nullable=False),
    # The refund or the credit note that made the entry; '' for another.
    Column("document_id", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    # Microseconds since 1970.
    Column("recorded_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("number", name="account_entries_pk"),
    Index("account_entries_by_invoice", "tenant", "invoice_id", "customer_id", "currency"),
    Index("account_entries_by_customer", "tenant", "customer_id", "recorded_at_us", "number"),
)

PAYMENTS: Final = Table(
    "payments",
    METADATA,
    Column("tenant", Text, nullable=False),
    # The reporter's.
    Column("payment_id", Text, nullable=False),
    # "succeeded" or "failed".
    Column("state", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    # Of the report, so that another one under the same id is refused.
    Column("digest", Text, nullable=False),
    # The ids of the invoices that it names, as a JSON list.
    Column("invoice_ids", Text, nullable=False),
    Column("method", Text, nullable=False),
    # What the payer wrote with it.
    Column("reference", Text, nullable=False, server_default=""),
    Column("failure_reason", Text, nullable=False),
    Column("received_at_us", BigInteger, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "payment_id", name="payments_pk"),
    Index("payments_by_customer", "tenant", "customer_id", "recorded_at_us", "payment_id"),
    Index("payments_by_time", "tenant", "recorded_at_us", "payment_id"),
)

REFUNDS: Final = Table(
    "refunds",
    METADATA,
    Column("tenant", Text, nullable=False),
    # The reporter's.
    Column("refund_id", Text, nullable=False),
    Column("payment_id", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "refund_id", name="refunds_pk"),
    Index("refunds_by_payment", "tenant", "payment_id"),
)

CREDIT_NOTES: Final = Table(
    "credit_notes",
    METADATA,
    Column("tenant", Text, nullable=False),
    # Made from the key that its creator gave (engine.billing.receivables.credit_note).
    Column("credit_note_id", Text, nullable=False),
    # From 1, by one, without a gap.
    Column("number", BigInteger, nullable=False),
    # "issued" or "void".
    Column("state", Text, nullable=False),
    Column("invoice_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    # Of the request.
    Column("digest", Text, nullable=False),
    # 1: its lines count as billed where usage is corrected later. No note does so yet.
    Column("corrects_usage", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("issued_at_us", BigInteger, nullable=False),
    Column("line_count", BigInteger, nullable=False),
    # What it gives back, decimals in units of the currency, none negative in sum.
    Column("amount", Text, nullable=False),
    Column("discounts", Text, nullable=False),
    Column("commitments", Text, nullable=False),
    Column("credits", Text, nullable=False),
    Column("included_tax", Text, nullable=False),
    Column("tax", Text, nullable=False),
    Column("due", Text, nullable=False),
    # NULL unless it is void.
    Column("voided_at_us", BigInteger, nullable=True),
    Column("void_reason", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("tenant", "credit_note_id", name="credit_notes_pk"),
    Index("credit_notes_by_number", "tenant", "number", unique=True),
    Index("credit_notes_by_invoice", "tenant", "invoice_id"),
    Index("credit_notes_by_customer", "tenant", "customer_id", "number"),
)

CREDIT_NOTE_LINES: Final = Table(
    "credit_note_lines",
    METADATA,
    Column("tenant", Text, nullable=False),
    Column("credit_note_id", Text, nullable=False),
    # Of the line of its invoice.
    Column("line_number", BigInteger, nullable=False),
    # What is given back of it, in minor units; negative of a line that gives back itself.
    Column("amount_minor", BigInteger, nullable=False),
    Column("discount_minor", BigInteger, nullable=False),
    Column("credit_minor", BigInteger, nullable=False),
    Column("included_tax_minor", BigInteger, nullable=False),
    Column("tax_minor", BigInteger, nullable=False),
    Column("due_minor", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "credit_note_id", "line_number", name="credit_note_lines_pk"),
)
