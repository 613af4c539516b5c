"""Invoices as a FOCUS 1.2 cost and usage dataset (focus.finops.org): rows of text, in the standard's columns. Pure.

Rules:
1. The rows of an invoice add up to what is due, in BilledCost: a row for each line less its discounts and the taxes that its price
   contains, one for the credit that paid of it (Credit), one for its taxes (Tax).
2. ListCost is before discounts, ContractedCost after them; both contain the taxes that the price contains.
3. A line that corrects an earlier period is of the class Correction.
4. A tiered price has no single unit price: the columns of unit prices, which are conditional, are left out.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import MAX_PREC, Context, Decimal
from typing import Final, TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp

from engine.times import rfc3339
from meterline.v1.invoices_pb2 import Invoice, InvoiceLine

FOCUS_COLUMNS: Final = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency"),
    *("BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription"),
    *("ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit"),
    *("ContractedCost", "EffectiveCost", "InvoiceId", "InvoiceIssuerName", "ListCost", "PricingCategory"),
    *("PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName"),
    *("SkuId", "SkuMeter", "SkuPriceId", "SubAccountId", "Tags"),
    # Columns of our own have this prefix, and come last.
    *("x_CorrectedInvoiceId", "x_InvoiceLineNumber", "x_PlanVersion", "x_PriceId"),
)
SERVICE_CATEGORIES: Final = (
    *("AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases"),
    *("Developer Tools", "Multicloud", "Identity", "Integration", "Internet of Things"),
    *("Management and Governance", "Media", "Migration", "Mobile", "Networking", "Security", "Storage"),
    *("Web", "Other"),
)
"""What the standard allows."""
EXACT: Final = Context(prec=MAX_PREC)
"""Sums of decimals are exact."""
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
        yield _charge_row(invoice, line, issuer)
        for category, amount in (("Credit", EXACT.minus(Decimal(line.credit))), ("Tax", Decimal(line.tax))):
            if amount:
                yield _other_row(invoice, line, issuer, category, amount)


def billed_sum(rows: Sequence[Row]) -> Decimal:
    """Their BilledCost together."""
    total = Decimal(0)
    for row in rows:
        total = EXACT.add(total, Decimal(row["BilledCost"] or 0))
    return total


def _charge_row(invoice: Invoice, line: InvoiceLine, issuer: Issuer) -> Row:
    list_cost = Decimal(line.amount)
    contracted = EXACT.subtract(list_cost, Decimal(line.discount))
    billed = EXACT.subtract(contracted, Decimal(line.included_tax))
    is_usage, unit = bool(line.meter_id), issuer.units.get(line.meter_id, "Units")
    pricing = (line.billable_quantity, unit) if is_usage else ("1", "Units")
    if line.is_adjustment and not is_usage:
        pricing = ("", "")
    return _common(invoice, line, issuer) | {
        "BilledCost": _text(billed),
        "ChargeCategory": "Usage" if is_usage else "Purchase",
        "ChargeDescription": _description(line),
        "ChargeFrequency": "Usage-Based" if is_usage else "Recurring",
        "ConsumedQuantity": line.quantity if is_usage else None,
        "ConsumedUnit": unit if is_usage else None,
        "ContractedCost": _text(contracted),
        "EffectiveCost": _text(billed),
        "ListCost": _text(list_cost),
        "PricingCategory": "Standard" if line.kind == "charge" else "Committed",
        "PricingQuantity": pricing[0] or None,
        "PricingUnit": pricing[1] or None,
    }


def _other_row(invoice: Invoice, line: InvoiceLine, issuer: Issuer, category: str, amount: Decimal) -> Row:
    text = _text(amount)
    cost = dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), text)
    what = "Credit" if category == "Credit" else "Taxes"
    return _common(invoice, line, issuer) | {
        **cost,
        "ChargeCategory": category,
        "ChargeDescription": f"{what} of {_description(line)}",
        "ChargeFrequency": "One-Time" if category == "Credit" else "Recurring",
    }


def _common(invoice: Invoice, line: InvoiceLine, issuer: Issuer) -> Row:
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
        "ServiceName": line.product or line.plan_id or "Commitment",
        "SkuId": line.plan_id or None,
        "SkuMeter": line.meter_id or None,
        "SkuPriceId": f"{line.plan_id}/{line.price_id}/{line.price_version}" if line.price_id else None,
        "SubAccountId": line.subscription_id or None,
        "Tags": json.dumps(tags, ensure_ascii=False, separators=(",", ":")) if tags else None,
        "x_CorrectedInvoiceId": line.corrects_number or None,
        "x_InvoiceLineNumber": str(line.line_number),
        "x_PlanVersion": str(line.plan_version) if line.plan_version else None,
        "x_PriceId": line.price_id or None,
    }


def _description(line: InvoiceLine) -> str:
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
