"""Mistakes of a request, gathered and raised together."""

from collections.abc import Iterable, Iterator

from engine.errors import FieldMistake, InvalidRequestError


def text_mistakes(field: str, text: str, bytes_max: int) -> Iterator[FieldMistake]:
    """What is wrong with a text that must say something, in at most so many bytes."""
    length = len(text.encode())
    if not length:
        yield FieldMistake(field, "is empty")
    elif length > bytes_max:
        yield FieldMistake(field, f"has {length} bytes; at most {bytes_max}")


def stored_text_mistakes(
    field: str, text: str, bytes_max: int, *, may_be_empty: bool = False
) -> Iterator[FieldMistake]:
    """As `text_mistakes`, of a text that is stored as it is. PostgreSQL can't hold the character U+0000."""
    if text or not may_be_empty:
        yield from text_mistakes(field, text, bytes_max)
    if "\0" in text:
        yield FieldMistake(field, "holds the character U+0000")


def raise_all(mistakes: Iterable[FieldMistake]) -> None:
    """Raises InvalidRequestError if there is a mistake."""
    found = list(mistakes)
    if found:
        raise InvalidRequestError(*found)
