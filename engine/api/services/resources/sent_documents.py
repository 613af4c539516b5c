"""Catalog documents that a request brings, and what they change."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from engine.catalog.documents.changes import Changes
from engine.catalog.documents.document import Document, read_document, read_lines
from engine.catalog.snapshots.snapshot import Catalog
from engine.errors import FieldMistake, InvalidRequestError, StaleError
from meterline.v1.catalog_pb2 import ApplyCatalogRequest

# What 31 bits hold.
_FIRST_LINE_MAX: Final = 2_147_483_647


def document_changes(request: ApplyCatalogRequest, at: datetime) -> Callable[[Catalog], Changes]:
    """What it changes in a catalog at an instant. Raises CatalogDocumentError if the text can't be parsed."""
    document = _document(request)

    def changes(catalog: Catalog) -> Changes:
        if request.HasField("expected_revision") and request.expected_revision != catalog.revision:
            raise StaleError(
                f"the catalog has revision {catalog.revision} now, not {request.expected_revision} as expected: look at "
                "what was changed, and apply again"
            )
        return document.changes(catalog, at)

    return changes


def _document(request: ApplyCatalogRequest) -> Document:
    """Raises CatalogDocumentError if the text can't be parsed."""
    first_line = request.first_line or 1
    if first_line > _FIRST_LINE_MAX:
        raise InvalidRequestError(
            FieldMistake("first_line", f"is {first_line}: it is at most {_FIRST_LINE_MAX}")
        )
    if request.WhichOneof("text") == "lines":
        return read_lines(request.lines, request.file_name, first_line)
    return read_document(request.document, request.file_name, first_line)
