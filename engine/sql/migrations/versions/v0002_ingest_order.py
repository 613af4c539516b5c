"""The order of ingestion, shared by gateways."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ingest_order",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("latest_us", sa.BigInteger, nullable=False),
        sa.Column("stored_us", sa.BigInteger, nullable=False),
        sa.Column("ceiling_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="ingest_order_pk"),
    )
    op.create_table(
        "ingest_in_flight",
        sa.Column("stamp_us", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("gateway", sa.Text, nullable=False),
        sa.Column("lease_end_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("stamp_us", name="ingest_in_flight_pk"),
    )
