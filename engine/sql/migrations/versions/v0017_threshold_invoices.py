"""Invoices of usage that is billed while its billing period runs: a period has several, each with its number among them."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_BY_PERIOD = ("tenant", "customer_id", "currency", "period_start_us", "period_end_us", "part")
_STANDS = sa.text("state <> 'void'")


def upgrade() -> None:
    op.add_column("invoices", sa.Column("part", sa.Integer, nullable=False, server_default="0"))
    op.drop_index("invoices_by_period", table_name="invoices")
    op.create_index(
        "invoices_by_period",
        "invoices",
        list(_BY_PERIOD),
        unique=True,
        sqlite_where=_STANDS,
        postgresql_where=_STANDS,
    )
