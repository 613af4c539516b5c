"""Documents made by hand, and what is read back from their PDFs."""

import io
import re
from dataclasses import replace
from decimal import Decimal

from pypdf import PdfReader

from engine.billing.documents.document_parts import DocumentLine
from engine.billing.rendering.sample import SAMPLE


def document_of(count):
    """An invoice of so many lines: line n has n calls at 1.25."""
    lines = tuple(map(_line, range(1, count + 1)))
    total = Decimal(count * (count + 1) // 2) * Decimal("1.25")
    section = replace(SAMPLE.sections[0], lines=lines, amount=total)
    return replace(SAMPLE, sections=(section,), totals=(("subtotal", total), ("due", total)))


def _line(number):
    amount = (number * Decimal("1.25")).quantize(Decimal("0.01"))
    zero = Decimal("0.00")
    amounts = dict.fromkeys(("discount", "credit", "included_tax", "tax"), zero)
    return DocumentLine(
        line_number=number, kind="charge", line_item_id="", price_id=f"price_{number:03}", product="",
        model="per_unit", dimensions={}, service=SAMPLE.period, quantity=Decimal(number), unit="",
        unit_amount=Decimal("1.25"), parts=(), amounts=amounts | {"amount": amount, "due": amount},
    )  # fmt: skip


def pages_of(pdf):
    """The text of each page, with single blanks."""
    return [re.sub(r"\s+", " ", page.extract_text()) for page in PdfReader(io.BytesIO(pdf)).pages]
