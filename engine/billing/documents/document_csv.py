"""A document as CSV, for programs: its lines, one row a line, or the usage behind them, one row a line and day. Numbers and instants are
in the same form in every language. Pure.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Final

from engine.billing.documents.document import CreditNoteDocument, Document
from engine.billing.documents.document_parts import LINE_AMOUNTS, DocumentLine, Section, money, plain
from engine.billing.documents.usage_behind import UsageBehind
from engine.times import rfc3339_us

_WHAT: Final = (
    *("line_number", "kind", "is_correction", "corrects_number", "subscription_id", "plan_id", "plan_name"),
    *("price_id", "product", "dimensions", "service_start", "service_end"),
)
_INVOICE_COLUMNS: Final = (*("number", *_WHAT, "quantity", "unit", "unit_amount", "currency", *LINE_AMOUNTS),)
_CREDIT_NOTE_COLUMNS: Final = ("number", "invoice", *_WHAT, "currency", "billed_amount", *LINE_AMOUNTS)

_USAGE_COLUMNS: Final = (
    *("number", "line_number", "meter_id", "aggregation", "unit", "dimensions", "time_zone"),
    *("start", "end", "quantity", "line_quantity", "relation", "days_sum"),
)


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


def usage_csv(number: str, usage: Sequence[UsageBehind]) -> str:
    """RFC 4180 with a header; by line, then by day. `number`: of the invoice."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_USAGE_COLUMNS)
    by_line = sorted((line, place) for place, each in enumerate(usage) for line in each.line_numbers)
    for line, place in by_line:
        writer.writerows(_usage_rows(number, line, usage[place]))
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


def _usage_rows(number: str, line: int, of: UsageBehind) -> Iterator[tuple[str, ...]]:
    dimensions = json.dumps(dict(of.dimensions), ensure_ascii=False) if of.dimensions else ""
    for day in of.days:
        yield (
            *(number, str(line), of.meter_id, of.aggregation, of.unit, dimensions, of.zone),
            *(rfc3339_us(day.start_us), rfc3339_us(day.end_us), plain(day.quantity), plain(of.quantity)),
            *(of.relation.value, "" if of.days_sum is None else plain(of.days_sum)),
        )
