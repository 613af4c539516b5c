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


def raise_all(mistakes: Iterable[FieldMistake]) -> None:
    """Raises InvalidRequestError if there is a mistake."""
    found = list(mistakes)
    if found:
        raise InvalidRequestError(*found)
