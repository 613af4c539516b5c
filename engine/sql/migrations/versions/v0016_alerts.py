"""Alerts: which thresholds were reached, and up to which watermark that is known."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert_crossings",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False
        ),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("tenant", "customer_id", "alert_id")),
        sa.Column("threshold", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("period_start_us", "period_end_us")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("state", "measure", "subject", "budget")),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("as_of_us", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger) for name in ("reached_at_us", "recovered_at_us")),
        sa.PrimaryKeyConstraint("number", name="alert_crossings_pk"),
    )
    op.create_index(
        "alert_crossings_by_customer",
        "alert_crossings",
        ["tenant", "customer_id", "alert_id", "threshold", "period_start_us"],
        unique=True,
    )
    op.create_index("alert_crossings_by_tenant", "alert_crossings", ["tenant", "number"])
    op.create_index("alert_crossings_by_period", "alert_crossings", ["tenant", "period_end_us"])
    op.create_index(
        "resources_of_alerts",
        "resources",
        ["tenant"],
        sqlite_where=sa.text("kind = 'alert'"),
        postgresql_where=sa.text("kind = 'alert'"),
    )
    op.create_table(
        "alert_cursors",
        sa.Column("tenant", sa.Text, nullable=False),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("as_of_us", "catalog_revision", "swept_at_us")
        ),
        sa.PrimaryKeyConstraint("tenant", name="alert_cursors_pk"),
    )
