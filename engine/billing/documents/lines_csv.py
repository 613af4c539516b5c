"""A document's lines as CSV, one row a line, for programs: numbers and instants are in the same form in every language. Pure."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Final

from engine.billing.documents.document import LINE_AMOUNTS, BillingDocument, money, plain
from engine.times import rfc3339_us

COLUMNS: Final = (
    *("number", "line_number", "kind", "is_correction", "corrects_number", "subscription_id", "plan_id"),
    *("plan_name", "price_id", "product", "dimensions", "service_start", "service_end", "quantity", "unit"),
    *("unit_amount", "currency", *LINE_AMOUNTS),
)


def lines_csv(document: BillingDocument) -> str:
    """RFC 4180 with a header; the last cells of a row are the line's LINE_AMOUNTS."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(_rows(document))
    return text.getvalue()


def _rows(document: BillingDocument) -> Iterator[tuple[str, ...]]:
    for section in document.sections:
        for line in section.lines:
            yield (
                *(document.number, str(line.line_number), line.kind),
                *("true" if section.is_correction else "false", section.corrects),
                *(section.subscription_id, section.plan_id, section.plan_name, line.price_id, line.product),
                json.dumps(dict(line.dimensions), ensure_ascii=False) if line.dimensions else "",
                *(rfc3339_us(line.service.start_us), rfc3339_us(line.service.end_us)),
                "" if line.quantity is None else plain(line.quantity),
                line.unit,
                "" if line.unit_amount is None else plain(line.unit_amount),
                document.currency,
                *(money(line.amounts[name]) for name in LINE_AMOUNTS),
            )
