"""To which deployment the database belongs, where no data directory says it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deployment",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("format", sa.Integer, nullable=False),
        sa.Column("usage_store", sa.Text, nullable=False),
        sa.Column("api_keys_hash_key", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("id", name="deployment_pk"),
    )
