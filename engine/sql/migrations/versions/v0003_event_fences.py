"""Events that are refused because their stretch of time expires."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event_fences",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("refused_before_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="event_fences_pk"),
    )
