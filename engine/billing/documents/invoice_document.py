"""An invoice, its booked lines and the catalog's names to a document. Pure.

Rules:
1. Amounts and quantities are those that were booked; nothing is rated anew but the parts of a line (priced_parts).
2. The lines add up to the header's sums, or there is no document: a paper that doesn't add up is worse than none.
3. Names of plans are those of the version that a line is of, which never changes. Wall clocks are those of the subscriptions now.
"""

import json
from collections.abc import Mapping, Sequence
from decimal import MAX_PREC, Context, Decimal
from typing import Any, Final

import pyarrow as pa

from engine.billing.accounts.amounts import decimal_of
from engine.billing.accounts.document_numbers import invoice_number
from engine.billing.accounts.invoice_states import InvoiceState, state_at
from engine.billing.closing.booked_lines import amount_texts
from engine.billing.closing.invoice import Invoice
from engine.billing.documents.catalog_names import CatalogNames
from engine.billing.documents.document import (
    LINE_AMOUNTS,
    BillingDocument,
    DocumentLine,
    PricedPart,
    Section,
    Span,
)
from engine.billing.documents.priced_parts import PricedLine, is_shown, priced_parts
from engine.catalog.kinds.plan import PlanPrice
from engine.catalog.snapshots.snapshot import Catalog
from engine.errors import MeterlineError
from engine.times import datetime_us

_EXACT: Final = Context(prec=MAX_PREC)
_FIGURES: Final = ("paid", "credited", "written_off", "outstanding")


def invoice_document(
    invoice: Invoice, rows: pa.Table, numbers: Mapping[str, int], catalog: Catalog, now_us: int
) -> BillingDocument:
    """The document of an invoice as it is at an instant. `rows`: all its lines (INVOICE_LINE_ROWS); `numbers`: of the invoices that
    they correct.

    Raises:
        MeterlineError: its lines don't add up to its header.
    """
    key, details = invoice.key, json.loads(invoice.billing_details)
    names = CatalogNames(catalog, key.customer_id)
    sections = _sections(invoice, rows, numbers, names)
    subtotal = _EXACT.add(invoice.sums["amount"], invoice.sums["commitments"])
    if (found := _sum([each.amount for each in sections], subtotal)) != subtotal:
        raise MeterlineError(
            f"{invoice.name}: its lines come to {found} {key.currency}, and its header says {subtotal}: no document is made of it"
        )
    return BillingDocument(
        number=invoice.name,
        invoice_id=invoice.invoice_id,
        state=state_at(invoice.state, invoice.due_at_us, now_us).value,
        currency=key.currency,
        customer_id=key.customer_id,
        customer=details.get("customer") or {},
        seller=details.get("seller") or {},
        issued_us=invoice.issued_at_us,
        due_us=invoice.due_at_us,
        payment_terms_days=invoice.payment_terms_days,
        period=Span(key.start_us, key.end_us) if key.start_us < key.end_us else None,
        zone=next((each.zone for each in sections if not each.is_correction), names.zone),
        voided_us=invoice.voided_at_us,
        void_reason=invoice.void_reason,
        usage_until_us=invoice.as_of_us if invoice.part else 0,
        sections=sections,
        totals=_totals(invoice, subtotal),
    )


def _sections(
    invoice: Invoice, rows: pa.Table, numbers: Mapping[str, int], names: CatalogNames
) -> list[Section]:
    """In the order of their first lines; what corrects comes behind."""
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
                amount=_sum(amounts, amounts[0]),
            )
        )
    return sorted(found, key=lambda each: each.is_correction)


def _lines(
    invoice: Invoice, rows: pa.Table, listed: Sequence[Mapping[str, Any]], own: Span, names: CatalogNames
) -> list[DocumentLine]:
    texts = amount_texts(rows, invoice.key.currency)
    parts = _parts_of(listed, own, names)
    found = []
    for place, row in enumerate(listed):
        quantity = Decimal(row["quantity"] or 0)
        shown = quantity if row["meter_id"] or quantity else None
        made_of = parts.get(place, ())
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


def _parts_of(
    listed: Sequence[Mapping[str, Any]], own: Span, names: CatalogNames
) -> dict[int, tuple[PricedPart, ...]]:
    """Of the lines, by their places. A line that corrects is a difference: it has none."""
    priced: dict[int, PricedLine] = {}
    prices: dict[tuple[str, int, str, str], PlanPrice | None] = {}
    for place, row in enumerate(listed):
        if not row["price_id"] or _span(row, "period") != own or not row["exact_amount"]:
            continue
        version = (row["plan_id"], row["plan_version"], row["price_id"], row["currency"])
        if version not in prices:
            prices[version] = names.price(*version)
        price = prices[version]
        if price is not None and is_shown(price.price, row["model"]):
            priced[place] = PricedLine(
                price.price, Decimal(row["quantity"] or 0), Decimal(row["exact_amount"])
            )
    return dict(zip(priced, priced_parts(list(priced.values())), strict=True))


def _unit_amount(parts: Sequence[PricedPart], quantity: Decimal) -> Decimal | None:
    """Where all of a quantity has one amount a unit."""
    if len(parts) == 1 and not parts[0].flat_amount and parts[0].quantity == quantity:
        return parts[0].unit_amount
    return None


def _totals(invoice: Invoice, subtotal: Decimal) -> list[tuple[str, Decimal]]:
    sums = invoice.sums
    found = [("subtotal", subtotal)]
    found += [(name, sums[name]) for name in ("discounts", "credits", "included_tax", "tax") if sums[name]]
    found.append(("due", sums["due"]))
    if invoice.state is InvoiceState.VOID:
        return found
    figures = {
        name: decimal_of(getattr(invoice.figures, f"{name}_minor"), invoice.key.currency) for name in _FIGURES
    }
    if figures["outstanding"] != sums["due"]:
        found += [(name, amount) for name, amount in figures.items() if amount or name == "outstanding"]
    return found


def _sum(amounts: Sequence[Decimal], like: Decimal) -> Decimal:
    """With the digits of `like`, also of none."""
    total = _EXACT.subtract(like, like)
    for each in amounts:
        total = _EXACT.add(total, each)
    return total


def _span(row: Mapping[str, Any], name: str) -> Span:
    return Span(datetime_us(row[f"{name}_start"]), datetime_us(row[f"{name}_end"]))
