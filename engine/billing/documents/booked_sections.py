"""The booked lines of an invoice as the sections of a document, and whether they add up. Pure.

Rules:
1. Amounts and quantities are those that were booked; nothing is rated anew but the parts of a line (rated_again).
2. Names of plans are those of the version that a line is of, which never changes. Wall clocks are those of the subscriptions now.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa

from engine.billing.accounts.document_numbers import invoice_number
from engine.billing.closing.booked_lines import amount_texts
from engine.billing.closing.invoice import Invoice
from engine.billing.documents.catalog_names import CatalogNames
from engine.billing.documents.document_parts import (
    LINE_AMOUNTS,
    DocumentLine,
    PricedPart,
    Section,
    Span,
    added_up,
)
from engine.billing.documents.priced_parts import SHOWN_MODELS, priced_parts
from engine.billing.documents.rated_again import rated_again
from engine.errors import MeterlineError
from engine.times import datetime_us
from rating import EXACT


class BookedInvoice(NamedTuple):
    """An invoice with lines of it (INVOICE_LINE_ROWS), and the numbers of the invoices that they correct, by id."""

    invoice: Invoice
    rows: pa.Table
    numbers: Mapping[str, int]


def booked_sections(booked: BookedInvoice, names: CatalogNames) -> list[Section]:
    """In the order of their first lines; what corrects comes behind."""
    invoice, rows, numbers = booked
    own = Span(invoice.key.start_us, invoice.key.end_us)
    listed = rows.to_pylist()
    lines = _lines(invoice, rows, listed, own, names)
    grouped: dict[tuple[bool, str, Span, str, str, int], list[DocumentLine]] = {}
    for row, line in zip(listed, lines, strict=True):
        period = _span(row, "period")
        place = (
            *(period != own, row["corrects_invoice_id"], period),
            *(row["subscription_id"], row["plan_id"], row["plan_version"]),
        )
        grouped.setdefault(place, []).append(line)
    found = []
    for (is_correction, corrected, period, subscription, plan_id, version), some in grouped.items():
        plan = names.plan(plan_id, version)
        amounts = [each.amounts["amount"] for each in some]
        found.append(
            Section(
                subscription_id=subscription,
                plan_id=plan_id,
                plan_name=plan_id if plan is None else plan.name,
                period=period,
                zone=names.zone_of(subscription),
                is_correction=is_correction,
                corrects=invoice_number(numbers[corrected]) if corrected else "",
                lines=some,
                amount=added_up(amounts),
            )
        )
    return sorted(found, key=lambda each: each.is_correction)


def _lines(
    invoice: Invoice, rows: pa.Table, listed: Sequence[Mapping[str, Any]], own: Span, names: CatalogNames
) -> list[DocumentLine]:
    texts = amount_texts(rows, invoice.key.currency)
    rated = rated_again(listed, (own.start_us, own.end_us), names, SHOWN_MODELS)
    found = []
    for place, row in enumerate(listed):
        quantity = Decimal(row["quantity"] or 0)
        shown = quantity if row["meter_id"] or quantity else None
        made_of = priced_parts(rated[place]) if place in rated else ()
        unit_amount = _unit_amount(made_of, quantity)
        found.append(
            DocumentLine(
                line_number=row["line_number"],
                kind=row["kind"],
                line_item_id=row["line_item_id"],
                price_id=row["price_id"],
                product=row["product"],
                model=row["model"],
                dimensions=dict(row["dimensions"]),
                service=_span(row, "service"),
                quantity=shown,
                unit=names.unit(row["meter_id"]) if row["meter_id"] else "",
                unit_amount=unit_amount,
                parts=made_of if unit_amount is None else (),
                amounts={name: Decimal(texts[name][place]) for name in LINE_AMOUNTS},
            )
        )
    return found


def _unit_amount(parts: Sequence[PricedPart], quantity: Decimal) -> Decimal | None:
    """Where all of a quantity has one amount a unit."""
    if len(parts) == 1 and not parts[0].flat_amount and parts[0].quantity == quantity:
        return parts[0].unit_amount
    return None


def checked_subtotal(
    name: str, sections: Sequence[Section], sums: Mapping[str, Decimal], currency: str
) -> Decimal:
    """What a header's lines come to before its terms. `sums`: SUMS.

    Raises:
        MeterlineError: the sections don't: a paper that doesn't add up is worse than none.
    """
    subtotal = EXACT.add(sums["amount"], sums["commitments"])
    if (found := added_up([each.amount for each in sections])) != subtotal:
        raise MeterlineError(
            f"{name}: its lines come to {found} {currency}, and its header says {subtotal}: no document is made of it"
        )
    return subtotal


def summed_terms(subtotal: Decimal, sums: Mapping[str, Decimal]) -> list[tuple[str, Decimal]]:
    """From the subtotal to what is due, as a document's totals begin."""
    found = [("subtotal", subtotal)]
    found += [(name, sums[name]) for name in ("discounts", "credits", "included_tax", "tax") if sums[name]]
    return [*found, ("due", sums["due"])]


def period_of(invoice: Invoice) -> Span | None:
    """None of an invoice of corrections alone."""
    start_us, end_us = invoice.key.start_us, invoice.key.end_us
    return Span(start_us, end_us) if start_us < end_us else None


def zone_of(sections: Sequence[Section], names: CatalogNames) -> str:
    """By whose wall clock a document's own dates are shown."""
    return next((each.zone for each in sections if not each.is_correction), names.zone)


def _span(row: Mapping[str, Any], name: str) -> Span:
    return Span(datetime_us(row[f"{name}_start"]), datetime_us(row[f"{name}_end"]))
