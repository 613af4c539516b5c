"""A credit note and the booked lines of its invoice to a document. Pure.

Rules:
1. A line of the document is what the note gives back of a line of the invoice, under the invoice's name of it, beside what was billed.
2. It has no quantity: a note gives back money, not usage.
3. Who sells and who buys are those of the invoice, as they were at its issue.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from engine.billing.accounts.amounts import decimal_of
from engine.billing.documents.booked_sections import (
    BookedInvoice,
    booked_sections,
    checked_subtotal,
    period_of,
    summed_terms,
    zone_of,
)
from engine.billing.documents.catalog_names import CatalogNames
from engine.billing.documents.document import CreditNoteDocument
from engine.billing.documents.document_parts import LINE_AMOUNTS, DocumentLine, Section, added_up
from engine.billing.receivables.credit_note import LineAmounts
from engine.billing.receivables.credit_note_store import CreditNote
from engine.catalog.snapshots.snapshot import Catalog
from engine.errors import MeterlineError


def credited_rows(rows: pa.Table, lines: Mapping[int, LineAmounts]) -> pa.Table:
    """Of the lines of an invoice (INVOICE_LINE_ROWS), those of which a note gives something back."""
    numbers = pa.array(lines, rows.schema.field("line_number").type)
    return rows.filter(pc.is_in(rows["line_number"], value_set=numbers))


def credit_note_document(
    note: CreditNote, lines: Mapping[int, LineAmounts], booked: BookedInvoice, catalog: Catalog
) -> CreditNoteDocument:
    """The document of a credit note. `lines`: what it gives back, by line; `booked`: its invoice with these (`credited_rows`).

    Raises:
        MeterlineError: its lines don't add up to its header, or the invoice doesn't have them.
    """
    invoice = booked.invoice
    key, details = invoice.key, json.loads(invoice.billing_details)
    names = CatalogNames(catalog, key.customer_id)
    sections = [_credited(each, lines, key.currency) for each in booked_sections(booked, names)]
    _check(note, sections, len(lines))
    subtotal = checked_subtotal(note.name, sections, note.sums, key.currency)
    return CreditNoteDocument(
        number=note.name,
        credit_note_id=note.credit_note_id,
        state="void" if note.is_void else "issued",
        currency=key.currency,
        customer_id=key.customer_id,
        customer=details.get("customer") or {},
        seller=details.get("seller") or {},
        issued_us=note.issued_at_us,
        period=period_of(invoice),
        zone=zone_of(sections, names),
        voided_us=note.voided_at_us,
        void_reason=note.void_reason,
        invoice=invoice.name,
        invoice_id=invoice.invoice_id,
        invoice_issued_us=invoice.issued_at_us,
        reason=note.reason,
        sections=sections,
        totals=summed_terms(subtotal, note.sums),
    )


def _credited(section: Section, lines: Mapping[int, LineAmounts], currency: str) -> Section:
    found = [_line(each, lines[each.line_number], currency) for each in section.lines]
    return replace(section, lines=found, amount=added_up([each.amounts["amount"] for each in found]))


def _line(line: DocumentLine, given: LineAmounts, currency: str) -> DocumentLine:
    return replace(
        line,
        quantity=None,
        unit="",
        unit_amount=None,
        parts=(),
        amounts={name: decimal_of(getattr(given, name), currency) for name in LINE_AMOUNTS},
        billed=line.amounts["amount"],
    )


def _check(note: CreditNote, sections: Sequence[Section], line_count: int) -> None:
    """Whether each line is there, and what they give back is what the header says; its subtotal is checked apart."""
    lines = [line for section in sections for line in section.lines]
    if len(lines) != line_count:
        raise MeterlineError(
            f"{note.name}: {len(lines)} of {line_count} lines are there: no document is made of it"
        )
    due = added_up([each.amounts["due"] for each in lines])
    if due != note.sums["due"]:
        raise MeterlineError(
            f"{note.name}: its lines give back {due}, and its header says {note.sums['due']}: no document is made of it"
        )
