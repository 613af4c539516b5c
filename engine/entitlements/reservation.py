"""A reservation, its states, and what may be done in each. Pure.

    pending ----> committing ----> committed
       |  ^            |
       |  +--rejected--+
       +----> released
       +----> expired

What is asked twice is done once. A call that can't be done is refused for the first of these reasons: there is no such
reservation; it was made, or committed, with other content (the field is named); it was committed, released or has expired;
the event is not of its customer, limit or time; it comes to more than was reserved.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from engine.errors import IdempotencyKeyUsedError, ReservationStateError

# Later than any watermark.
NEVER_US: Final = 2**62


class ReservationState(StrEnum):
    """What became of a reservation."""

    PENDING = "pending"
    # The event of the commit is kept with the reservation, and being stored.
    COMMITTING = "committing"
    COMMITTED = "committed"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """The columns of engine.sql.reservation_table, with decimals; committed_quantity: None before a commit."""

    tenant: str
    reservation_id: str
    customer_id: str
    limit_id: str
    state: ReservationState
    quantity: Decimal
    committed_quantity: Decimal | None
    ttl_s: int
    window_start_us: int
    reserved_at_us: int
    expires_at_us: int
    ended_at_us: int
    open_until_us: int
    event: str
    event_digest: str

    @property
    def held(self) -> Decimal:
        """What it holds while it is open: less from the claim of a commit on, which gives the rest back."""
        return self.quantity if self.committed_quantity is None else self.committed_quantity

    def is_overdue(self, now_us: int) -> bool:
        return self.state is ReservationState.PENDING and self.expires_at_us <= now_us

    def is_granted(self, now_us: int) -> bool:
        """Whether it holds its quantity, or its usage is recorded: not of one that was given back."""
        ended = self.state in {ReservationState.RELEASED, ReservationState.EXPIRED}
        return not ended and not self.is_overdue(now_us)

    def check_same(self, asked: "Reservation") -> None:
        """Whether it is what is asked for again. Raises IdempotencyKeyUsedError."""
        for field, name in _SAID:
            mine, other = getattr(self, field), getattr(asked, field)
            if mine != other:
                raise IdempotencyKeyUsedError(
                    f"reservation {self.reservation_id!r} was made with other content, which stands: {name} is {mine}, not {other}"
                )

    def check_event(self, digest: str) -> None:
        """Whether the event of its commit is the same. Raises IdempotencyKeyUsedError."""
        if self.event_digest != digest:
            raise IdempotencyKeyUsedError(
                f"reservation {self.reservation_id!r} was committed with another event, which stands: event differs"
            )

    def check_pending(self, what: str, now_us: int) -> None:
        """Whether it still can be committed or released. Raises ReservationStateError."""
        if self.state is not ReservationState.PENDING or self.is_overdue(now_us):
            state = ReservationState.EXPIRED if self.is_overdue(now_us) else self.state
            how = "has expired" if state is ReservationState.EXPIRED else f"is {state}"
            raise ReservationStateError(f"reservation {self.reservation_id!r} {how}: it can't be {what}")


_SAID: Final = (
    ("customer_id", "customer_id"),
    ("limit_id", "limit"),
    ("quantity", "quantity"),
    ("ttl_s", "ttl_s"),
)
