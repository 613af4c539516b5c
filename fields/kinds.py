"""Kinds of single values: how each is read from a document, written into one, and described to others.

`read` takes what a document or a program gives: text as YAML gives it, JSON's ints and bools, or a value that is
right already. It raises ValueError with a text that completes "<field> ...", or FieldsError where mistakes lie
deeper. No number is ever read from a binary float.
"""

import contextlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from types import UnionType
from typing import Any, Final, TypeAlias

from fields.problems import did_you_mean, shape, shown

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"
Schema: TypeAlias = dict[str, Any]

_DECIMAL: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
# Characters of one number: 26 + 18 digits in any spelling are fewer.
_NUMBER_CHARS_MAX: Final = 200
_DATE: Final = r"\d{4}-\d{2}-\d{2}"
_TIME: Final = r"[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})"
_IS_DATE: Final = re.compile(_DATE, re.ASCII).fullmatch
_IS_INSTANT: Final = re.compile(_DATE + _TIME, re.ASCII).fullmatch


class FieldKind(ABC):
    """What a field may hold."""

    python: type | UnionType
    """The type of its values: a constructor takes nothing else."""
    missing: str = "is missing"
    inherits: bool = False
    """Whether a part of the value comes from the record around it."""
    writes_none: bool = False
    """Whether None means something of its own, and is written."""

    @abstractmethod
    def read(self, given: object) -> Any: ...  # noqa: ANN401 - the type is `python`

    def read_within(self, given: object, around: Mapping[str, Any]) -> Any:  # noqa: ANN401, ARG002 - as `read`
        """`read` for a kind that inherits: `around` has what was read of the record around it so far."""
        return self.read(given)

    def written(self, value: Any) -> Json:  # noqa: ANN401 - of type `python`
        """The canonical JSON of a value: equal values have equal texts. `read` takes it."""
        found: Json = value
        return found

    @abstractmethod
    def schema(self, definitions: Schema) -> Schema:
        """JSON Schema, draft 7; the schemas of records are added to `definitions`."""


@dataclass(frozen=True)
class Text(FieldKind):
    """Text on one line that isn't blank; of the `allowed` characters only, if some are; or `free`: any text."""

    python = str
    bytes_max: int = 128
    """In UTF-8."""
    allowed: str = ""
    """Ranges and characters, with spaces between them: "A-Z a-z 0-9 _"."""
    free: bool = False

    @cached_property
    def _characters(self) -> str:
        """As a regular expression."""
        if self.allowed:
            return f"[{self.allowed.replace(' ', '')}]"
        return r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]" if not self.free else r"[\s\S]"

    @cached_property
    def _is_plainly_sound(self) -> Callable[[str], object]:
        """Whether a text is right whatever its characters take in UTF-8: most are, and this is fast."""
        first = "" if self.free or self.allowed else r"(?=.*\S)"
        chars_max = self.bytes_max if self.allowed else self.bytes_max // 4
        return re.compile(f"{first}{self._characters}{{{0 if self.free else 1},{chars_max}}}").fullmatch

    def read(self, given: object) -> str:
        if isinstance(given, str) and self._is_plainly_sound(given):
            return given
        if not isinstance(given, str):
            raise ValueError(f"must be text, is {shape(given)}")  # noqa: TRY004 - of a document, not of a program
        if not self.free and (not given or given.isspace()):
            raise ValueError("is empty")
        if len(given.encode("utf-8", "replace")) > self.bytes_max:
            raise ValueError(f"is longer than {self.bytes_max} bytes: {given[:24]!r}...")
        if self.allowed and not re.fullmatch(f"{self._characters}+", given):
            raise ValueError(f"may hold only {self.allowed}, is {given!r}")
        if not re.fullmatch(f"{self._characters}*", given):
            raise ValueError(f"may not hold control characters or line breaks, is {given!r}")
        return given

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - holds no record
        # A document's scalars are the texts that were written, so that 5 and true are texts, too.
        found: Schema = {"type": ["string", "number", "boolean"], "maxLength": self.bytes_max}
        if not self.free:
            found["pattern"] = f"^{self._characters}+$" if self.allowed else r"\S"
        return found


@dataclass(frozen=True)
class DecimalNumber(FieldKind):
    """A decimal from `at_least` (or, `positive`, above it) to `at_most`, within so many digits; never a float."""

    python = Decimal
    at_least: int = 0
    positive: bool = False
    at_most: int | None = None
    integer_digits: int = 26
    """As many as a quantity has."""
    fraction_digits: int = 18
    """A quantity has 12; other engines publish prices with 14."""

    def read(self, given: object) -> Decimal:
        value = read_decimal(given)
        if value < self.at_least or (self.positive and value == self.at_least):
            bound = f"more than {self.at_least}" if self.positive else f"{self.at_least} or more"
            raise ValueError(f"must be {bound}, is {value}")
        if self.at_most is not None and value > self.at_most:
            raise ValueError(f"must be at most {self.at_most}, is {value}")
        if value.adjusted() >= self.integer_digits or fraction_digits(value) > self.fraction_digits:
            raise ValueError(
                f"may have {self.integer_digits} digits before and {self.fraction_digits} after the point, is {value}"
            )
        return value

    def written(self, value: Decimal) -> str:
        return decimal_text(value)

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - holds no record
        sign = r"\+?" if self.at_least >= 0 else "[+-]?"
        above = r"(?!\s*\+?0*\.?0*(\s|[eE]|$))" if self.positive else ""
        found: Schema = {
            "type": ["string", "number"],
            "pattern": rf"^{above}\s*{sign}{_DECIMAL.pattern.removeprefix('[+-]?')}\s*$",
            "exclusiveMinimum" if self.positive else "minimum": self.at_least,
        }
        return found if self.at_most is None else {**found, "maximum": self.at_most}


