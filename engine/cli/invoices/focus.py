"""Invoices as a FOCUS 1.2 cost and usage dataset (focus.finops.org): rows of text, in the standard's columns. Pure.

Rules:
1. The rows of an invoice add up to what is due, in BilledCost: rows for each line less its discounts and the taxes that its price
   contains (focus_charges), one for the credit that paid of it (Credit), one for its taxes (Tax).
2. ListCost is before discounts, ContractedCost after them; both contain the taxes that the price contains.
3. A line that corrects an earlier period is of the class Correction.
4. x_RowId is of one row, and the same in every export: the invoice, the line, and what of it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp

from engine.cli.invoices.focus_charges import EXACT, UNITS, WHOLE, UnitPriceCharge, charges_of
from engine.times import rfc3339
from meterline.v1.invoices_pb2 import Invoice, InvoiceLine

FOCUS_COLUMNS: Final = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency"),
    *("BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription"),
    *("ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit"),
    *("ContractedCost", "ContractedUnitPrice", "EffectiveCost", "InvoiceId", "InvoiceIssuerName", "ListCost"),
    *("ListUnitPrice", "PricingCategory", "PricingQuantity", "PricingUnit", "ProviderName"),
    *("PublisherName", "ServiceCategory", "ServiceName", "SkuId", "SkuMeter", "SkuPriceId"),
    *("SubAccountId", "Tags"),
    # Columns of our own have this prefix, and come last.
    *("x_CorrectedInvoiceId", "x_InvoiceLineNumber", "x_PlanVersion", "x_PriceId", "x_RowId", "x_TierUpTo"),
)
SERVICE_CATEGORIES: Final = (
    *("AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases"),
    *("Developer Tools", "Multicloud", "Identity", "Integration", "Internet of Things"),
    *("Management and Governance", "Media", "Migration", "Mobile", "Networking", "Security", "Storage"),
    *("Web", "Other"),
)
"""What the standard allows."""
# As lines name an invoice item in place of a plan.
_ITEM_PREFIX: Final = "item/"
_ITEMS: Final = "One-off items"
Row: TypeAlias = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who bills, of which of SERVICE_CATEGORIES the services are, and the unit of each meter that has one."""

    name: str
    service_category: str
    units: Mapping[str, str]


def focus_rows(invoice: Invoice, lines: Sequence[InvoiceLine], issuer: Issuer) -> Iterator[Row]:
    """All rows of an invoice, by FOCUS_COLUMNS; None is null."""
    for line in lines:
        for charge in charges_of(line, issuer.units.get(line.meter_id, UNITS)):
            yield _charge_row(invoice, line, charge, issuer)
        for category, amount in (("Credit", EXACT.minus(Decimal(line.credit))), ("Tax", Decimal(line.tax))):
            if amount:
                yield _other_row(invoice, line, issuer, category, amount)


def billed_sum(rows: Sequence[Row]) -> Decimal:
    """Their BilledCost together."""
    total = Decimal(0)
    for row in rows:
        total = EXACT.add(total, Decimal(row["BilledCost"] or 0))
    return total


def _charge_row(invoice: Invoice, line: InvoiceLine, charge: UnitPriceCharge, issuer: Issuer) -> Row:
    row = _common(invoice, line, issuer, charge.key)
    if charge.key != WHOLE and row["SkuPriceId"]:
        # Of each of its unit prices one.
        row["SkuPriceId"] = f"{row['SkuPriceId']}/{charge.key}"
    return row | {
        "BilledCost": _text(charge.billed_cost),
        "ChargeCategory": "Usage" if charge.is_usage else "Purchase",
        "ChargeDescription": _description(line),
        "ChargeFrequency": "Usage-Based"
        if charge.is_usage
        else "One-Time"
        if _is_item(line)
        else "Recurring",
        "ConsumedQuantity": _optional(charge.consumed),
        "ConsumedUnit": None if charge.consumed is None else issuer.units.get(line.meter_id, UNITS),
        "ContractedCost": _text(charge.contracted_cost),
        "ContractedUnitPrice": _optional(charge.contracted_unit_price),
        "EffectiveCost": _text(charge.billed_cost),
        "ListCost": _text(charge.list_cost),
        "ListUnitPrice": _optional(charge.unit_price),
        "PricingCategory": _pricing_category(line),
        "PricingQuantity": _optional(charge.pricing_quantity),
        "PricingUnit": None if charge.pricing_quantity is None else charge.pricing_unit,
        "x_TierUpTo": _optional(charge.tier_up_to),
    }


def _pricing_category(line: InvoiceLine) -> str:
    if line.kind != "charge":
        return "Committed"
    return "Dynamic" if line.model == "dynamic" else "Standard"


def _other_row(invoice: Invoice, line: InvoiceLine, issuer: Issuer, category: str, amount: Decimal) -> Row:
    text = _text(amount)
    cost = dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), text)
    what = "Credit" if category == "Credit" else "Taxes"
    return _common(invoice, line, issuer, category.lower()) | {
        **cost,
        "ChargeCategory": category,
        "ChargeDescription": f"{what} of {_description(line)}",
        "ChargeFrequency": "One-Time" if category == "Credit" or _is_item(line) else "Recurring",
    }


def _common(invoice: Invoice, line: InvoiceLine, issuer: Issuer, key: str) -> Row:
    row: Row = dict.fromkeys(FOCUS_COLUMNS)
    tags = dict(sorted(line.dimensions.items()))
    return row | {
        "BillingAccountId": invoice.customer_id,
        "BillingAccountName": invoice.customer.name or None,
        "BillingCurrency": invoice.currency,
        "BillingPeriodStart": _instant(invoice.period_start),
        "BillingPeriodEnd": _instant(invoice.period_end),
        "ChargeClass": "Correction" if line.is_adjustment else None,
        "ChargePeriodStart": _instant(line.service_start),
        "ChargePeriodEnd": _instant(line.service_end),
        "InvoiceId": invoice.number,
        "InvoiceIssuerName": issuer.name,
        "ProviderName": issuer.name,
        "PublisherName": issuer.name,
        "ServiceCategory": issuer.service_category,
        "ServiceName": line.product or (_ITEMS if _is_item(line) else line.plan_id) or "Commitment",
        "SkuId": line.plan_id or None,
        "SkuMeter": line.meter_id or None,
        "SkuPriceId": f"{line.plan_id}/{line.price_id}/{line.price_version}" if line.price_id else None,
        "SubAccountId": line.subscription_id or None,
        "Tags": json.dumps(tags, ensure_ascii=False, separators=(",", ":")) if tags else None,
        "x_CorrectedInvoiceId": line.corrects_number or None,
        "x_InvoiceLineNumber": str(line.line_number),
        "x_PlanVersion": str(line.plan_version) if line.plan_version else None,
        "x_PriceId": line.price_id or None,
        "x_RowId": f"{invoice.number}/{line.line_number}/{key}",
    }


def _is_item(line: InvoiceLine) -> bool:
    return line.plan_id.startswith(_ITEM_PREFIX)


def _description(line: InvoiceLine) -> str:
    if _is_item(line):
        return f"Item {line.price_id}"
    # A commitment's line is of no price, and of no plan.
    return (
        f"{line.plan_id} {line.price_id}"
        if line.price_id
        else f"Commitment of {line.subscription_id}, {line.kind}"
    )


def _instant(timestamp: Timestamp) -> str:
    return rfc3339(timestamp.ToDatetime()) + "Z"


def _text(amount: Decimal) -> str:
    return format(amount, "f")


def _optional(number: Decimal | None) -> str | None:
    return None if number is None else _text(number)
