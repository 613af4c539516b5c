"""What a document says, as plain values: the model behind every format. Nothing in it depends on a language.

The amounts of a document's lines add up to the subtotal, and the subtotal with the terms to what is due: whoever makes a document
checks it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, TypeAlias

from engine.billing.documents.document_parts import DocumentLine, Section, Span, money
from engine.billing.documents.usage_behind import UsageBehind
from engine.times import rfc3339_us
from fields import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingDocument:
    """What invoices and credit notes have in common.

    period: the invoice's; None of an invoice of corrections alone. sellers and customers are as they were at the invoice's issue:
        `name`, `address`, `email`, `tax_ids`, `purchase_order`, each where it was known.
    totals: (name, amount) in their order: subtotal; discounts, credits, included_tax and tax where they aren't zero; due; and of an
        invoice, where something became of it: paid, credited, written_off, outstanding.
    """

    kind: ClassVar[str] = ""
    """As JSON and the names of templates have it."""

    number: str
    state: str
    currency: str
    customer_id: str
    customer: Mapping[str, Any]
    seller: Mapping[str, Any]
    issued_us: int
    period: Span | None
    zone: str
    voided_us: int
    void_reason: str
    sections: Sequence[Section]
    totals: Sequence[tuple[str, Decimal]]

    @property
    def lines(self) -> list[DocumentLine]:
        return [line for section in self.sections for line in section.lines]

    def to_fields(self) -> dict[str, Json]:
        """As JSON has it."""
        found: dict[str, Json] = {
            "document": self.kind,
            "number": self.number,
            **self._own_fields(),
            "state": self.state,
            "currency": self.currency,
            "issued_at": rfc3339_us(self.issued_us),
            "customer_id": self.customer_id,
            "customer": dict(self.customer),
            "seller": dict(self.seller),
            "time_zone": self.zone,
        }
        if self.period is not None:
            found["period"] = self.period.to_fields()
        if self.voided_us:
            found |= {"voided_at": rfc3339_us(self.voided_us), "void_reason": self.void_reason}
        return found | {
            "sections": [each.to_fields() for each in self.sections],
            "totals": [{"name": name, "amount": money(amount)} for name, amount in self.totals],
            **self._annexes(),
        }

    def _annexes(self) -> dict[str, Json]:
        """What comes behind the totals."""
        return {}

    def _own_fields(self) -> dict[str, Json]:
        """What this kind of document has."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDocument(BillingDocument):
    """An invoice.

    usage_until_us: of usage that is billed while the period runs, up to when it was counted; 0 where the period is over.
    usage: by day, of the lines; None where nobody asked for it.
    """

    kind: ClassVar[str] = "invoice"

    invoice_id: str
    due_us: int
    payment_terms_days: int
    usage_until_us: int
    usage: Sequence[UsageBehind] | None = None

    def _own_fields(self) -> dict[str, Json]:
        found: dict[str, Json] = {
            "invoice_id": self.invoice_id,
            "due_at": rfc3339_us(self.due_us),
            "payment_terms_days": self.payment_terms_days,
        }
        if self.usage_until_us:
            found["usage_until"] = rfc3339_us(self.usage_until_us)
        return found

    def _annexes(self) -> dict[str, Json]:
        return {} if self.usage is None else {"usage": [each.to_fields() for each in self.usage]}


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNoteDocument(BillingDocument):
    """A credit note: its lines are what it gives back of lines of its invoice, its totals what it gives back in all."""

    kind: ClassVar[str] = "credit_note"

    credit_note_id: str
    invoice: str
    invoice_id: str
    invoice_issued_us: int
    reason: str

    def _own_fields(self) -> dict[str, Json]:
        return {
            "credit_note_id": self.credit_note_id,
            "invoice": self.invoice,
            "invoice_id": self.invoice_id,
            "invoice_issued_at": rfc3339_us(self.invoice_issued_us),
            "reason": self.reason,
        }


Document: TypeAlias = InvoiceDocument | CreditNoteDocument
