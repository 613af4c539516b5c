"""Rules that top up credit: what they have granted, and who has any."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "top_ups",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("tenant", "rule_id")),
        sa.Column("number", sa.BigInteger, nullable=False),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("customer_id", "credit_grant_id", "currency")
        ),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("amount", "balance", "month")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("as_of_us", "topped_up_at_us")),
        sa.PrimaryKeyConstraint("tenant", "rule_id", "number", name="top_ups_pk"),
    )
    op.create_index("top_ups_by_customer", "top_ups", ["tenant", "customer_id"])
    op.create_index(
        "resources_of_top_up_rules",
        "resources",
        ["tenant"],
        sqlite_where=sa.text("kind = 'top_up_rule'"),
        postgresql_where=sa.text("kind = 'top_up_rule'"),
    )
