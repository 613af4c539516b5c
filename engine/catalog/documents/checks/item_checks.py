"""What an invoice item must hold against the catalog as it is.

An item stays its customer's, also once it is deleted: under another customer its id would carry over what was billed of it.
"""

import json
from collections.abc import Iterable

from engine.catalog.documents.entries import Entry
from engine.catalog.documents.excerpt import Excerpt
from engine.catalog.documents.mistakes import Mistakes
from engine.catalog.kinds.items.invoice_item import InvoiceItem


def check_items(entries: Iterable[Entry], excerpt: Excerpt, mistakes: Mistakes) -> None:
    """Of the document's."""
    for entry in entries:
        item = entry.resource
        if not isinstance(item, InvoiceItem):
            continue
        key = (item.kind, item.id)
        known = excerpt.before.get(key) or excerpt.ended.get(key)
        before = item.customer if known is None else json.loads(known.definition)["customer"]
        if before != item.customer:
            mistakes.add(
                (*entry.path, "customer"),
                f"can't change from {before!r} to {item.customer!r}: delete this item and add one with another id",
            )
