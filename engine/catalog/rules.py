"""The rules of single fields: each takes what was given and returns the value or raises ValueError.

The error's text completes the sentence "<field> ...".
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

from iso4217 import Currency

from engine.catalog import limits
from engine.catalog.near_names import did_you_mean
from ingest import is_quantity

AGGREGATIONS = (
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "latest",
    "unique_count",
    "time_weighted",
    "percentile",
)
# These read their value as a decimal.
NUMERIC_AGGREGATIONS = frozenset(AGGREGATIONS) - {"count", "unique_count"}
# What events before the period mean to the others is another aggregation, or nothing.
CARRIED_OVER_AGGREGATIONS = ("sum", "latest", "time_weighted")

_ID = re.compile(r"[A-Za-z0-9_.:@-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def one_id(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    if len(text) > limits.ID_BYTES_MAX:
        raise ValueError(f"is longer than {limits.ID_BYTES_MAX} characters: {text[:24]!r}...")
    if not _ID.fullmatch(text):
        raise ValueError(f"may hold only A-Z a-z 0-9 _ . : @ -, is {text!r}")
    return text


def one_label(text: str) -> str:
    """An event type or the name of a property: any text that an event can carry."""
    return _bounded(text, limits.ID_BYTES_MAX)


def one_name(text: str) -> str:
    return _bounded(text, limits.NAME_BYTES_MAX)


def _bounded(text: str, bytes_max: int) -> str:
    if not text.strip():
        raise ValueError("is empty")
    if len(text.encode()) > bytes_max:
        raise ValueError(f"is longer than {bytes_max} bytes: {text[:24]!r}...")
    if _CONTROL.search(text):
        raise ValueError(f"may not hold control characters or line breaks, is {text!r}")
    return text


def accepted_value(text: str) -> str:
    """A value that a property may have; the empty text is one."""
    if len(text.encode()) > limits.PROPERTY_VALUE_BYTES_MAX:
        raise ValueError(f"is longer than {limits.PROPERTY_VALUE_BYTES_MAX} bytes: {text[:24]!r}...")
    return text


def frozen_metadata(metadata: Mapping[str, str]) -> Mapping[str, str]:
    for key, value in metadata.items():
        if len(value.encode()) > limits.METADATA_VALUE_BYTES_MAX:
            raise ValueError(f"of {key!r} is longer than {limits.METADATA_VALUE_BYTES_MAX} bytes")
    return MappingProxyType(dict(sorted(metadata.items())))


def text_list(given: object) -> object:
    """A scalar is a list of one."""
    if given is None or given == []:
        raise ValueError("needs a value, or a list of values")
    return [given] if isinstance(given, str) else given


def without_repetition(values: tuple[str, ...]) -> tuple[str, ...]:
    for position, value in enumerate(values):
        if value in values[:position]:
            raise ValueError(f"names {value!r} twice")
    return values


def supported_aggregation(given: object) -> object:
    if isinstance(given, str) and given not in AGGREGATIONS:
        hint = did_you_mean(given, AGGREGATIONS)
        raise ValueError(f"must be one of {', '.join(AGGREGATIONS)}, is {given!r}{hint}")
    return given


def true_or_false(given: object) -> object:
    """A document gives text, a definition JSON."""
    if given is None or isinstance(given, bool):
        return given
    if given not in ("true", "false"):
        raise ValueError(f"must be true or false, is {_shown(given)}")
    return given == "true"


def exact_decimal(given: object) -> object:
    """A decimal that an event's property could hold, without zeros that say nothing; None stays None."""
    if given is None:
        return None
    text = format(given, "f") if isinstance(given, Decimal) else given
    if not isinstance(text, str) or not is_quantity(text):
        raise ValueError(
            f"must be a decimal of at most 26 integer and 12 fractional digits, is {_shown(given)}"
        )
    whole, _, fraction = text.lstrip("+-").partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    # Made from its digits: arithmetic would round to the digits of a context.
    value = Decimal(f"{whole}.{fraction}" if fraction else whole)
    return value.copy_negate() if text.startswith("-") and value else value


def one_percentile(given: object) -> object:
    value = exact_decimal(given)
    if isinstance(value, Decimal) and not (0 < value <= 100 and value == round(value, 3)):
        raise ValueError(
            f"must be greater than 0, at most 100, and have at most 3 fractional digits, is {value:f}"
        )
    return value


def _shown(given: object) -> str:
    return repr(given[:48]) if isinstance(given, str) else f"a {type(given).__name__}"


def supported_billing_period(given: object) -> object:
    if isinstance(given, str) and given != "month":
        raise ValueError(f"{given!r} is not supported yet: only month is")
    return given


def one_currency(code: str) -> str:
    try:
        currency = Currency(code)
    except ValueError:
        raise ValueError(f"must be an ISO 4217 code such as USD, is {code!r}") from None
    if currency.exponent is None:
        raise ValueError(f"{code} has no minor unit, so no amount can be rounded to it")
    return code


def instant_in_utc(given: object) -> object:
    """A date (midnight UTC) or an RFC 3339 instant, as an aware datetime in UTC; None stays None."""
    if given is None:
        return None
    if isinstance(given, str):
        given = _parse_instant(given)
    if not isinstance(given, datetime) or given.tzinfo is None:
        raise ValueError("must be a date such as 2023-11-01 or an instant such as 2023-11-01T08:30:00Z")
    try:
        instant = given.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of the calendar") from None
    if not limits.SUBSCRIPTION_YEAR_MIN <= instant.year <= limits.SUBSCRIPTION_YEAR_MAX:
        first, last = limits.SUBSCRIPTION_YEAR_MIN, limits.SUBSCRIPTION_YEAR_MAX
        raise ValueError(f"must lie in the years {first} to {last}, is {instant:%Y-%m-%d}")
    return instant


def _parse_instant(text: str) -> datetime:
    try:
        if _DATE.fullmatch(text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        if _INSTANT.fullmatch(text):
            return datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise ValueError(f"is no time of the calendar: {text!r} ({error})") from None
    raise ValueError(
        f"must be a date such as 2023-11-01 or an instant such as 2023-11-01T08:30:00Z, is {text[:48]!r}"
    )
