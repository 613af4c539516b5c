"""What credit notes give back, line by line: beside their headers, so that both are issued in one transaction."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_AMOUNTS = ("amount", "discount", "credit", "included_tax", "tax", "due")


def upgrade() -> None:
    op.create_table(
        "credit_note_lines",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("tenant", "credit_note_id")),
        sa.Column("line_number", sa.BigInteger, nullable=False),
        *(sa.Column(f"{name}_minor", sa.BigInteger, nullable=False) for name in _AMOUNTS),
        sa.PrimaryKeyConstraint("tenant", "credit_note_id", "line_number", name="credit_note_lines_pk"),
    )
