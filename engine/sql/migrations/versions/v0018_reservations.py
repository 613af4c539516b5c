"""What running work holds of limits, until it is committed, released or expired."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_TEXTS = ("tenant", "reservation_id", "customer_id", "limit_id", "state", "quantity", "committed_quantity")
_INSTANTS = ("window_start_us", "reserved_at_us", "expires_at_us", "ended_at_us", "open_until_us")


def upgrade() -> None:
    op.create_table(
        "reservations",
        *(sa.Column(name, sa.Text, nullable=False) for name in _TEXTS),
        sa.Column("ttl_s", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _INSTANTS),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("event", "event_digest")),
        sa.PrimaryKeyConstraint("tenant", "reservation_id", name="reservations_pk"),
    )
    op.create_index(
        "reservations_by_customer", "reservations", ["tenant", "customer_id", "open_until_us", "limit_id"]
    )
    op.create_index("reservations_by_state", "reservations", ["state", "ended_at_us"])
