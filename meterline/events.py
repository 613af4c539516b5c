"""What goes in and what comes back: events, verdicts, receipts and counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, TypeAlias

PropertyScalar: TypeAlias = str | int | float | Decimal | bool
"""A label or a quantity. An int beyond 64 bits and a Decimal travel as decimal strings, exactly."""

Properties: TypeAlias = Mapping[str, PropertyScalar]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a customer used.

    `event_id` and `event_time` are made by the client, once, where they are left out. To record the
    same event again give it the same id, time and properties: it is counted once. `event_time` must
    have a time zone and is kept to the microsecond.
    """

    customer_id: str
    event_type: str
    properties: Properties = field(default_factory=dict, hash=False)
    event_id: str | None = None
    event_time: datetime | None = None


class Verdict(StrEnum):
    """What became of one event."""

    ACCEPTED = "accepted"
    """Stored and counted."""
    DUPLICATE = "duplicate"
    """The same event was stored before; counted once."""
    CONFLICT = "conflict"
    """The id belongs to an event with other content, which stands. Not stored."""
    REJECTED = "rejected"
    """The event breaks a rule. Not stored."""
    FAILED = "failed"
    """The engine gave no verdict. It may or may not be stored: recording it again is safe."""


class Judgement(NamedTuple):
    """A verdict and its reasons, without the event; the fields are those of `Receipt`."""

    verdict: Verdict
    field: str = ""
    reason: str = ""
    message: str = ""
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """The verdict on one event.

    `field`, `reason` and `message` are empty for an accepted event. Of several problems `field` and `reason` are those of
    the first, and `message` has all. `reason` is the engine's rule
    ("missing", "unknown_event_type", "too_old", ...) or, for a failed event, the gRPC status in lower
    case ("unavailable", ...). `retryable` says whether the same event can be accepted later without a
    change; `event` has its id and time, so that `record_batch([receipt.event])` repeats it.
    """

    event: Event
    verdict: Verdict
    field: str = ""
    reason: str = ""
    message: str = ""
    retryable: bool = False

    @property
    def event_id(self) -> str:
        """The event's id, given or made."""
        return self.event.event_id or ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How many events have come to which end since the client was made.

    `pending` events have no end yet: they wait to be sent or for an answer.
    """

    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    failed: int = 0
    pending: int = 0
