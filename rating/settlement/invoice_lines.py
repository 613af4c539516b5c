"""The lines that the stages after rating share: amounts in minor units, and who and what each belongs to.

One minor unit is a cent in USD, a yen in JPY, a thousandth in KWD. A line's amount is already rounded, so every
stage from here on adds, splits and allocates whole units.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from rating.lines.lines import RatedLines
from rating.numbers.currency import minor_unit_digits
from rating.numbers.decimals import DecimalColumn, decimal_of, scaled_int
from rating.numbers.rounding import RoundingMode, divide_rounded

Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Value = TypeVar("Value", bound=Hashable)

ID_MAX = 2**31 - 1
"""Largest id in a column: two of them make one key within int64."""
NONE = -1
"""In a column of ids: belongs to none."""


@dataclass(frozen=True, eq=False, kw_only=True)
class InvoiceLines:
    """n lines as columns. An id is any number from 0 to ID_MAX; the caller keeps what it stands for.

    Attributes:
        amount_minor: n amounts at scale 0, any sign.
        currencies: the distinct currencies; `currency`: index into it, int64[n].
        customer, invoice: ids, int64[n]. The lines of an invoice have one currency.
        subscription: ids, or -1 for a line outside any subscription.
        price_ids: the distinct prices; `price`: index into it, or -1 for a line without a price.
        at_us: the instant at which credit grants must be valid, µs since 1970 UTC.
        tax_profile: index into the tax profiles, or -1 for an untaxed line.
        split: index into the splits, or -1 for a line that isn't split.

    Raises:
        ValueError: columns of other lengths or types, an id or an index out of range, an unknown currency, an
            invoice in two currencies.
    """

    amount_minor: DecimalColumn
    currencies: tuple[str, ...]
    currency: Ids
    customer: Ids
    invoice: Ids
    subscription: Ids
    price_ids: tuple[str, ...]
    price: Ids
    at_us: Ids
    tax_profile: Ids
    split: Ids

    def __post_init__(self) -> None:
        check_minor(self.amount_minor, "amount_minor")
        check_columns(self, len(self))
        for code in self.currencies:
            minor_unit_digits(code)
        check_ids("currency", self.currency, 0, len(self.currencies) - 1)
        check_ids("price", self.price, NONE, len(self.price_ids) - 1)
        for name in ("customer", "invoice"):
            check_ids(name, getattr(self, name), 0)
        for name in ("subscription", "tax_profile", "split"):
            check_ids(name, getattr(self, name), NONE)
        self._check_invoice_currencies()

    def _check_invoice_currencies(self) -> None:
        if len(self.currencies) < 2 or not len(self):
            return
        key = np.sort(self.invoice * len(self.currencies) + self.currency)
        invoice = key // len(self.currencies)
        mixed = invoice[1:][(key[1:] != key[:-1]) & (invoice[1:] == invoice[:-1])]
        if len(mixed):
            raise ValueError(f"invoice {mixed[0]} has lines in more than one currency")

    def __len__(self) -> int:
        return len(self.amount_minor)

    @classmethod
    def of(
        cls, amounts: Sequence[Decimal | int | str], currency: str | Sequence[str] = "USD", **columns: object
    ) -> "InvoiceLines":
        """Lines from amounts in units of their currency, for a handful of lines; other columns by name.

        `price` takes price ids or None. Left out, a line belongs to customer 0, invoice 0, subscription 0, has
        no price, no tax, no split, and is of 1970.
        """
        codes = [currency] * len(amounts) if isinstance(currency, str) else list(currency)
        currencies = codes_of(codes) or {"USD": 0}
        minors = [
            scaled_int(Decimal(amount), minor_unit_digits(code))
            for amount, code in zip(amounts, codes, strict=True)
        ]
        prices = columns.pop("price", [None] * len(amounts))
        if not isinstance(prices, list | tuple):
            raise TypeError("price must be a list of price ids")
        price_ids = codes_of(price for price in prices if price is not None)
        defaults = {
            "customer": 0,
            "invoice": 0,
            "subscription": 0,
            "at_us": 0,
            "tax_profile": -1,
            "split": -1,
        }
        ids = {
            name: np.broadcast_to(np.asarray(columns.pop(name, value), np.int64), len(amounts)).copy()
            for name, value in defaults.items()
        }
        if columns:
            raise TypeError(f"no such column: {', '.join(columns)}")
        return cls(
            amount_minor=DecimalColumn.of_ints(minors),
            currencies=tuple(currencies),
            currency=np.array([currencies[code] for code in codes], dtype=np.int64),
            price_ids=tuple(price_ids),
            price=np.array([NONE if p is None else price_ids[p] for p in prices], dtype=np.int64),
            **ids,
        )

    def digits(self) -> Ids:
        """Fractional digits of each currency, int64[currencies]."""
        return np.array([minor_unit_digits(code) for code in self.currencies], dtype=np.int64)

    def amount(self, row: int) -> Decimal:
        """One line's amount in units of its currency."""
        return decimal_of(int(self.amount_minor.mantissa[row]), int(self.digits()[self.currency[row]]))

    def taken(self, rows: Ids) -> "InvoiceLines":
        """Some of the lines, or all in another order."""
        columns = {each.name: getattr(self, each.name) for each in fields(self)}
        chosen: dict[str, Any] = {
            name: column[rows] for name, column in columns.items() if isinstance(column, np.ndarray)
        }
        return replace(self, amount_minor=self.amount_minor.take(rows), **chosen)

    def with_amounts(self, amount_minor: DecimalColumn) -> "InvoiceLines":
        return replace(self, amount_minor=amount_minor)


