"""A document in a language: the texts that a template lays out. Pure; docs/documents.md lists them.

Every value is text (or a list or a mapping of texts): a template computes nothing.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from engine.billing.documents.document import CreditNoteDocument, Document, InvoiceDocument
from engine.billing.documents.document_parts import DocumentLine, PricedPart, Section
from engine.billing.documents.languages import Language
from engine.billing.documents.local_format import LocalFormat
from engine.billing.documents.shown_usage import shown_usage
from engine.billing.documents.usage_behind import UsageBehind
from engine.catalog.kinds.items.invoice_item import named_item

Shown = dict[str, Any]
_TAKEN_OFF: Final = frozenset({"discounts", "credits", "included_tax", "paid", "credited", "written_off"})
_STRONG: Final = frozenset({"due", "outstanding"})
# City, region, postal code, in this order.
_CITY_FIRST: Final = frozenset({"US", "CA", "AU"})


def shown_document(document: Document, said: Language, local: LocalFormat) -> Shown:
    """What every template gets."""
    return {
        "language": local.language_tag,
        "paper": local.paper,
        "texts": said.texts,
        "document": document.kind,
        "title": said.text(f"{'void_' if document.voided_us else ''}{_own(document, 'title')}"),
        "to": said.text(_own(document, "to")),
        "number": document.number,
        "state": said.text(f"state_{document.state}"),
        "currency": document.currency,
        "seller": _party(document.seller, said, local),
        "customer": _party({"name": document.customer_id, **document.customer}, said, local),
        "facts": [{"name": said.text(name), "text": text} for name, text in _facts(document, local)],
        "has_quantities": isinstance(document, InvoiceDocument),
        "sections": [_section(each, document, said, local) for each in document.sections],
        "totals": [
            {
                "name": said.text(_own(document, "total_due") if name == "due" else f"total_{name}"),
                "text": _total(name, amount, document.currency, local),
                "is_strong": name in _STRONG,
            }
            for name, amount in document.totals
        ],
        "notes": _notes(document, said, local),
        "usage": [shown_usage(each, said, local) for each in _usage(document)],
    }


def _usage(document: Document) -> Sequence[UsageBehind]:
    return (document.usage or ()) if isinstance(document, InvoiceDocument) else ()


def _own(document: Document, name: str) -> str:
    """What a credit note calls what an invoice calls otherwise."""
    return f"credit_note_{name}" if isinstance(document, CreditNoteDocument) else name


def _facts(document: Document, local: LocalFormat) -> list[tuple[str, str]]:
    found = [
        (_own(document, "number"), document.number),
        (_own(document, "issued"), local.day(document.issued_us)),
    ]
    if isinstance(document, InvoiceDocument):
        found.append(("due_date", local.day(document.due_us)))
    else:
        found += [("number", document.invoice), ("invoice_issued", local.day(document.invoice_issued_us))]
    if document.period is not None:
        found.append(("period", local.period(document.period, document.zone)))
    if isinstance(document, InvoiceDocument) and document.usage_until_us:
        found.append(("usage_until", local.instant(document.usage_until_us, document.zone)))
    found.append(("customer_id", document.customer_id))
    if order := document.customer.get("purchase_order"):
        found.append(("purchase_order", order))
    return found


def _party(party: Mapping[str, Any], said: Language, local: LocalFormat) -> Shown:
    tax_ids = [
        f"{said.text('tax_id_' + each['type'])} {each['value']}" for each in party.get("tax_ids") or ()
    ]
    return {
        "name": party.get("name") or "",
        "lines": _address(party.get("address") or {}, local),
        "email": party.get("email") or "",
        "tax_ids": tax_ids,
    }


def _address(address: Mapping[str, Any], local: LocalFormat) -> list[str]:
    city, region, code = (address.get(name) or "" for name in ("city", "region", "postal_code"))
    country = address.get("country") or ""
    if country in _CITY_FIRST:
        place = [", ".join(filter(None, (city, " ".join(filter(None, (region, code))))))]
    else:
        place = [" ".join(filter(None, (code, city))), region]
    return [*filter(None, (*(address.get("lines") or ()), *place, local.country(country) if country else ""))]


def _section(section: Section, document: Document, said: Language, local: LocalFormat) -> Shown:
    period = local.period(section.period, section.zone)
    if section.is_correction:
        name = "corrects" if section.corrects else "corrects_void"
        period = said.text(name, number=section.corrects, period=period)
    plan = said.label(section.plan_id, section.plan_name)
    return {
        "name": plan or section.subscription_id,
        "subscription": section.subscription_id,
        "period": period,
        "is_correction": "yes" if section.is_correction else "",
        "lines": [_line(each, section, said, local) for each in section.lines],
        "sum": local.money(section.amount) if len(document.sections) > 1 else "",
    }


def _line(line: DocumentLine, section: Section, said: Language, local: LocalFormat) -> Shown:
    details = [_part(each, said, local) for each in line.parts]
    if line.billed is not None:
        details.append(said.text("line_of", line=str(line.line_number), amount=local.money(line.billed)))
    if line.service != section.period:
        details.append(local.period(line.service, section.zone))
    details += [
        f"{said.text(f'line_{name}')} {local.money(-line.amounts[name])}"
        for name in ("discount", "credit")
        if line.amounts[name]
    ]
    if line.billed is not None and line.amounts["tax"]:
        details.append(f"{said.text('line_tax')} {local.money(line.amounts['tax'])}")
    quantity = "" if line.quantity is None else local.number(line.quantity)
    return {
        "line_number": str(line.line_number),
        "name": _line_name(line, section, said),
        "dimensions": ", ".join(
            f"{said.label(name)}: {said.label(value)}" for name, value in line.dimensions.items()
        ),
        "details": details,
        "quantity": quantity,
        "unit": said.label(line.unit) if quantity and line.unit else "",
        "unit_price": "" if line.unit_amount is None else local.money(line.unit_amount),
        "amount": local.money(line.amounts["amount"]),
        "tax": local.money(line.amounts["tax"]),
        "due": local.money(line.amounts["due"]),
    }


def _line_name(line: DocumentLine, section: Section, said: Language) -> str:
    if named_item(section.plan_id) is not None:
        return section.plan_name
    if not line.price_id:
        return said.text(f"line_{line.kind}")
    return said.label(line.price_id, line.product) if line.product else said.label(line.price_id)


def _part(part: PricedPart, said: Language, local: LocalFormat) -> str:
    """As "0 to 1,000: 1,000 × 0.10 = 100.00"."""
    formula = f"{local.number(part.quantity)} × {local.money(part.unit_amount)}"
    if part.flat_amount:
        formula += f" + {local.money(part.flat_amount)}"
    formula += f" = {local.money(part.amount)}"
    if part.from_quantity is None:
        return formula
    start = local.number(part.from_quantity)
    if part.up_to is None:
        return f"{said.text('tier_above', start=start)}: {formula}"
    return f"{said.text('tier_to', start=start, end=local.number(part.up_to))}: {formula}"


def _total(name: str, amount: Decimal, currency: str, local: LocalFormat) -> str:
    shown = -amount if name in _TAKEN_OFF else amount
    return local.priced(shown, currency) if name in _STRONG else local.money(shown)


def _notes(document: Document, said: Language, local: LocalFormat) -> Sequence[str]:
    if document.voided_us:
        return [said.text(_own(document, "void_note"), date=local.day(document.voided_us))]
    if isinstance(document, CreditNoteDocument):
        return [
            said.text("credit_note_reason", reason=document.reason),
            said.text("credit_note_note", number=document.invoice),
        ]
    if dict(document.totals)["due"] < 0:
        return [said.text("negative_note")]
    return [said.text("terms_note", date=local.day(document.due_us), number=document.number)]
