"""What reconciling finds: how much was judged, what could not be, and every difference. Pure.

Rules:
1. Everything that is looked at is counted once a check: judged, or not judged with the reason. Nothing passes in silence.
2. Differences are counted all, and listed up to a bound.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

DIFFERENCES_MAX: Final = 1_000
"""Of one step: some hundred bytes each."""


class Check(StrEnum):
    """What is looked at."""

    INVOICES = "invoices"
    """Headers beside the sums of their booked lines."""
    LINES = "lines"
    """Lines beside the raw events and the prices, at their invoice's watermark."""
    CORRECTIONS = "corrections"
    """What all documents bill of a period beside what it comes to at the newest watermark among them."""
    DISCOUNTS = "discounts"
    CREDITS = "credits"
    TAXES = "taxes"


class DifferenceKind(StrEnum):
    """What is wrong."""

    HEADER_SUM = "header_sum"
    LINE_COUNT = "line_count"
    LINE_ARITHMETIC = "line_arithmetic"
    """due = amount - discount - credit - included tax + tax."""
    LINE_TWICE = "line_twice"
    NO_LINES = "no_lines"
    """An invoice whose lines are gone."""
    NO_INVOICE = "no_invoice"
    """Booked lines whose invoice is gone."""
    NUMBER_GAP = "number_gap"
    PERIOD_TWICE = "period_twice"
    QUANTITY = "quantity"
    EVENT_COUNT = "event_count"
    AMOUNT = "amount"
    MISSING_LINE = "missing_line"
    EXTRA_LINE = "extra_line"
    CORRECTED_AMOUNT = "corrected_amount"
    DISCOUNT = "discount"
    CREDIT = "credit"
    TAX = "tax"


@dataclass(frozen=True, slots=True)
class BookedDifference:
    """One difference. `line_number`: 0 where it is of no single line. `what`: which sum, price or subscription. `expected`, `found`:
    amounts in units of the currency, or quantities.
    """

    kind: DifferenceKind
    customer_id: str = ""
    invoice_id: str = ""
    invoice_number: int = 0
    line_number: int = 0
    what: str = ""
    expected: str = ""
    found: str = ""


@dataclass(slots=True)
class Findings:
    """What one step, or several, found. `late_*`: what is pending for the next invoices, which is no difference."""

    judged: Counter[Check] = field(default_factory=Counter)
    not_judged: Counter[tuple[Check, str]] = field(default_factory=Counter)
    differences: list[BookedDifference] = field(default_factory=list)
    difference_count: int = 0
    late_event_count: int = 0
    late_customer_count: int = 0

    def differs(self, difference: BookedDifference) -> None:
        self.difference_count += 1
        if len(self.differences) < DIFFERENCES_MAX:
            self.differences.append(difference)

    def leave(self, check: Check, reason: str, count: int = 1) -> None:
        """So many are not judged."""
        if count:
            self.not_judged[check, reason] += count

    def add(self, more: "Findings") -> None:
        self.judged += more.judged
        self.not_judged += more.not_judged
        self.differences += more.differences[: DIFFERENCES_MAX - len(self.differences)]
        for name in ("difference_count", "late_event_count", "late_customer_count"):
            setattr(self, name, getattr(self, name) + getattr(more, name))
