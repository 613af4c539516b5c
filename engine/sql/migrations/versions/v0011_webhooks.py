"""Endpoints that hear facts, their deliveries and attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("endpoint_id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("fact_types", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("disabled_reason", sa.Text, nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("secret_nonce", sa.Text, nullable=False),
        sa.Column("previous_nonce", sa.Text, nullable=True),
        sa.Column("previous_until_us", sa.BigInteger, nullable=True),
        sa.Column("read_number", sa.BigInteger, nullable=False),
        sa.Column("failing_since_us", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("endpoint_id", name="webhook_endpoints_pk"),
    )
    op.create_index(
        "webhook_endpoints_by_tenant", "webhook_endpoints", ["tenant", "created_at_us", "endpoint_id"]
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("endpoint_id", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempt_count", sa.Integer, nullable=False),
        sa.Column("failed_count", sa.Integer, nullable=False),
        sa.Column("next_attempt_at_us", sa.BigInteger, nullable=False),
        sa.Column("last_status", sa.Integer, nullable=True),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("endpoint_id", "number", name="webhook_deliveries_pk"),
    )
    op.create_index("webhook_deliveries_by_state", "webhook_deliveries", ["endpoint_id", "state", "number"])
    op.create_table(
        "webhook_attempts",
        sa.Column("endpoint_id", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("attempted_at_us", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Integer, nullable=True),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("took_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("endpoint_id", "number", "attempt", name="webhook_attempts_pk"),
    )
