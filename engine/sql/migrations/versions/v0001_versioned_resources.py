"""Versioned resources."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "revisions",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("applied_at", sa.Text, nullable=False),
        sa.Column("document_digest", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "revision", name="revisions_pk"),
    )
    op.create_table(
        "resources",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("applied_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "kind", "id", "version", name="resources_pk"),
        sa.ForeignKeyConstraint(
            ["tenant", "revision"], ["revisions.tenant", "revisions.revision"], name="resources_revision_fk"
        ),
    )
    op.create_index("resources_by_revision", "resources", ["tenant", "revision", "position"], unique=True)
