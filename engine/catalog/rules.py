"""The rules of single fields: each takes what was given and returns the value or raises ValueError.

The error's text completes the sentence "<field> ...".
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from iso4217 import Currency

from engine.catalog import limits
from engine.meters.rules import bounded_text

_ID = re.compile(r"[A-Za-z0-9_.:@-]+")
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


def one_name(text: str) -> str:
    return bounded_text(text, limits.NAME_BYTES_MAX)


def frozen_metadata(metadata: Mapping[str, str]) -> Mapping[str, str]:
    for key, value in metadata.items():
        if len(value.encode()) > limits.METADATA_VALUE_BYTES_MAX:
            raise ValueError(f"of {key!r} is longer than {limits.METADATA_VALUE_BYTES_MAX} bytes")
    return MappingProxyType(dict(sorted(metadata.items())))


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
