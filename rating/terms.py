"""How the terms of a settlement (commitment, grant, tax rate, split) are read and checked: one way for all.

A class of terms declares a parser for each of its fields and one function that finds the problems in a mapping
of values. Its constructor runs the function on its own values; `read_terms` runs it on what could be parsed, so
a reader learns of every mistake at once and an invalid value can't be constructed by either road.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from rating.checks import minor_unit_digits
from rating.decimals import exact_decimal, fraction_digits
from rating.problems import PriceError, Problem

Terms = TypeVar("Terms")
Values = Mapping[str, Any]
Parser = Callable[[object], Any]

AMOUNT_MAX = Decimal(10) ** 26
"""Largest amount in terms, in units of the currency: the integer digits that quantities have too."""
FACTOR_DIGITS_MAX = 12
"""Most fractional digits of a percent, a factor or a weight."""


def read_terms(
    make: type[Terms],
    parsers: Mapping[str, Parser],
    find_problems: Callable[[Values], Iterator[Problem]],
    given: Mapping[str, object],
) -> Terms:
    """Terms of the class `make` from untrusted fields: texts, ints and bools as YAML and JSON give them.

    A field given as None counts as left out.

    Raises:
        PriceError: with every problem: unknown, missing, unreadable and impossible fields.
    """
    problems = [Problem((name,), "is not a field here") for name in given if name not in parsers]
    given = {name: value for name, value in given.items() if value is not None}
    values: dict[str, Any] = {}
    for field in fields(make):  # type: ignore[arg-type]  # the classes of terms are dataclasses
        if field.name in given:
            try:
                values[field.name] = parsers[field.name](given[field.name])
            except PriceError as error:
                problems += [Problem((field.name, *part.path), part.message) for part in error.problems]
            except (TypeError, ValueError) as error:
                problems.append(Problem((field.name,), str(error)))
        elif field.default is MISSING:
            problems.append(Problem((field.name,), "is missing"))
    problems += find_problems(values)
    if problems:
        raise PriceError(problems)
    return make(**values)


def refuse(problems: Iterator[Problem]) -> None:
    """Raises PriceError if there is any problem."""
    found = tuple(problems)
    if found:
        raise PriceError(found)


# --- parsers: a value, or ValueError or TypeError with what is wrong ---------------------------------------------------


def parse_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"must be text, is {value!r}")
    return value


def parse_texts(value: object) -> tuple[str, ...] | None:
    """A list of texts; None stays None."""
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise TypeError(f"must be a list of texts, is {value!r}")
    return tuple(parse_text(item) for item in value)


def parse_decimal(value: object) -> Decimal:
    if isinstance(value, float):
        raise TypeError(f"must be a decimal written as text, is the float {value!r}")
    if isinstance(value, str) and not (value.isascii() and "_" not in value):
        raise ValueError(f"must be a decimal, is {value!r}")
    return exact_decimal(value)  # type: ignore[arg-type]  # it raises for any other type


def parse_int(value: object) -> int:
    number = parse_decimal(value)
    if number != number.to_integral_value():
        raise ValueError(f"must be a whole number, is {value!r}")
    return int(number)


def parse_bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise ValueError(f"must be true or false, is {value!r}")


def parse_instant(value: object) -> datetime | None:
    """An instant in ISO 8601 with its offset, such as 2026-01-31T00:00:00Z; None stays None."""
    if value is None or isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(parse_text(value))
    except (TypeError, ValueError):
        raise ValueError(f"must be an instant such as 2026-01-31T00:00:00Z, is {value!r}") from None


def parse_each(value: object, read: Callable[[Mapping[str, object]], Terms]) -> tuple[Terms, ...]:
    """A list of mappings, each read by `read`; the problems of all of them at once, by their place.

    Raises:
        TypeError: not a list.
        PriceError: with every problem in the list.
    """
    if not isinstance(value, list | tuple):
        raise TypeError(f"must be a list of mappings, is {value!r}")
    parts: list[Terms] = []
    problems: list[Problem] = []
    for index, item in enumerate(value):
        if not isinstance(item, Mapping):
            problems.append(Problem((index,), f"must be a mapping of fields, is {item!r}"))
            continue
        try:
            parts.append(read(item))
        except PriceError as error:
            problems += [Problem((index, *part.path), part.message) for part in error.problems]
    if problems:
        raise PriceError(problems)
    return tuple(parts)


def parse_choice(choices: type[StrEnum]) -> Parser:
    def parse(value: object) -> StrEnum:
        try:
            return choices(parse_text(value))
        except (TypeError, ValueError):
            raise ValueError(f"must be one of {', '.join(choices)}, is {value!r}") from None

    return parse


# --- checks: problems of one field, where it is among the values ------------------------------------------


def text_problems(values: Values, *names: str) -> Iterator[Problem]:
    for name in names:
        if name in values and not (isinstance(values[name], str) and values[name]):
            yield Problem((name,), f"must be text that isn't empty, is {values[name]!r}")


def currency_problems(values: Values) -> Iterator[Problem]:
    if "currency" in values:
        try:
            minor_unit_digits(values["currency"])
        except (KeyError, TypeError, ValueError):
            yield Problem(("currency",), f"must be an ISO 4217 currency, is {values['currency']!r}")


def amount_problems(values: Values, name: str) -> Iterator[Problem]:
    """An amount from 0 to AMOUNT_MAX in whole minor units of the currency."""
    found = list(number_problems(values, name, Decimal(0), AMOUNT_MAX, digits=None))
    yield from found
    if found or name not in values or "currency" not in values or any(currency_problems(values)):
        return
    digits = minor_unit_digits(values["currency"])
    if fraction_digits(values[name]) > digits:
        yield Problem(
            (name,),
            f"must have at most {digits} fractional digits in {values['currency']}, is {values[name]}",
        )


def number_problems(
    values: Values, name: str, low: Decimal, high: Decimal, digits: int | None = FACTOR_DIGITS_MAX
) -> Iterator[Problem]:
    """A finite Decimal in low..high with at most `digits` fractional digits (None: any)."""
    value = values.get(name)
    if name not in values:
        return
    if not isinstance(value, Decimal) or not value.is_finite():
        yield Problem((name,), f"must be a finite Decimal, is {value!r}")
    elif not low <= value <= high:
        yield Problem((name,), f"must be from {low} to {high:f}, is {value}")
    elif digits is not None and fraction_digits(value) > digits:
        yield Problem((name,), f"must have at most {digits} fractional digits, is {value}")


def int_problems(values: Values, name: str, low: int, high: int) -> Iterator[Problem]:
    value = values.get(name)
    if name in values and (not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high):
        yield Problem((name,), f"must be a whole number from {low} to {high}, is {value!r}")


def type_problems(values: Values, name: str, kind: type) -> Iterator[Problem]:
    if name in values and not isinstance(values[name], kind):
        yield Problem((name,), f"must be a {kind.__name__}, is {values[name]!r}")


def scope_problems(values: Values) -> Iterator[Problem]:
    """`price_ids`: None for all prices, or a tuple of ids, neither empty nor with one id twice."""
    ids = values.get("price_ids")
    if ids is None:
        return
    if not isinstance(ids, tuple) or not ids or not all(isinstance(item, str) and item for item in ids):
        yield Problem(("price_ids",), "must name at least one price, or be left out for all prices")
    elif len(set(ids)) < len(ids):
        yield Problem(("price_ids",), f"must name each price once, is {', '.join(ids)}")
