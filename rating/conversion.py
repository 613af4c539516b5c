"""One quantity from one unit to another: exact, and rounded by name if the conversion says so."""

from decimal import Decimal

from rating.decimals import (
    DecimalColumn,
    canonical,
    decimal_of,
    exact_decimal,
    fraction_digits,
    objects,
    scaled_int,
)
from rating.price import Conversion
from rating.rounding import RoundingMode, divide_rounded


def converted(quantity: Decimal, conversion: Conversion | None) -> Decimal:
    """Quantity x factor or quantity / divisor, of either sign; the quantity itself without a conversion.

    Without a rounding every digit is kept: those of the quantity and of the factor together.
    """
    if conversion is None:
        return quantity
    digits = 0 if conversion.digits is None else conversion.digits
    mode = conversion.mode or RoundingMode.HALF_UP
    if conversion.divisor is not None:
        return canonical(_quotient(exact_decimal(quantity), conversion.divisor, digits, mode))
    if conversion.factor is None:
        raise ValueError("a conversion needs a factor or a divisor")
    product = DecimalColumn.of([quantity]).scaled_by(conversion.factor)
    return canonical((product if conversion.digits is None else product.round(digits, mode)).decimal(0))


def _quotient(dividend: Decimal, divisor: Decimal, digits: int, mode: RoundingMode) -> Decimal:
    """As one division of integers: (dividend x 10**(scale + digits)) / (divisor x 10**scale), rounded once."""
    scale = max(fraction_digits(dividend), fraction_digits(divisor))
    numerator = scaled_int(dividend, scale) * 10**digits
    return decimal_of(int(divide_rounded(objects([numerator]), scaled_int(divisor, scale), mode)[0]), digits)
