"""Closed billing periods: their runs, their invoices, and the numbers of these."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "closes",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("close_id", sa.Text, nullable=False),
        sa.Column("from_us", sa.BigInteger, nullable=False),
        sa.Column("before_us", sa.BigInteger, nullable=False),
        sa.Column("grace_us", sa.BigInteger, nullable=False),
        sa.Column("as_of_us", sa.BigInteger, nullable=False),
        sa.Column("catalog_revision", sa.BigInteger, nullable=False),
        sa.Column("begun_at_us", sa.BigInteger, nullable=False),
        sa.Column("begun_by", sa.Text, nullable=False),
        sa.Column("ended_at_us", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "close_id", name="closes_pk"),
    )
    op.create_index(
        "closes_under_way",
        "closes",
        ["tenant", "from_us", "before_us"],
        unique=True,
        sqlite_where=sa.text("ended_at_us IS NULL"),
        postgresql_where=sa.text("ended_at_us IS NULL"),
    )
    op.create_table(
        "invoice_series",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("next_number", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="invoice_series_pk"),
    )
    texts = ("amount", "discounts", "commitments", "credits", "included_tax", "tax", "due")
    op.create_table(
        "invoices",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("invoice_id", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("period_start_us", sa.BigInteger, nullable=False),
        sa.Column("period_end_us", sa.BigInteger, nullable=False),
        sa.Column("close_id", sa.Text, nullable=False),
        sa.Column("as_of_us", sa.BigInteger, nullable=False),
        sa.Column("catalog_revision", sa.BigInteger, nullable=False),
        sa.Column("issued_at_us", sa.BigInteger, nullable=False),
        sa.Column("line_count", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("voided_at_us", sa.BigInteger, nullable=True),
        sa.Column("void_reason", sa.Text, nullable=False, server_default=""),
        sa.Column("erased_at_us", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "invoice_id", name="invoices_pk"),
    )
    op.create_index("invoices_by_number", "invoices", ["tenant", "number"], unique=True)
    op.create_index(
        "invoices_by_period",
        "invoices",
        ["tenant", "customer_id", "currency", "period_start_us", "period_end_us"],
        unique=True,
        sqlite_where=sa.text("state <> 'void'"),
        postgresql_where=sa.text("state <> 'void'"),
    )
    op.create_index("invoices_by_customer", "invoices", ["tenant", "customer_id", "number"])
