"""Quantities from one unit to another: exact, and rounded by name if the conversion says so."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from fields import Count, DecimalNumber, Problem, Record, fraction_digits, rule
from rating.numbers.decimals import NARROW_MAX, DecimalColumn, canonical, scaled_int
from rating.numbers.rounding import RoundingMode, divide_rounded
from rating.prices.models import ROUNDING_DIGITS_MAX


@dataclass(frozen=True, kw_only=True)
class QuantityRounding(Record, called="rounding"):
    """How a converted quantity is rounded: to so many fractional digits."""

    mode: RoundingMode | None = None
    digits: Annotated[int | None, Count(ROUNDING_DIGITS_MAX)] = None

    @rule("mode", "digits")
    def _is_whole(self) -> Iterator[Problem]:
        if self.mode is None or self.digits is None:
            yield Problem((), "needs both mode and digits")


@dataclass(frozen=True, kw_only=True)
class Conversion(Record):
    """The price's unit from the meter's: quantity x factor, or quantity / divisor, then rounded if asked.

    A divisor needs a rounding, because a quotient may have no end.
    """

    factor: Annotated[Decimal | None, DecimalNumber(positive=True)] = None
    divisor: Annotated[Decimal | None, DecimalNumber(positive=True)] = None
    rounding: QuantityRounding | None = None

    @rule()
    def _goes_one_way(self) -> Iterator[Problem]:
        if (self.factor is None) == (self.divisor is None):
            yield Problem((), "needs either factor or divisor")

    @rule()
    def _ends(self) -> Iterator[Problem]:
        if self.divisor is not None and self.rounding is None:
            yield Problem(("rounding",), "is missing: a quotient may have no end")

    @property
    def mode(self) -> RoundingMode:
        return (None if self.rounding is None else self.rounding.mode) or RoundingMode.HALF_UP

    @property
    def digits(self) -> int | None:
        """Fractional digits of what is converted; None: all that there are."""
        return None if self.rounding is None else self.rounding.digits


def converted(quantity: Decimal, conversion: Conversion | None) -> Decimal:
    """Quantity x factor or quantity / divisor, of either sign; the quantity itself without a conversion.

    Without a rounding every digit is kept: those of the quantity and of the factor together.
    """
    if conversion is None:
        return quantity
    return canonical(converted_column(DecimalColumn.of([quantity]), conversion).decimal(0))


def converted_column(quantity: DecimalColumn, conversion: Conversion | None) -> DecimalColumn:
    """`converted` of every row."""
    if conversion is None:
        return quantity
    digits = 0 if conversion.digits is None else conversion.digits
    if conversion.divisor is not None:
        return _quotient(quantity, conversion.divisor, digits, conversion.mode)
    if conversion.factor is None:
        raise ValueError("a conversion needs a factor or a divisor")
    product = quantity.scaled_by(conversion.factor)
    return product if conversion.digits is None else product.round(digits, conversion.mode)


def _quotient(dividend: DecimalColumn, divisor: Decimal, digits: int, mode: RoundingMode) -> DecimalColumn:
    """As one division of integers: (dividend x 10**(scale + digits)) / (divisor x 10**scale), rounded once."""
    scale = max(dividend.scale, fraction_digits(divisor))
    numerator, denominator = dividend.rescale(scale).scaled_by(10**digits), scaled_int(divisor, scale)
    # The quotient's neighbours are compared by their distances, which reach the divisor.
    if numerator.magnitude_max() + denominator > NARROW_MAX:
        numerator = numerator.widened()
    return DecimalColumn(divide_rounded(numerator.mantissa, denominator, mode), digits).narrowed()
