"""What documents are made of, as plain values: lines, and what of a line is at which price. Nothing in it depends on a language.

Rules:
1. Every amount is a decimal in units of the currency with all its digits; a quantity is exact.
2. Periods are half-open, in microseconds since 1970; `zone` is the wall clock that dates are shown by.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from engine.times import rfc3339_us
from fields import Json
from rating import EXACT

LINE_AMOUNTS: Final = ("amount", "discount", "credit", "included_tax", "tax", "due")


@dataclass(frozen=True, slots=True)
class Span:
    """[start_us, end_us)."""

    start_us: int
    end_us: int

    def to_fields(self) -> dict[str, Json]:
        return {"start": rfc3339_us(self.start_us), "end": rfc3339_us(self.end_us)}


@dataclass(frozen=True, slots=True)
class PricedPart:
    """So many units (or whole packages) at so much, and an amount once. `up_to`: where its tier ends; None of the last, or of a
    price without tiers, which has none of both.
    """

    quantity: Decimal
    unit_amount: Decimal
    flat_amount: Decimal
    amount: Decimal
    from_quantity: Decimal | None = None
    up_to: Decimal | None = None

    def to_fields(self) -> dict[str, Json]:
        found: dict[str, Json] = {
            "quantity": plain(self.quantity),
            "unit_amount": plain(self.unit_amount),
            "flat_amount": plain(self.flat_amount),
            "amount": plain(self.amount),
        }
        for name in ("from_quantity", "up_to"):
            if (value := getattr(self, name)) is not None:
                found[name] = plain(value)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLine:
    """A booked line, or what a credit note gives back of one.

    line_number: of the invoice. kind: "charge"; "overage" or "true_up" of a commitment, which have no price.
    quantity: None of a price of no quantity. unit: of the quantity, for display; empty if its meter has none.
    unit_amount: where the line is its quantity times that; else `parts`, where they add up to the line.
    amounts: LINE_AMOUNTS: due = amount - discount - credit - included_tax + tax.
    billed: of a line of a credit note, the amount that the invoice has of it; None of an invoice's own.
    """

    line_number: int
    kind: str
    line_item_id: str
    price_id: str
    product: str
    model: str
    dimensions: Mapping[str, str]
    service: Span
    quantity: Decimal | None
    unit: str
    unit_amount: Decimal | None
    parts: Sequence[PricedPart]
    amounts: Mapping[str, Decimal]
    billed: Decimal | None = None

    def to_fields(self) -> dict[str, Json]:
        found: dict[str, Json] = {
            "line_number": self.line_number,
            "kind": self.kind,
            "line_item_id": self.line_item_id,
            "price_id": self.price_id,
            "product": self.product,
            "model": self.model,
            "dimensions": dict(self.dimensions),
            "service_period": self.service.to_fields(),
        }
        if self.quantity is not None:
            found["quantity"] = plain(self.quantity)
        if self.unit:
            found["unit"] = self.unit
        if self.unit_amount is not None:
            found["unit_amount"] = plain(self.unit_amount)
        if self.parts:
            found["parts"] = [each.to_fields() for each in self.parts]
        if self.billed is not None:
            found["billed_amount"] = money(self.billed)
        return found | {name: money(self.amounts[name]) for name in LINE_AMOUNTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The lines of one plan of one subscription in one billing period.

    corrects: the number of the earlier invoice that the lines correct. is_correction: whether they correct one at all, also one
    that is void by now.
    """

    subscription_id: str
    plan_id: str
    plan_name: str
    period: Span
    zone: str
    is_correction: bool
    corrects: str
    lines: Sequence[DocumentLine]
    amount: Decimal

    def to_fields(self) -> dict[str, Json]:
        found: dict[str, Json] = {
            "subscription_id": self.subscription_id,
            "plan_id": self.plan_id,
            "plan_name": self.plan_name,
            "period": self.period.to_fields(),
            "time_zone": self.zone,
        }
        if self.is_correction:
            found |= {"is_correction": True, "corrects": self.corrects}
        return found | {
            "amount": money(self.amount),
            "lines": [each.to_fields() for each in self.lines],
        }


def plain(value: Decimal) -> str:
    """Digits without an exponent or needless zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(value: Decimal) -> str:
    """With all the currency's digits."""
    return format(value, "f")


def added_up(amounts: Iterable[Decimal]) -> Decimal:
    """Exactly."""
    total = Decimal(0)
    for each in amounts:
        total = EXACT.add(total, each)
    return total
