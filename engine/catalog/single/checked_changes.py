"""Resources of one kind that a request makes anew, with the checks of a document of them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from engine.catalog.documents.changes import Changes
from engine.catalog.documents.document import read_lines
from engine.catalog.kinds import json_text
from engine.catalog.snapshots.snapshot import Catalog
from engine.errors import CatalogDocumentError, FieldMistake, InvalidRequestError

_FILE: Final = "request"


def checked_changes(
    kind: str,
    resources: Iterable[Mapping[str, Any]],
    at: datetime,
    catalog: Catalog,
    field: Callable[[str], str] = str,
) -> Changes:
    """What these resources, given by their fields, change in the catalog. `field`: the name under which the caller knows the
    place of a mistake, "customers.acme.name".

    Raises:
        InvalidRequestError: with every mistake.
    """
    lines = [json_text({"kind": kind, "definition": dict(each)}) for each in resources]
    if not lines:
        return Changes((), 0)
    try:
        return read_lines("\n".join(lines), _FILE).changes(catalog, at)
    except CatalogDocumentError as error:
        # "request:1: customers.acme.name": the caller sent no document.
        mistakes = (
            FieldMistake(field(each.field.partition(": ")[2]), each.message) for each in error.mistakes
        )
        raise InvalidRequestError(*mistakes) from None
