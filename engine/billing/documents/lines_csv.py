"""A document's lines as CSV, one row a line, for programs: numbers and instants are in the same form in every language. Pure."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Final

from engine.billing.documents.document import (
    LINE_AMOUNTS,
    CreditNoteDocument,
    Document,
    DocumentLine,
    Section,
    money,
    plain,
)
from engine.times import rfc3339_us

_WHAT: Final = (
    *("line_number", "kind", "is_correction", "corrects_number", "subscription_id", "plan_id", "plan_name"),
    *("price_id", "product", "dimensions", "service_start", "service_end"),
)
_INVOICE_COLUMNS: Final = (*("number", *_WHAT, "quantity", "unit", "unit_amount", "currency", *LINE_AMOUNTS),)
_CREDIT_NOTE_COLUMNS: Final = ("number", "invoice", *_WHAT, "currency", "billed_amount", *LINE_AMOUNTS)


def lines_csv(document: Document) -> str:
    """RFC 4180 with a header; the last cells of a row are the line's LINE_AMOUNTS."""
    text = io.StringIO()
    writer = csv.writer(text)
    if isinstance(document, CreditNoteDocument):
        writer.writerow(_CREDIT_NOTE_COLUMNS)
        writer.writerows(_credit_note_rows(document))
    else:
        writer.writerow(_INVOICE_COLUMNS)
        writer.writerows(_invoice_rows(document))
    return text.getvalue()


def _invoice_rows(document: Document) -> Iterator[tuple[str, ...]]:
    for section in document.sections:
        for line in section.lines:
            yield (
                document.number,
                *_what(section, line),
                "" if line.quantity is None else plain(line.quantity),
                line.unit,
                "" if line.unit_amount is None else plain(line.unit_amount),
                document.currency,
                *_amounts(line),
            )


def _credit_note_rows(document: CreditNoteDocument) -> Iterator[tuple[str, ...]]:
    for section in document.sections:
        for line in section.lines:
            billed = "" if line.billed is None else money(line.billed)
            yield (
                *(document.number, document.invoice, *_what(section, line)),
                *(document.currency, billed, *_amounts(line)),
            )


def _what(section: Section, line: DocumentLine) -> tuple[str, ...]:
    return (
        *(str(line.line_number), line.kind),
        *("true" if section.is_correction else "false", section.corrects),
        *(section.subscription_id, section.plan_id, section.plan_name, line.price_id, line.product),
        json.dumps(dict(line.dimensions), ensure_ascii=False) if line.dimensions else "",
        *(rfc3339_us(line.service.start_us), rfc3339_us(line.service.end_us)),
    )


def _amounts(line: DocumentLine) -> Iterator[str]:
    return (money(line.amounts[name]) for name in LINE_AMOUNTS)