@dataclass(frozen=True, eq=False, kw_only=True)
class LineColumns:
    """What lines belong to, int64 each, as in `InvoiceLines`."""

    customer: Ids
    invoice: Ids
    at_us: Ids
    tax_profile: Ids
    split: Ids


def lines_of_rated(
    rated: RatedLines, price_ids: Sequence[str], subscription: Ids, columns: LineColumns
) -> InvoiceLines:
    """The invoice lines of n rated charges; `price_ids` names each of `rated.charges.prices`.

    Raises:
        ValueError: an amount that isn't in whole minor units, because its price rounds to more digits.
    """
    prices = rated.charges.prices
    currencies, ids = codes_of(price.currency for price in prices), codes_of(price_ids)
    index = rated.charges.price_index
    currency = np.array([currencies[price.currency] for price in prices], dtype=np.int64)[index]
    return InvoiceLines(
        amount_minor=minor_units(rated.amount, tuple(currencies), currency),
        currencies=tuple(currencies),
        currency=currency,
        customer=columns.customer,
        invoice=columns.invoice,
        subscription=subscription,
        price_ids=tuple(ids),
        price=np.array([ids[name] for name in price_ids], dtype=np.int64)[index],
        at_us=columns.at_us,
        tax_profile=columns.tax_profile,
        split=columns.split,
    )


def minor_units(amount: DecimalColumn, currencies: Sequence[str], currency: Ids) -> DecimalColumn:
    """Amounts in units of their currencies as whole minor units.

    Raises:
        ValueError: an amount with a fraction of a minor unit.
    """
    minor = np.zeros(len(amount), dtype=np.int64)
    for code, name in enumerate(currencies):
        rows = np.flatnonzero(currency == code)
        digits = minor_unit_digits(name)
        own = amount.take(rows)
        try:
            whole = own.rescale(digits)
        except ValueError:
            raise ValueError(
                f"an invoice needs whole minor units, {digits} digits in {name}: a price with rounding.digits"
                f" above that has no place on one"
            ) from None
        if whole.is_wide:
            minor = minor.astype(object)
        minor[rows] = whole.mantissa
    return DecimalColumn(minor, 0).narrowed()


def codes_of(values: Iterable[Value]) -> dict[Value, int]:
    """The distinct values, each with its place in the order in which they first come."""
    codes: dict[Value, int] = {}
    for value in values:
        codes.setdefault(value, len(codes))
    return codes


def divided_minor(
    exact: DecimalColumn, whole: Ids, mode: RoundingMode = RoundingMode.HALF_UP
) -> DecimalColumn:
    """Row by row exact / whole in whole minor units, rounded once."""
    by = DecimalColumn(whole, 0).rescale(exact.scale)
    if exact.is_wide or by.is_wide:
        exact, by = exact.widened(), by.widened()
    return DecimalColumn(divide_rounded(exact.mantissa, by.mantissa, mode), 0).narrowed()


def check_minor(column: DecimalColumn, name: str) -> None:
    """Raises ValueError unless the column is in whole minor units (scale 0)."""
    if column.scale != 0:
        raise ValueError(f"{name} must be in minor units (scale 0), has scale {column.scale}")


def check_columns(columns: object, length: int) -> None:
    """Raises ValueError unless every array or column among the dataclass's fields has `length` rows."""
    for field in fields(columns):  # type: ignore[arg-type]  # called with dataclasses
        value = getattr(columns, field.name)
        if not isinstance(value, np.ndarray | DecimalColumn):
            continue
        if len(value) != length:
            raise ValueError(f"{field.name} must have {length} rows, has {len(value)}")
        if isinstance(value, np.ndarray) and value.dtype not in (np.int64, np.bool_):
            raise ValueError(f"{field.name} must be int64 or bool, is {value.dtype}")


def check_ids(name: str, ids: Ids, low: int, high: int = ID_MAX) -> None:
    """Raises ValueError unless all ids are in low..high."""
    if len(ids) and not (ids.min() >= low and ids.max() <= high):
        row = int(np.argmax((ids < low) | (ids > high)))
        raise ValueError(f"{name} must be from {low} to {high}, row {row} has {ids[row]}")


def expanded(counts: Ids) -> tuple[Ids, Ids]:
    """For owners with so many rows each: the owner of every row, and the row's place among its owner's."""
    owner = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    within = np.arange(len(owner), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    return owner, within
