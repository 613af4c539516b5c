"""Numbers of documents as people know them: INV-000042, CN-000001."""

from typing import Final

INVOICES: Final = "INV"
CREDIT_NOTES: Final = "CN"
_DIGITS: Final = 6


def invoice_number(number: int) -> str:
    """As in INV-000042."""
    return _shown(INVOICES, number)


def credit_note_number(number: int) -> str:
    """As in CN-000001."""
    return _shown(CREDIT_NOTES, number)


def read_invoice_number(text: str) -> int | None:
    """Of `invoice_number`; None for another text."""
    return _read(INVOICES, text)


def read_credit_note_number(text: str) -> int | None:
    """Of `credit_note_number`; None for another text."""
    return _read(CREDIT_NOTES, text)


def _shown(series: str, number: int) -> str:
    return f"{series}-{number:0{_DIGITS}d}"


def _read(series: str, text: str) -> int | None:
    prefix, _, digits = text.partition("-")
    is_number = prefix == series and digits.isascii() and digits.isdigit() and len(digits) <= 18
    return int(digits) if is_number else None
