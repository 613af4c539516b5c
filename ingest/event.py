"""The words of admission: an event's verdict, and what is wrong with it."""

import enum
import re
from dataclasses import dataclass

# A quantity as text: at most 26 integer and 12 fractional digits, no exponent. The usage store applies the
# same rule when it reads (engine.usage.facts.queries), so what is admitted here is exactly what is counted there.
# RE2 reads it in both places: its $ is the end of the text, never the place before a last newline.
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
    # Never of admission: what a face could not read as an event at all.
    MALFORMED = 9


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
