"""The words of admission: an event, its verdict, and what is wrong with it."""

import enum
import re
from dataclasses import dataclass, field
from hashlib import blake2b

# A quantity as text: at most 26 integer and 12 fractional digits, no exponent. The usage store applies the
# same rule when it reads (engine.usage.queries), so what is admitted here is exactly what is counted there.
QUANTITY_PATTERN = r"^[+-]?[0-9]{1,26}([.][0-9]{1,12})?$"
_is_quantity = re.compile(QUANTITY_PATTERN.removesuffix("$") + r"\Z").match


def is_quantity(text: str) -> bool:
    """Whether a meter can read this text as an exact decimal."""
    return _is_quantity(text) is not None


class Verdict(enum.IntEnum):
    """What became of one event, from best to worst; the numbers are those of the wire."""

    ACCEPTED = 1
    DUPLICATE = 2
    CONFLICT = 3
    REJECTED = 4


class Reason(enum.IntEnum):
    """The rule that an event breaks; the numbers are those of the wire."""

    MISSING = 1
    TOO_LONG = 2
    UNKNOWN_EVENT_TYPE = 3
    TOO_OLD = 4
    IN_FUTURE = 5
    NOT_DECIMAL = 6
    OUT_OF_RANGE = 7
    ID_REUSED = 8


# Time alone can heal these: a clock catches up, a catalog learns a type.
_RETRYABLE = frozenset({Reason.IN_FUTURE, Reason.UNKNOWN_EVENT_TYPE})


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an event was not stored."""

    field: str
    reason: Reason
    message: str

    @property
    def retryable(self) -> bool:
        """Whether the same event can be accepted later, unchanged."""
        return self.reason in _RETRYABLE

    @property
    def verdict(self) -> Verdict:
        return Verdict.CONFLICT if self.reason is Reason.ID_REUSED else Verdict.REJECTED


@dataclass(frozen=True, slots=True)
class Event:
    """An admitted event. `event_time_us` counts microseconds since 1970 in UTC; properties are sorted by key."""

    tenant: str
    event_id: str
    event_type: str
    customer_id: str
    event_time_us: int
    properties: tuple[tuple[str, str], ...]
    content_digest: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        content = repr((self.event_type, self.customer_id, self.event_time_us, self.properties))
        digest = blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        object.__setattr__(self, "content_digest", digest)

    @property
    def identity(self) -> tuple[str, str]:
        return (self.tenant, self.event_id)


@dataclass(frozen=True, slots=True)
class Refused:
    """An event of good form that a rule refuses which changes with time or catalog: its age, its type, what a
    meter reads. The same event may have been stored before the rule said so; then it is a duplicate.
    """

    event: Event
    problem: Problem


Entry = Event | Refused | Problem
