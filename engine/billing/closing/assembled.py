"""Headers and numbered lines of invoices that are to be issued, from their rows. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.billing.accounts.invoice_states import state_of
from engine.billing.closing.booked_lines import INVOICE_LINE_ROWS
from engine.billing.closing.invoice import SUMS, Close, Invoice, InvoiceKey
from engine.billing.closing.invoice_terms import DAY_US, invoice_terms
from engine.billing.closing.settled_lines import LINE_ROWS
from engine.billing.segments import Index
from engine.billing.terms.settled_amounts import AMOUNTS
from engine.catalog.snapshots.snapshot import Catalog
from engine.decimal_texts import combined, decimal128_column
from engine.errors import MeterlineError
from rating import DecimalColumn, minor_unit_digits


@dataclass(frozen=True, eq=False, slots=True)
class ToIssue:
    """The lines of invoices that are to be issued.

    keys: of the invoices; parts: which part of its period each bills, 0 where it bills all, or the rest.
    rows: LINE_ROWS, n; invoice: int64[n], the place of each in `keys`; corrects: the id of the invoice that each corrects, or empty.
    """

    keys: Sequence[InvoiceKey]
    rows: pa.Table
    invoice: Index
    corrects: Sequence[str]
    parts: Sequence[int]


def assembled(
    close: Close, version: int, catalog: Catalog, of: ToIssue, now_us: int
) -> tuple[list[Invoice], pa.Table]:
    """Headers without numbers, and the lines (INVOICE_LINE_ROWS) by invoice, each numbered from 1. `version`: of the tenant's
    invoices, from which they were computed.

    Raises:
        MeterlineError: an invoice does not add up.
    """
    keys, rows, invoice = of.keys, of.rows, of.invoice
    ids = [close.invoice_id(key, version) for key in keys]
    order = np.argsort(invoice, kind="stable")
    invoice = invoice[order]
    counts = np.bincount(invoice, minlength=len(keys))
    number = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    rows = rows.take(pa.array(order))
    columns: dict[str, Any] = {
        "invoice_id": pa.array(ids, pa.string()).take(pa.array(invoice)),
        "line_number": pa.array(number.astype(np.uint32)),
        "corrects_invoice_id": pa.array(of.corrects, pa.string()).take(pa.array(order)),
        **{name: rows[name] for name in LINE_ROWS.names},
    }
    sums, terms = _sums(rows, invoice, keys), invoice_terms(catalog, keys, rows, invoice)
    invoices = [
        Invoice(
            tenant=close.tenant,
            invoice_id=ids[place],
            number=0,
            # One that gives back, or comes to nothing, is owed nothing of.
            state=state_of(max(0, sums[place]["due"]), 0, 0),
            key=key,
            close_id=close.close_id,
            as_of_us=close.as_of_us,
            catalog_revision=close.catalog_revision,
            issued_at_us=now_us,
            line_count=int(counts[place]),
            sums=sums[place],
            payment_terms_days=terms[place][0],
            due_at_us=now_us + terms[place][0] * DAY_US,
            billing_details=terms[place][1],
            part=of.parts[place],
        )
        for place, key in enumerate(keys)
    ]
    return invoices, pa.table([columns[name] for name in INVOICE_LINE_ROWS.names], schema=INVOICE_LINE_ROWS)


def _sums(rows: pa.Table, invoice: Index, keys: Sequence[InvoiceKey]) -> list[dict[str, Any]]:
    """SUMS of each invoice. Raises MeterlineError for one that doesn't add up."""
    is_charge = np.asarray(combined(pc.equal(rows["kind"], "charge")), dtype=np.bool_)
    amounts = {name: decimal128_column(combined(rows[name]), 0) for name in AMOUNTS}
    nothing = DecimalColumn.zeros(len(invoice))
    columns = {
        "amount": amounts["amount_minor"].where(is_charge, nothing),
        "discounts": amounts["discount_minor"],
        "commitments": nothing.where(is_charge, amounts["amount_minor"]),
        "credits": amounts["credit_minor"],
        "included_tax": amounts["included_tax_minor"],
        "tax": amounts["tax_minor"],
        "due": amounts["due_minor"],
    }
    sums = {name: columns[name].sum_by_group(invoice, len(keys)) for name in SUMS}
    due = sums["amount"].subtract(sums["discounts"]).add(sums["commitments"]).subtract(sums["credits"])
    wrong = due.subtract(sums["included_tax"]).add(sums["tax"]).compare(sums["due"]) != 0
    if wrong.any():
        raise MeterlineError(
            f"the invoice of {keys[int(np.argmax(wrong))]} does not add up: nothing was issued"
        )
    digits = np.array([minor_unit_digits(key.currency) for key in keys], dtype=np.int64)
    found: list[dict[str, Any]] = [{} for _ in keys]
    for each in np.unique(digits).tolist():
        places = np.flatnonzero(digits == each)
        for name in SUMS:
            decimals = DecimalColumn(sums[name].take(places).mantissa, each).to_decimals()
            for place, amount in zip(places.tolist(), decimals, strict=True):
                found[place][name] = amount
    return found
