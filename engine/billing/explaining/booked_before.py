"""What was booked of a line before an invoice corrected it, on invoices that stood then."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from engine.billing.closing.booked_lines import BookedLines
from engine.billing.closing.invoice import Invoice
from engine.billing.closing.invoice_store import InvoiceStore
from engine.billing.explaining.explanation import BookedSum
from engine.billing.terms.settled_amounts import AMOUNTS
from rating import minor_unit_digits

_INVOICES_AT_ONCE: Final = 1_000
_LINES_MAX: Final = 1_000_000


def stood_before(invoices: InvoiceStore, invoice: Invoice) -> list[Invoice]:
    """The customer's invoices in this currency that stood when this one was issued, in order."""
    found = []
    for each in _earlier(invoices, invoice):
        was_void = each.voided_at_us and each.voided_at_us <= invoice.issued_at_us
        if each.key.currency == invoice.key.currency and not was_void:
            found.append(each)
    return found[::-1]


def _earlier(invoices: InvoiceStore, invoice: Invoice) -> Iterator[Invoice]:
    """The newest first."""
    before = invoice.number
    while some := invoices.invoices(invoice.tenant, invoice.key.customer_id, before, _INVOICES_AT_ONCE):
        yield from some
        before = some[-1].number
        if before <= 1:
            return


def rows_of_line(booked: BookedLines, invoices: Sequence[Invoice], line_item_id: str) -> pa.Table:
    """The booked rows (INVOICE_LINE_ROWS) of a line, on any of these invoices. Raises StoreUnavailableError."""
    if not invoices:
        return booked.of_line("", [], line_item_id)
    return booked.of_line(invoices[0].tenant, [each.invoice_id for each in invoices], line_item_id)


def booked_sum(rows: Sequence[Mapping[str, Any]], numbers: Mapping[str, str], currency: str) -> BookedSum:
    """What rows of one line come to. `numbers`: invoice ids to numbers as people know them."""
    digits = minor_unit_digits(currency)
    return BookedSum(
        on=sorted({numbers[each["invoice_id"]] for each in rows}),
        quantity=sum((Decimal(each["quantity"] or 0) for each in rows), Decimal(0)),
        event_count=sum(each["event_count"] for each in rows),
        amounts={
            name.removesuffix("_minor"): sum((each[name] for each in rows), Decimal(0)).scaleb(-digits)
            for name in AMOUNTS
        },
    )
