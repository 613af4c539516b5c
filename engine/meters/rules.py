"""The rules of a meter's single fields: each takes what was given and returns the value or raises ValueError.

The error's text completes the sentence "<field> ...".
"""

import re
from decimal import Decimal

from engine.errors import did_you_mean
from engine.meters import limits
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

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def one_label(text: str) -> str:
    """An event type or the name of a property: any text that an event can carry."""
    return bounded_text(text, limits.LABEL_BYTES_MAX)


def bounded_text(text: str, bytes_max: int) -> str:
    """Text without control characters, which is not blank and no longer than this in UTF-8."""
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
