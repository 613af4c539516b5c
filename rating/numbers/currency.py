"""Currencies by ISO 4217: their codes as fields, and the minor units that amounts are rounded to."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Annotated

from iso4217 import Currency

from fields import DecimalNumber, FieldKind, ListOf, Problem, Schema, Text, fraction_digits, shown


@dataclass(frozen=True)
class CurrencyCode(FieldKind):
    """The code of a currency; unless said otherwise, of one that has a minor unit."""

    python = str
    missing = "is missing: an ISO 4217 code such as USD"
    any_unit: bool = False

    def read(self, given: object) -> str:
        if not isinstance(given, str) or not is_currency(given):
            raise ValueError(f"must be an ISO 4217 code such as USD, is {shown(given)}")
        if not self.any_unit and Currency(given).exponent is None:
            raise ValueError(f"{given} has no minor unit, so no amount can be rounded to it")
        return given

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - holds no record
        return {"type": "string", "pattern": "^[A-Z]{3}$"}


@cache
def is_currency(code: str) -> bool:
    try:
        Currency(code)
    except ValueError:
        return False
    return True


@cache
def minor_unit_digits(currency: str) -> int:
    """Fractional digits of a currency by ISO 4217: 2 for USD, 0 for JPY, 4 for CLF.

    Raises:
        ValueError: no such currency, or one without a minor unit (gold, test codes).
    """
    exponent = Currency(currency).exponent
    if exponent is None:
        raise ValueError(f"{currency} has no minor unit in ISO 4217")
    return int(exponent)


Code = Annotated[str, CurrencyCode()]
NotNegative = Annotated[Decimal, DecimalNumber()]
PriceIds = Annotated[tuple[str, ...], ListOf(Text(), 1, 1_000, distinct=True)]
"""The prices that a term of money is about; left out, it is about all."""


def whole_minor_units(name: str, amount: Decimal, currency: str) -> Iterator[Problem]:
    """What is wrong with an amount of money that is not a whole number of minor units."""
    digits = minor_unit_digits(currency)
    if fraction_digits(amount) > digits:
        yield Problem((name,), f"must have at most {digits} fractional digits in {currency}, is {amount}")
