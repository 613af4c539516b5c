"""Customers whose personal data was erased, by pseudonym."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("catalog_is_changed", sa.Integer, nullable=False),
        sa.Column("salt", sa.Text, nullable=False),
        sa.Column("customer_hash", sa.Text, nullable=False),
        sa.Column("as_of_us", sa.BigInteger, nullable=False),
        sa.Column("keep_properties", sa.Text, nullable=False),
        sa.Column("begun_at_us", sa.BigInteger, nullable=False),
        sa.Column("ended_at_us", sa.BigInteger, nullable=True),
        sa.Column("begun_by", sa.Text, nullable=False),
        sa.Column("extent", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "pseudonym", name="erasures_pk"),
    )
