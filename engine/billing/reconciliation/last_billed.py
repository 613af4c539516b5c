"""Which documents have looked at a closed period, and up to which watermark all of them together bill it. Pure.

Rules:
1. The invoice of a period bills what it comes to at its own watermark. A later run of periods that begin where this one has ended,
   or later, that issued an invoice to the customer in that currency has looked at it again, and billed or gave back the difference.
2. So the sum of all rows of the period is what it comes to at the newest watermark among those documents, unless something was
   voided, or billed from an older watermark, since: that is put right by the next run, and until then it is open.
3. Invoices of parts of a period, issued while it ran, look at nothing that is closed. The one that closes their period bills what it
   comes to at its watermark together with those that stood when it was issued.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from engine.billing.reconciliation.booked_documents import Header

OPEN = "something was voided, or billed anew, since: the next close puts it right"


class LastBilled(NamedTuple):
    """The document of the newest watermark; and why the sum isn't to be judged, or empty."""

    by: Header
    open_since: str


def last_billed(own: Header, headers: Sequence[Header], with_rows: Collection[str]) -> LastBilled:
    """`headers`: all of the customer's; `with_rows`: the ids of those that have rows of the period, `own` among them."""
    in_currency = [each for each in headers if each.key.currency == own.key.currency]
    looked = [
        each
        for each in in_currency
        if not (each.is_void or each.part) and each.from_us >= own.key.end_us and each.as_of_us > own.as_of_us
    ]
    last = max([own, *looked], key=lambda each: (each.as_of_us, each.catalog_revision, each.number))
    return LastBilled(last, OPEN if _is_open(own, last, in_currency, with_rows) else "")


def _is_open(own: Header, last: Header, headers: Sequence[Header], with_rows: Collection[str]) -> bool:
    for each in headers:
        if each.invoice_id in (own.invoice_id, last.invoice_id):
            continue
        if each.part and not each.is_void and each.number < own.number:
            continue
        has_rows, is_later = each.invoice_id in with_rows, each.voided_at_us >= last.issued_at_us
        if each.is_void and is_later and (has_rows or each.as_of_us > last.as_of_us):
            return True
        # Billed before the invoice that stands now, or behind the last: nobody has set them against each other.
        if not each.is_void and has_rows and (each.number > last.number or last.invoice_id == own.invoice_id):
            return True
    return own.number > last.number
