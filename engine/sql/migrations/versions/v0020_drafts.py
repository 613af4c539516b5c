"""Drafts: billing periods that are held back, and tenants whose invoices are reviewed before their issue."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_UNDER_WAY = sa.text("ended_at_us IS NULL AND of_drafts = 0")


def upgrade() -> None:
    op.add_column("closes", sa.Column("of_drafts", sa.Integer, nullable=False, server_default="0"))
    op.drop_index("closes_under_way", table_name="closes")
    op.create_index(
        "closes_under_way",
        "closes",
        ["tenant", "from_us", "before_us"],
        unique=True,
        sqlite_where=_UNDER_WAY,
        postgresql_where=_UNDER_WAY,
    )
    op.add_column(
        "billing_settings", sa.Column("is_reviewed", sa.Integer, nullable=False, server_default="0")
    )
    op.add_column(
        "billing_settings", sa.Column("draft_count", sa.BigInteger, nullable=False, server_default="0")
    )
    op.create_table(
        "draft_holds",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("tenant", "customer_id")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("period_start_us", "period_end_us")),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("held_at_us", sa.BigInteger, nullable=False),
        sa.Column("held_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant", "customer_id", "period_start_us", "period_end_us", name="draft_holds_pk"
        ),
    )
