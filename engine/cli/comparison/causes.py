"""Why a line of an old bill differs from what Meterline rates: one likely cause each. Pure.

The causes are tried in the order of `Cause`; the first that explains a line is its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final

from engine.cli.comparison.compared_lines import ComparedLine
from rating import EXACT, minor_unit_digits

_TIMES_MAX: Final = 4


class Cause(StrEnum):
    """In the order in which they are shown."""

    CUSTOMER_NOT_IN_METERLINE = "customer not in Meterline"
    CUSTOMER_NOT_BILLED = "customer not in the old bills"
    CURRENCY = "other currency"
    LINE_NOT_IN_METERLINE = "line not in Meterline"
    LINE_NOT_BILLED = "line not in the old bills"
    COUNTED_TWICE = "events counted more than once"
    TIME_ZONE = "month in another time zone"
    LATE = "late events"
    QUANTITY = "other quantity"
    ROUNDING = "rounding"
    TAX = "tax included"
    DISCOUNT = "discount taken off"
    DUE = "discounts, credit and tax included"
    PRORATION = "proration"
    PRICE = "other price"
    AMOUNT = "other amount"


@dataclass(frozen=True, slots=True)
class Explained:
    """A line that differs, its cause, and what shows it."""

    line: ComparedLine
    cause: Cause
    detail: str

    @property
    def difference(self) -> Decimal:
        """Meterline's less the old one."""
        return EXACT.subtract(self.line.new_amount, self.line.old_amount)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the usage of a line says of the old quantity. hours: by how many hours the month of the old bills begins and ends later,
    None if no shift explains it. is_late: the old quantity is what had been recorded when the period ended.
    """

    hours: int | None = None
    is_late: bool = False


def explained(
    lines: Sequence[ComparedLine],
    old_customers: frozenset[str],
    new_customers: frozenset[str],
    evidence: Callable[[ComparedLine], Evidence],
) -> list[Explained]:
    """Each line with its cause. `evidence` is asked for lines whose quantity differs."""
    single_sided = {
        (each.customer_id, each.label, each.month, each.old_count > 0): each.currency
        for each in lines
        if not (each.old_count and each.new_count)
    }
    found = []
    for line in lines:
        if line.old_count and line.new_count:
            cause, detail = _of_both(line, evidence)
        else:
            cause, detail = _of_one(line, old_customers, new_customers, single_sided)
        found.append(Explained(line, cause, detail))
    return found


def _of_one(
    line: ComparedLine,
    old_customers: frozenset[str],
    new_customers: frozenset[str],
    single_sided: dict[tuple[str, str, str, bool], str],
) -> tuple[Cause, str]:
    if line.customer_id not in new_customers:
        return Cause.CUSTOMER_NOT_IN_METERLINE, "it has no line in these months: is it in the catalog?"
    if line.customer_id not in old_customers:
        return Cause.CUSTOMER_NOT_BILLED, ""
    other = single_sided.get((line.customer_id, line.label, line.month, not line.old_count))
    if other is not None and other != line.currency:
        return Cause.CURRENCY, f"the other side has it in {other}"
    return (Cause.LINE_NOT_IN_METERLINE, "") if line.old_count else (Cause.LINE_NOT_BILLED, "")


def _of_both(line: ComparedLine, evidence: Callable[[ComparedLine], Evidence]) -> tuple[Cause, str]:
    if line.old_quantity is not None and line.new_quantity and line.old_quantity != line.new_quantity:
        return _of_quantity(line, line.old_quantity, evidence)
    return _of_amount(line)


def _of_quantity(
    line: ComparedLine, old: Decimal, evidence: Callable[[ComparedLine], Evidence]
) -> tuple[Cause, str]:
    new = line.new_quantity
    for times in range(2, _TIMES_MAX + 1):
        if old == EXACT.multiply(new, Decimal(times)):
            return (
                Cause.COUNTED_TWICE,
                f"{_plain(old)} is {times} x {_plain(new)}: retries counted as new events?",
            )
        if new == EXACT.multiply(old, Decimal(times)):
            return (
                Cause.COUNTED_TWICE,
                f"{_plain(new)} is {times} x {_plain(old)}: recorded here more than once?",
            )
    found = evidence(line)
    if found.hours is not None:
        return (
            Cause.TIME_ZONE,
            f"the month begins and ends {abs(found.hours)} h {'later' if found.hours > 0 else 'earlier'}",
        )
    if found.is_late:
        return Cause.LATE, f"{_plain(EXACT.subtract(new, old))} came after the period's end"
    return (
        Cause.QUANTITY,
        f"{_plain(old)} was billed, {_plain(new)} is recorded: {_signed(EXACT.subtract(new, old))}",
    )


def _of_amount(line: ComparedLine) -> tuple[Cause, str]:
    old, new = line.old_amount, line.new_amount
    cent = Decimal(1).scaleb(-minor_unit_digits(line.currency))
    if abs(EXACT.subtract(new, old)) <= cent:
        return Cause.ROUNDING, "within one minor unit"
    if (of_terms := _of_terms(line, cent)) is not None:
        return of_terms
    if (share := _share_of_month(line, cent)) is not None:
        return Cause.PRORATION, share
    if line.old_quantity and line.new_quantity:
        prices = (Fraction(amount) / Fraction(line.new_quantity) for amount in (old, new))
        before, after = (f"{float(each):.6g}" for each in prices)
        return Cause.PRICE, f"{before} a unit was billed, {after} by the catalog"
    return (Cause.PRICE if not line.new_quantity else Cause.AMOUNT), ""


def _of_terms(line: ComparedLine, cent: Decimal) -> tuple[Cause, str] | None:
    """Whether the old amount has in it what Meterline shows apart."""
    old, new = line.old_amount, line.new_amount
    if line.new_tax_on_top and _near(old, EXACT.add(new, line.new_tax_on_top), cent):
        return Cause.TAX, f"{_plain(line.new_tax_on_top)} tax"
    if line.new_discount and _near(old, EXACT.subtract(new, line.new_discount), cent):
        return Cause.DISCOUNT, f"{_plain(line.new_discount)} discount"
    if line.new_due != new and _near(old, line.new_due, cent):
        return Cause.DUE, f"{_plain(line.new_due)} is due"
    return None


def _share_of_month(line: ComparedLine, cent: Decimal) -> str | None:
    """In words which days of the month the one amount is of the other; of lines that aren't metered."""
    if (
        line.new_quantity
        or not line.old_amount
        or not line.new_amount
        or (line.old_amount < 0) != (line.new_amount < 0)
    ):
        return None
    year, month = map(int, line.month.split("-"))
    days = (date(year + month // 12, month % 12 + 1, 1) - date(year, month, 1)).days
    if line.old_days and line.old_days < days:
        return f"the old line is for {line.old_days} of {days} days"
    less, more = sorted((line.old_amount, line.new_amount), key=abs)
    for own in range(1, days):
        if abs(Fraction(more) * own / days - Fraction(less)) <= Fraction(cent) / 2:
            who = "the old line" if abs(line.old_amount) < abs(line.new_amount) else "Meterline's line"
            return f"{who} is {own} of {days} days"
    return None


def _near(one: Decimal, other: Decimal, cent: Decimal) -> bool:
    return abs(EXACT.subtract(one, other)) <= cent


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _signed(value: Decimal) -> str:
    return f"{'+' if value > 0 else ''}{_plain(value)}"
