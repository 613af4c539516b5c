"""Documents that have a bit of everything, by which templates are checked at the start. Nobody is billed by them."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from engine.billing.documents.document import CreditNoteDocument, InvoiceDocument
from engine.billing.documents.document_parts import DocumentLine, PricedPart, Section, Span
from engine.billing.documents.usage_behind import Relation, UsageBehind, UsageDay

_DAY_US: Final = 86_400_000_000
# January 2026.
_START_US: Final = 20_454 * _DAY_US
_MONTH: Final = Span(_START_US, _START_US + 31 * _DAY_US)
_BEFORE: Final = Span(_START_US - 31 * _DAY_US, _START_US)
_NOTHING: Final = Decimal("0.00")


def _line(
    number: int, price_id: str, amount: str, *, quantity: str = "", parts: tuple[PricedPart, ...] = ()
) -> DocumentLine:
    total = Decimal(amount)
    return DocumentLine(
        line_number=number,
        kind="charge" if price_id else "true_up",
        line_item_id="",
        price_id=price_id,
        product="",
        model="graduated",
        dimensions={"region": "eu"} if parts else {},
        service=_MONTH,
        quantity=Decimal(quantity) if quantity else None,
        unit="calls" if quantity else "",
        unit_amount=Decimal("0.5") if quantity and not parts else None,
        parts=parts,
        amounts={
            "amount": total,
            "discount": Decimal("1.00"),
            "credit": _NOTHING,
            "included_tax": _NOTHING,
            "tax": _NOTHING,
            "due": total - 1,
        },
    )


def _section(period: Span, corrects: str, *lines: DocumentLine) -> Section:
    return Section(
        subscription_id="sample:pro",
        plan_id="pro",
        plan_name="Pro",
        period=period,
        zone="UTC",
        is_correction=bool(corrects),
        corrects=corrects,
        lines=lines,
        amount=sum((each.amounts["amount"] for each in lines), _NOTHING),
    )


_ADDRESS: Final = {"lines": ["1 Sample Street"], "postal_code": "12345", "city": "Sampleton", "country": "DE"}
_TIERS: Final = (
    PricedPart(Decimal(1000), Decimal("0.1"), Decimal(5), Decimal(105), Decimal(0), Decimal(1000)),
    PricedPart(Decimal(20), Decimal("0.05"), Decimal(0), Decimal(1), Decimal(1000)),
)
SAMPLE: Final = InvoiceDocument(
    number="INV-000002",
    invoice_id="0" * 32,
    state="partly_paid",
    currency="EUR",
    customer_id="sample",
    customer={"name": "Sample Customer", "address": _ADDRESS, "purchase_order": "PO 1"},
    seller={
        "name": "Sample Seller",
        "address": _ADDRESS,
        "email": "billing@example.com",
        "tax_ids": [{"type": "eu_vat", "value": "DE136695976"}],
    },
    issued_us=_MONTH.end_us,
    due_us=_MONTH.end_us + 30 * _DAY_US,
    payment_terms_days=30,
    period=_MONTH,
    zone="UTC",
    voided_us=0,
    void_reason="",
    usage_until_us=0,
    sections=(
        _section(
            _MONTH,
            "",
            _line(1, "fee", "10.00"),
            _line(2, "calls", "106.00", quantity="1020", parts=_TIERS),
            _line(3, "", "4.00"),
        ),
        _section(_BEFORE, "INV-000001", _line(4, "calls", "2.00", quantity="4")),
    ),
    totals=(
        *(("subtotal", Decimal("122.00")), ("discounts", Decimal("4.00")), ("tax", Decimal("22.42"))),
        *(("due", Decimal("140.42")), ("paid", Decimal("40.42")), ("outstanding", Decimal("100.00"))),
    ),
)


def _usage(quantity: str, relation: Relation, *days: str, **fields: Any) -> UsageBehind:  # noqa: ANN401 - of any kind
    own: dict[str, Any] = {"aggregation": "sum", "dimensions": {"region": "eu"}, "unit": "calls"} | fields
    return UsageBehind(
        meter_id="calls",
        carries_over=False,
        service=_MONTH,
        zone="UTC",
        line_numbers=(2,),
        quantity=Decimal(quantity),
        days=[
            UsageDay(_START_US + place * _DAY_US, _START_US + (place + 1) * _DAY_US, Decimal(day))
            for place, day in enumerate(days)
        ],
        relation=relation,
        days_sum=None if relation is Relation.NOT_ADDITIVE else sum(map(Decimal, days), Decimal(0)),
        **own,
    )


SAMPLE_WITH_USAGE: Final = replace(
    SAMPLE,
    usage=(
        _usage("1020", Relation.ADDS_UP, *(["30"] * 30), "120"),
        _usage("2", Relation.CONVERTED, "700", "600", unit=""),
        _usage("7", Relation.DIFFERS, "3", "5.5", dimensions={}),
        _usage("9", Relation.NOT_ADDITIVE, "9", "4", aggregation="max"),
    ),
)
CREDIT_NOTE_SAMPLE: Final = CreditNoteDocument(
    number="CN-000001",
    credit_note_id="0" * 32,
    state="issued",
    currency=SAMPLE.currency,
    customer_id=SAMPLE.customer_id,
    customer=SAMPLE.customer,
    seller=SAMPLE.seller,
    issued_us=SAMPLE.issued_us + 3 * _DAY_US,
    period=SAMPLE.period,
    zone=SAMPLE.zone,
    voided_us=0,
    void_reason="",
    invoice=SAMPLE.number,
    invoice_id=SAMPLE.invoice_id,
    invoice_issued_us=SAMPLE.issued_us,
    reason="slow for a day",
    sections=(
        _section(
            _MONTH,
            "",
            replace(_line(2, "calls", "30.00"), dimensions={"region": "eu"}, billed=Decimal("106.00")),
        ),
        _section(_BEFORE, "INV-000001", replace(_line(4, "calls", "2.00"), billed=Decimal("2.00"))),
    ),
    totals=(
        *(("subtotal", Decimal("32.00")), ("discounts", Decimal("2.00")), ("tax", Decimal("5.70"))),
        ("due", Decimal("35.70")),
    ),
)
