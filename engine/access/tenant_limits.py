"""What one tenant may ask of one gateway, each limit with its reason.

Rules:
1. A limit that is None holds nobody. Without another choice all are None: an engine with one tenant needs none.
2. What is set for a tenant stands before what is set for all. It may be lower, higher, or None.
3. A limit holds at each gateway by itself: to count together they would have to ask a database at every call.
4. A limit by the second lets a request in as long as nothing is owed, and is then charged with all of it
   (engine.access.token_bucket). So a request of any size passes in the end; what the largest one owes must be paid
   within _PAID_WITHIN_S, or its sender would wait longer than clients do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Final, Self

from ingest import Limits

# A third of what meterline.Client spends on a batch (retry_timeout_s) before it gives up.
_PAID_WITHIN_S: Final = 100
# The largest number that both databases and every client keep.
NUMBER_MAX: Final = 2**53 - 1


class Limit(StrEnum):
    """The limits by name, in the order in which they are listed."""

    # Calls, and each message of a stream: what a call costs whatever is in it.
    REQUESTS = "requests_per_s_max"
    # Events, whatever becomes of them: what decoding, judging and storing cost.
    EVENTS = "events_per_s_max"
    # Bytes of messages, as they were before compression: what reading and decoding cost, and the memory of what waits.
    BYTES = "bytes_per_s_max"
    # Streams that are open at once: each holds a thread and what it may have under way.
    STREAMS = "open_streams_max"
    # Groups of one customer in the answer to a usage query, all its pages together: of a property with a value of its own for
    # every event each page costs what came before it, too. Prices are not meant: what they give may not hang on a number
    # that somebody changes, and stays what it is at a watermark.
    GROUPS = "usage_groups_max"

    @property
    def unit(self) -> str:
        """What is counted, in words."""
        return _UNITS[self]


_UNITS: Final = {
    Limit.REQUESTS: "requests a second",
    Limit.EVENTS: "events a second",
    Limit.BYTES: "bytes a second",
    Limit.STREAMS: "open streams",
    Limit.GROUPS: "groups of one customer",
}

# What an operation may be charged with: the choices of the table of operations.
CALL: Final = frozenset({Limit.REQUESTS, Limit.BYTES})
STREAM: Final = CALL | {Limit.STREAMS}
USAGE: Final = CALL | {Limit.EVENTS}
USAGE_STREAM: Final = USAGE | {Limit.STREAMS}
# For who runs the engine, and could not lift a limit otherwise.
UNLIMITED: Final[frozenset[Limit]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class LargestRequest:
    """The most that one request may hold."""

    events: int
    nbytes: int

    @classmethod
    def of(cls, limits: Limits) -> Self:
        """Whichever way it comes."""
        events = max(limits.request_events_max, limits.columns_events_max)
        return cls(events=events, nbytes=limits.request_bytes_max)


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantLimits:
    """The numbers; None holds nobody."""

    requests_per_s_max: int | None = None
    events_per_s_max: int | None = None
    bytes_per_s_max: int | None = None
    open_streams_max: int | None = None
    usage_groups_max: int | None = None

    def number(self, limit: Limit) -> int | None:
        found: int | None = getattr(self, limit.value)
        return found

    def changed(self, numbers: Mapping[Limit, int | None]) -> Self:
        """These limits, with others in the place of some."""
        return replace(self, **{limit.value: number for limit, number in numbers.items()})

    @property
    def is_nothing(self) -> bool:
        return all(getattr(self, each.name) is None for each in fields(self))


def mistake_of(limit: Limit, number: int, largest: LargestRequest) -> str | None:
    """What is wrong with a number: where it says nothing, or contradicts what a request may hold."""
    if not 1 <= number <= NUMBER_MAX:
        return f"is {number}: it is 1 to {NUMBER_MAX}, or none"
    most = {Limit.EVENTS: largest.events, Limit.BYTES: largest.nbytes}.get(limit, 0)
    if number * _PAID_WITHIN_S < most:
        return (
            f"is {number}: a request may hold {most} {limit.unit.partition(' ')[0]}, which take longer than "
            f"{_PAID_WITHIN_S} s then: set at least {-(-most // _PAID_WITHIN_S)}, or lower what a request may hold"
        )
    return None
