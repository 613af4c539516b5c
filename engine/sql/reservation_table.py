"""The table of reservations (engine.entitlements.reservations)."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text

from engine.sql.top_up_table import TOP_UPS

METADATA: Final = TOP_UPS.metadata

RESERVATIONS: Final = Table(
    "reservations",
    METADATA,
    Column("tenant", Text, nullable=False),
    # The caller's.
    Column("reservation_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("limit_id", Text, nullable=False),
    # One of engine.entitlements.reservation.ReservationState.
    Column("state", Text, nullable=False),
    # Decimals: what was reserved, and what a commit takes of it; '' before one.
    Column("quantity", Text, nullable=False),
    Column("committed_quantity", Text, nullable=False),
    Column("ttl_s", BigInteger, nullable=False),
    # Where the billing period began in which it was made: no event of its commit is earlier. Microseconds since 1970, as all.
    Column("window_start_us", BigInteger, nullable=False),
    Column("reserved_at_us", BigInteger, nullable=False),
    Column("expires_at_us", BigInteger, nullable=False),
    # When its state became what it is.
    Column("ended_at_us", BigInteger, nullable=False),
    # It holds its quantity against every read of usage as of an earlier watermark.
    Column("open_until_us", BigInteger, nullable=False),
    # A RecordUsageRequest with the event of a commit, in base64, from its claim until the event is stored; '' otherwise.
    Column("event", Text, nullable=False),
    # Of that request, so that a commit with another event is refused; '' before one.
    Column("event_digest", Text, nullable=False),
    PrimaryKeyConstraint("tenant", "reservation_id", name="reservations_pk"),
    Index("reservations_by_customer", "tenant", "customer_id", "open_until_us", "limit_id"),
    Index("reservations_by_state", "state", "ended_at_us"),
)
