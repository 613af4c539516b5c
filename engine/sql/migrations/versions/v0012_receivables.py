"""What is owed and paid: due dates and billing details of invoices, entries of accounts, payments, refunds, credit notes.

Invoices that are there already are due thirty days after their issue, and have their entries as if they had been issued by this
version: what one gives back is balance, a void one is owed no more.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TERMS_US = 30 * 86_400 * 1_000_000
_SUMS = ("amount", "discounts", "commitments", "credits", "included_tax", "tax", "due")
_ROWS_AT_ONCE = 1_000


def upgrade() -> None:
    _invoices()
    op.create_table(
        "account_entries",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False
        ),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("tenant", "customer_id", "currency")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("invoice_id", "kind")),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("payment_id", "document_id")),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("recorded_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("number", name="account_entries_pk"),
    )
    op.create_index(
        "account_entries_by_invoice", "account_entries", ["tenant", "invoice_id", "customer_id", "currency"]
    )
    op.create_index(
        "account_entries_by_customer",
        "account_entries",
        ["tenant", "customer_id", "recorded_at_us", "number"],
    )
    _payments()
    _credit_notes()
    _enter_standing_invoices()


def _invoices() -> None:
    op.add_column(
        "invoice_series", sa.Column("next_credit_note", sa.BigInteger, nullable=False, server_default="1")
    )
    for column in (
        sa.Column("payment_terms_days", sa.Integer, nullable=False, server_default="30"),
        sa.Column("due_at_us", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("billing_details", sa.Text, nullable=False, server_default="{}"),
        sa.Column("overdue_told_at_us", sa.BigInteger, nullable=True),
    ):
        op.add_column("invoices", column)
    invoices = sa.table("invoices", *map(sa.column, ("issued_at_us", "due_at_us")))
    op.execute(
        sa.update(invoices).values(due_at_us=invoices.c.issued_at_us + sa.literal(_TERMS_US, sa.BigInteger))
    )
    op.create_index(
        "invoices_falling_due",
        "invoices",
        ["due_at_us"],
        sqlite_where=sa.text("state IN ('issued', 'partly_paid') AND overdue_told_at_us IS NULL"),
        postgresql_where=sa.text("state IN ('issued', 'partly_paid') AND overdue_told_at_us IS NULL"),
    )


def _payments() -> None:
    op.create_table(
        "payments",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("tenant", "payment_id", "state")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("customer_id", "currency")),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("digest", "invoice_ids")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("method", "failure_reason")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("received_at_us", "recorded_at_us")),
        sa.PrimaryKeyConstraint("tenant", "payment_id", name="payments_pk"),
    )
    op.create_index(
        "payments_by_customer", "payments", ["tenant", "customer_id", "recorded_at_us", "payment_id"]
    )
    op.create_index("payments_by_time", "payments", ["tenant", "recorded_at_us", "payment_id"])
    op.create_table(
        "refunds",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("tenant", "refund_id", "payment_id")),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("digest", "reason")),
        sa.Column("recorded_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "refund_id", name="refunds_pk"),
    )
    op.create_index("refunds_by_payment", "refunds", ["tenant", "payment_id"])


def _credit_notes() -> None:
    op.create_table(
        "credit_notes",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("tenant", "credit_note_id")),
        sa.Column("number", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("state", "invoice_id", "customer_id")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("currency", "digest")),
        sa.Column("corrects_usage", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("issued_at_us", "line_count")),
        *(sa.Column(name, sa.Text, nullable=False) for name in _SUMS),
        sa.Column("voided_at_us", sa.BigInteger, nullable=True),
        sa.Column("void_reason", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("tenant", "credit_note_id", name="credit_notes_pk"),
    )
    op.create_index("credit_notes_by_number", "credit_notes", ["tenant", "number"], unique=True)
    op.create_index("credit_notes_by_invoice", "credit_notes", ["tenant", "invoice_id"])
    op.create_index("credit_notes_by_customer", "credit_notes", ["tenant", "customer_id", "number"])


def _enter_standing_invoices() -> None:
    """In the order of their numbers, so that what one gives back is there for those behind it."""
    connection = op.get_bind()
    columns = ("tenant", "invoice_id", "state", "customer_id", "currency", "due", "issued_at_us")
    invoices = sa.table("invoices", *map(sa.column, (*columns, "number", "voided_at_us", "void_reason")))
    rows = connection.execute(sa.select(invoices).order_by(invoices.c.tenant, invoices.c.number)).all()
    entries, settled = [], []
    for row in rows:
        # All digits of the currency's minor unit are in the text.
        due = int(row.due.replace(".", ""))
        fields = {"tenant": row.tenant, "customer_id": row.customer_id, "currency": row.currency}
        fields |= {"payment_id": "", "document_id": "", "reason": ""}
        issued = fields | {"recorded_at_us": row.issued_at_us}
        entries.append(issued | {"invoice_id": row.invoice_id, "kind": "invoice", "amount_minor": due})
        if row.state == "void":
            voided = fields | {"recorded_at_us": row.voided_at_us, "reason": row.void_reason}
            entries.append(voided | {"invoice_id": row.invoice_id, "kind": "void", "amount_minor": -due})
        elif due <= 0:
            settled.append({"of_tenant": row.tenant, "of_invoice": row.invoice_id})
            if due:
                moved = issued | {"kind": "applied"}
                entries.append(moved | {"invoice_id": row.invoice_id, "amount_minor": -due})
                entries.append(moved | {"invoice_id": "", "amount_minor": due})
    names = ("tenant", "customer_id", "currency", "invoice_id", "kind", "amount_minor", "payment_id")
    table = sa.table("account_entries", *map(sa.column, (*names, "document_id", "reason", "recorded_at_us")))
    for first in range(0, len(entries), _ROWS_AT_ONCE):
        connection.execute(sa.insert(table), entries[first : first + _ROWS_AT_ONCE])
    if settled:
        connection.execute(
            sa.update(invoices)
            .where(
                invoices.c.tenant == sa.bindparam("of_tenant"),
                invoices.c.invoice_id == sa.bindparam("of_invoice"),
            )
            .values(state="paid"),
            settled,
        )
