"""Minor units, in which accounts are counted, to decimals and texts of a currency and back: exact, or refused."""

from decimal import MAX_PREC, Context, Decimal
from typing import Final

from engine.errors import MeterlineError
from rating import minor_unit_digits

AMOUNT_MINOR_MAX: Final = 10**15
"""Of an entry: ten trillion dollars. Databases add in 64 bits: the sums of nine thousand such entries."""
_EXACT: Final = Context(prec=MAX_PREC)


def minor_of(amount: Decimal, currency: str) -> int:
    """Raises ValueError for a part of a minor unit."""
    minor = amount.scaleb(minor_unit_digits(currency), _EXACT)
    if minor != minor.to_integral_value():
        raise ValueError(f"{amount} has more digits than {currency}")
    return int(minor)


def entry_minor(amount: Decimal, currency: str) -> int:
    """As `minor_of`. Raises MeterlineError for what no account holds."""
    if not fits_entry(amount, currency):
        raise MeterlineError(f"an invoice of {amount} {currency} is more than an account holds")
    return minor_of(amount, currency)


def fits_entry(amount: Decimal, currency: str) -> bool:
    """Whether an account holds so much. Raises ValueError as `minor_of`."""
    return abs(minor_of(amount, currency)) <= AMOUNT_MINOR_MAX


def decimal_of(minor: int, currency: str) -> Decimal:
    """With all digits of the currency: 12.00."""
    return Decimal(minor).scaleb(-minor_unit_digits(currency), _EXACT)


def text_of(minor: int, currency: str) -> str:
    return format(decimal_of(minor, currency), "f")
