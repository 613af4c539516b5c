"""What is said of a line: plain values, which every face shows in its own way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from engine.billing.closing.invoice import Invoice
from engine.billing.line_item import LineItem
from engine.spend.applied_terms import AppliedCommitment

Amounts = Mapping[str, Decimal]
"""Of a line, by AMOUNTS without "_minor" (engine.billing.closing.settled_lines), in units of the currency."""


@dataclass(frozen=True, slots=True)
class LineStep:
    """One step from the quantity to the amount: proto/meterline/v1/explanations.proto. None for what a step doesn't have."""

    step: str
    term: Decimal | None = None
    quantity: Decimal | None = None
    amount: Decimal | None = None
    from_quantity: Decimal | None = None
    up_to: Decimal | None = None
    flat_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class LineTerm:
    """What one term of money did to a line. `kind`: plan_discount, coupon, credit, tax."""

    kind: str
    id: str
    amount: Decimal
    percent: Decimal | None = None
    included: bool = False
    reverse_charge: bool = False


@dataclass(frozen=True, slots=True)
class SettledLine:
    """What a line comes to, and what made it so. `commitment`: of a line that a commitment adds."""

    amounts: Amounts
    terms: Sequence[LineTerm]
    commitment: AppliedCommitment | None


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """A booked line: the invoice it is on, and its row (INVOICE_LINE_ROWS)."""

    invoice: Invoice
    row: Mapping[str, Any]

    @property
    def currency(self) -> str:
        return self.invoice.key.currency


@dataclass(frozen=True, slots=True)
class FactsBetween:
    """How much came in about a line's usage after one watermark, up to another."""

    late_events: int = 0
    voided: int = 0
    amended: int = 0
    restored: int = 0
    reused_ids: int = 0


@dataclass(frozen=True, slots=True)
class BookedSum:
    """Of one line, what some invoices billed together. `on`: their numbers, in order."""

    on: Sequence[str]
    quantity: Decimal
    event_count: int
    amounts: Amounts


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What a line was before it was corrected, and what came since.

    before, now: what was booked of it, without and with the line that corrects, or that bills a part or the rest.
    changed_after_us: the watermark of the last invoice that stood, and its revision; 0 where none did.
    """

    before: BookedSum
    now: BookedSum
    changed_after_us: int
    revision_before: int
    facts: FactsBetween
    is_rest: bool = False
    """Of a period of which parts were billed while it ran: `before` are these."""


@dataclass(frozen=True, slots=True)
class LineExplanation:
    """All of it.

    item: the line as it is rated; None for what a commitment adds, and where `unexplained` says why.
    zone: of the subscription's wall clock.
    aliases: other ids under which the customer's usage is recorded.
    """

    customer_id: str
    as_of_us: int
    revision: int
    zone: str
    item: LineItem | None = None
    settled: SettledLine | None = None
    booked: InvoiceRow | None = None
    adjustment: Adjustment | None = None
    aliases: Sequence[str] = ()
    unexplained: str = ""
