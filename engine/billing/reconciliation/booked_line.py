"""Booked lines as they are stored, one object each, and some rows of one line summed up. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import MAX_PREC, Context, Decimal, localcontext
from typing import Any, Final

from engine.billing.reconciliation.raw_usage import Dimensions
from rating import minor_unit_digits

AMOUNTS: Final = ("amount", "discount", "credit", "included_tax", "tax", "due")


@dataclass(frozen=True, slots=True)
class BookedLine:
    """A row of an invoice. Amounts are in minor units, whole."""

    invoice_id: str
    line_number: int
    kind: str
    corrects_invoice_id: str
    line_item_id: str
    subscription_id: str
    plan_id: str
    plan_version: int
    price_id: str
    dimensions: Dimensions
    period_start_us: int
    period_end_us: int
    currency: str
    quantity: str
    event_count: int
    amount: int
    discount: int
    credit: int
    included_tax: int
    tax: int
    due: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "BookedLine":
        """Of a row of `booked_rows_query`."""
        amounts: dict[str, Any] = {name: int(row[name]) for name in AMOUNTS}
        dimensions = tuple(sorted(tuple(each) for each in zip(row["names"], row["texts"], strict=True)))
        plain: dict[str, Any] = {
            name: row[name] for name in cls.__slots__ if name not in (*AMOUNTS, "dimensions")
        }
        return cls(**plain, dimensions=dimensions, **amounts)

    @property
    def adds_up(self) -> bool:
        return self.due == self.amount - self.discount - self.credit - self.included_tax + self.tax

    @property
    def period(self) -> tuple[str, int, int]:
        """Currency, start and end."""
        return self.currency, self.period_start_us, self.period_end_us

    @property
    def what(self) -> str:
        """As people know it."""
        named = " ".join(f"{name}={value}" for name, value in self.dimensions)
        return " ".join(each for each in (self.subscription_id, self.price_id or self.kind, named) if each)


def summed_lines(rows: Iterable[BookedLine]) -> list[BookedLine]:
    """Of each line the sum of its rows; the last one says what it is of."""
    found: dict[str, BookedLine] = {}
    for row in rows:
        before = found.get(row.line_item_id)
        if before is not None:
            row = replace(row, **_added(before, row))  # noqa: PLW2901
        found[row.line_item_id] = row
    return list(found.values())


def minor_text(minor: object, currency: str) -> str:
    """Minor units, whole or a fraction, as an amount with the currency's digits."""
    with localcontext(Context(prec=MAX_PREC)):
        return format(Decimal(str(minor)).scaleb(-minor_unit_digits(currency)), "f")


def _added(before: BookedLine, row: BookedLine) -> dict[str, Any]:
    return {name: getattr(before, name) + getattr(row, name) for name in AMOUNTS}