@dataclass(frozen=True)
class Count(FieldKind):
    """A whole number from `at_least` to `at_most`."""

    python = int
    at_most: int = 2**31 - 1
    at_least: int = 0

    def read(self, given: object) -> int:
        with contextlib.suppress(ValueError):
            value = read_decimal(given)
            if self.at_least <= value <= self.at_most and value == value.to_integral_value():
                return int(value)
        raise ValueError(f"must be a whole number from {self.at_least} to {self.at_most}, is {shown(given)}")

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - holds no record
        return {
            "type": ["string", "integer"],
            "pattern": r"^\s*[0-9.eE+]+\s*$",
            "minimum": self.at_least,
            "maximum": self.at_most,
        }


@dataclass(frozen=True)
class Flag(FieldKind):
    """True or false; a document's text is one of these words."""

    python = bool

    def read(self, given: object) -> bool:
        if isinstance(given, bool):
            return given
        if given not in ("true", "false"):
            raise ValueError(f"must be true or false, is {shown(given)}")
        return given == "true"

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - holds no record
        return {"enum": [True, False, "true", "false"]}


class Choice(FieldKind):
    """One of the values of an enumeration, or one of several texts."""

    def __init__(self, of: type[StrEnum] | tuple[str, ...]) -> None:
        self.python = of if isinstance(of, type) else str
        self.choices: Mapping[str, str] = {str(each): each for each in of}
        self.missing = f"is missing: one of {', '.join(self.choices)}"

    def read(self, given: object) -> str:
        found = self.choices.get(given) if isinstance(given, str) else None
        if found is None:
            raise ValueError(self.refusal(given))
        return found

    def refusal(self, given: object) -> str:
        hint = did_you_mean(given, self.choices) if isinstance(given, str) else ""
        return f"must be one of {', '.join(self.choices)}, is {shown(given)}{hint}"

    def written(self, value: str) -> str:
        return str(value)

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - holds no record
        return {"enum": list(self.choices)}


@dataclass(frozen=True)
class Instant(FieldKind):
    """A date (midnight UTC) or an RFC 3339 instant with its offset; an aware datetime in UTC."""

    python = datetime
    # The years that the usage store's times (microseconds in 64 bits) hold, with room for periods around them.
    year_min: int = 1970
    year_max: int = 2199

    def read(self, given: object) -> datetime:
        instant = _parsed_instant(given) if isinstance(given, str) else given
        if not isinstance(instant, datetime) or instant.utcoffset() is None:
            raise ValueError(f"{_AN_INSTANT}, is {shown(given)}")
        try:
            instant = instant.astimezone(UTC)
        except OverflowError:
            raise ValueError("is out of the calendar") from None
        if not self.year_min <= instant.year <= self.year_max:
            raise ValueError(
                f"must lie in the years {self.year_min} to {self.year_max}, is {instant:%Y-%m-%d}"
            )
        return instant

    def written(self, value: datetime) -> str:
        return value.isoformat().replace("+00:00", "Z")

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - holds no record
        return {"type": "string", "pattern": f"^{_DATE}({_TIME})?$"}


_AN_INSTANT: Final = "must be a date such as 2023-11-01 or an instant such as 2023-11-01T08:30:00Z"


def _parsed_instant(text: str) -> datetime:
    try:
        if _IS_DATE(text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        if _IS_INSTANT(text):
            return datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise ValueError(f"is not a time of the calendar: {text!r} ({error})") from None
    raise ValueError(f"{_AN_INSTANT}, is {shown(text)}")


def read_decimal(given: object) -> Decimal:
    """A finite decimal, every digit kept. Raises ValueError."""
    if isinstance(given, float):
        raise ValueError(f"must be written as text, not as a binary float: {given!r}")  # noqa: TRY004 - as in Text
    if isinstance(given, str) and len(given) <= _NUMBER_CHARS_MAX and _DECIMAL.fullmatch(given.strip()):
        return Decimal(given.strip())
    if isinstance(given, int) and not isinstance(given, bool):
        return Decimal(given)
    if isinstance(given, Decimal) and given.is_finite():
        return given
    raise ValueError(f"must be a decimal, is {shown(given)}")


def fraction_digits(value: Decimal) -> int:
    """Fractional digits that the value needs: 1 for 1.50, 0 for 100."""
    _, digits, exponent = value.as_tuple()
    places = -int(exponent)
    for digit in reversed(digits):
        if places <= 0 or digit:
            break
        places -= 1
    return max(places, 0) if value else 0


def decimal_text(value: Decimal) -> str:
    """The digits of a decimal, without zeros that say nothing: 1.5 for 1.50."""
    return format(value, f".{fraction_digits(value)}f")
