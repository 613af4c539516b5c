"""Archived and deleted resources, who made a revision, and the keys that make a write count once."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("revisions", sa.Column("changed_by", sa.Text, nullable=False, server_default=""))
    op.add_column("resources", sa.Column("state", sa.Text, nullable=False, server_default="active"))
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("request_digest", sa.Text, nullable=False),
        sa.Column("used_at_us", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("changed_count", sa.Integer, nullable=False),
        sa.Column("unchanged_count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key", name="idempotency_keys_pk"),
    )
    op.create_index("idempotency_keys_by_time", "idempotency_keys", ["tenant", "used_at_us"])
