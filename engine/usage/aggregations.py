"""Aggregations to SQL, and their results back to exact decimals.

    count           events
    sum, min, max   of the value
    avg             sum of the value / number of values
    latest          the value of the newest event; of events at the same microsecond, the one whose event_id is
                    the greatest in byte order; of those with one id (it was used twice, and neither is void), the
                    one ingested first, or else with the greatest content_hash
    unique_count    distinct values, compared as text
    time_weighted   the level, which each value raises or lowers, integrated over the period / its length
    percentile      nearest rank: of n values in ascending order the one at position ceil(percentile / 100 * n)

Rules:
1. A value is a decimal mantissa of 10^-12 with |mantissa| < 10^38 (ingest.QUANTITY_PATTERN). An event without
   the value, or with one that is none, takes no part.
2. No binary float. A quotient is read as two exact integers and divided once, here: rounded half_even to
   QUOTIENT_DIGITS fractional digits.
3. Nothing wraps. A value weighs at most the length of a period, < 10^18 us, and there are < 2 * 10^19 events
   (UInt64): |sum| < 10^38 * 10^18 * 2 * 10^19 = 2 * 10^75 < 2^255, the bound of Int256. A sum of values alone
   is < 2 * 10^57 < 10^76, the bound of Decimal(76, 12). A rank's product is < 10^5 * n: no group of values
   that fits in memory has 10^14.
4. The integral of the level needs no order of events: each value counts from its event (from the start of the
   period, if that is later) to the end of the period. So a level lasts to the end of the period unless an event
   says otherwise, in a period that isn't over, too.
"""

from collections.abc import Mapping
from decimal import Decimal

from engine.usage.properties import decimal_sql, exists_sql, text_sql

VALUE = "value_property"
QUOTIENT_DIGITS = 12
_VALUE_DIGITS = 12

_DECIMAL = decimal_sql(VALUE)
_MANTISSA = f"reinterpret({_DECIMAL}, 'Int256')"
_LASTS_US = "({period_end_us:Int64} - greatest(toUnixTimestamp64Micro(event_time), {period_start_us:Int64}))"
_RANK = f"intDiv({{percentile_thousandths:UInt64}} * count({_DECIMAL}) + 99999, 100000)"

# Decimals and integers are quantities; a pair is the numerator (a mantissa) and denominator of one.
_QUANTITY_OF: Mapping[str, str] = {
    "count": "count()",
    "sum": f"sum({_DECIMAL})",
    "min": f"min({_DECIMAL})",
    "max": f"max({_DECIMAL})",
    "avg": f"(sum({_MANTISSA}), count({_DECIMAL}))",
    "latest": f"argMax({_DECIMAL}, (event_time, event_id, -toUnixTimestamp64Micro(ingested_at), content_hash))",
    "unique_count": f"uniqExactIf({text_sql(VALUE)}, {exists_sql(VALUE)})",
    "time_weighted": (
        f"(sum({_MANTISSA} * toInt256({_LASTS_US})), {{period_end_us:Int64}} - {{period_start_us:Int64}})"
    ),
    # 16 bytes a value, which hold its 38 digits; NULL past the end, hence for no value.
    "percentile": f"arrayElementOrNull(arraySort(groupArray(toDecimal128({_DECIMAL}, 12))), {_RANK})",
}
_QUOTIENTS = frozenset({"avg", "time_weighted"})
_NOT_NUMERIC = frozenset({"count", "unique_count"})
SUPPORTED_AGGREGATIONS = frozenset(_QUANTITY_OF)


def quantity_sql(aggregation: str) -> str:
    """The quantity of a group of events; needs `VALUE`, the period's bounds and the percentile bound."""
    return _QUANTITY_OF[aggregation]


def unreadable_count_sql(aggregation: str) -> str:
    """How many events of a group have a value that is no decimal, where one is needed."""
    if aggregation in _NOT_NUMERIC:
        return "toUInt64(0)"
    return f"countIf({exists_sql(VALUE)} AND isNull({_DECIMAL}))"


def missing_count_sql(value_property: str | None) -> str:
    """How many events of a group don't have the value at all, where the meter reads one."""
    return "toUInt64(0)" if value_property is None else f"countIf(NOT {exists_sql(VALUE)})"


def not_zero_sql(aggregation: str, column: str) -> str:
    """Whether a quantity in this column is other than zero."""
    return f"ifNull({column}.1 != 0, 0)" if aggregation in _QUOTIENTS else f"ifNull({column} != 0, 0)"


def exact_quantity(stored: object) -> Decimal:
    """A quantity as the store returned it, as a decimal; zero for NULL: no event had a readable value.

    Raises:
        TypeError: anything else than a decimal, integers, or a pair of them; above all a float.
    """
    match stored:
        case None:
            return Decimal(0)
        case Decimal():
            return stored
        case bool():
            pass
        case int():
            return Decimal(stored)
        case (None, int()):
            return Decimal(0)
        case (int() as numerator, int() as denominator):
            return _quotient(numerator, denominator)
    raise TypeError(f"the usage store returned a quantity of type {type(stored).__name__}")


def _quotient(mantissa: int, denominator: int) -> Decimal:
    """Mantissa / 10^12 / denominator, rounded half_even to QUOTIENT_DIGITS fractional digits."""
    if denominator <= 0:
        raise ValueError(f"a quotient's denominator must be positive, is {denominator}")
    numerator = mantissa * 10 ** (QUOTIENT_DIGITS - _VALUE_DIGITS)
    whole, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and whole % 2):
        whole += 1
    # Made from its digits: arithmetic would round to the digits of a context.
    digits = tuple(map(int, str(abs(whole))))
    return Decimal((int(whole < 0), digits, -QUOTIENT_DIGITS))
