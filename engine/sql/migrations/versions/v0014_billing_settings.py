"""How tenants' billing periods are closed, and by whom."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "billing_settings",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("grace_us", sa.BigInteger, nullable=False),
        sa.Column("closed_until_us", sa.BigInteger, nullable=True),
        sa.Column("is_automatic", sa.Integer, nullable=False),
        *(
            sa.Column(name, sa.BigInteger, nullable=True)
            for name in ("closed_since_us", "closing_until_us", "open_since_us")
        ),
        sa.Column("open_customer_count", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=True) for name in ("retried_at_us", "looked_at_us")),
        sa.Column("looked_revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="billing_settings_pk"),
    )
