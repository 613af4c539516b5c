"""What is frozen on an invoice when it is issued, beside its lines: when it is due, and who bought and sold. Pure.

Rules:
1. An invoice is due so many days after its issue as the customer's `payment_terms_days` say; else as the plans of its lines say, the
   longest of them; else 30.
2. Billing details are those of the catalog's revision of the run, whatever the catalog says later.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.billing.closing.invoice import InvoiceKey
from engine.billing.segments import Index
from engine.catalog.kinds import json_text
from engine.catalog.kinds.items.invoice_item import named_item
from engine.catalog.snapshots.snapshot import Catalog
from engine.decimal_texts import combined
from fields import Json

PAYMENT_TERMS_DAYS: Final = 30
DAY_US: Final = 86_400_000_000
# What documents call a field of a customer's or seller's definition.
_OF_CUSTOMER: Final = {
    "name": "name",
    "billing_name": "name",
    "billing_address": "address",
    "billing_email": "email",
    "tax_ids": "tax_ids",
    "purchase_order": "purchase_order",
}
_OF_SELLER: Final = {name: name for name in ("name", "address", "email", "tax_ids")}


def invoice_terms(
    catalog: Catalog, keys: Sequence[InvoiceKey], rows: pa.Table, invoice: Index
) -> list[tuple[int, str]]:
    """Of each invoice its payment terms in days, and its billing details, JSON: {"customer": {...}, "seller": {...}}.

    `rows`: lines (LINE_ROWS); `invoice`: int64, the place in `keys` of the invoice of each.
    """
    stored = catalog.customers.stored({each.customer_id for each in keys})
    fields = {name: json.loads(each.definition) for name, each in stored.items()}
    seller = {} if catalog.seller is None else _named(catalog.seller.to_fields(), _OF_SELLER)
    found: list[tuple[int, str]] = []
    for key, of_plans in zip(keys, _plan_days(catalog, rows, invoice, len(keys)).tolist(), strict=True):
        # A customer that the catalog has no more is known by its id.
        own = fields.get(key.customer_id, {"name": key.customer_id})
        details: dict[str, Json] = {"customer": _named(own, _OF_CUSTOMER), "seller": seller}
        found.append((own.get("payment_terms_days", of_plans), json_text(details)))
    return found


def _named(fields: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {name: fields[own] for own, name in names.items() if own in fields}


def _plan_days(catalog: Catalog, rows: pa.Table, invoice: Index, count: int) -> Index:
    """Rule 1, without what customers say."""
    days = np.full(count, -1, dtype=np.int64)
    known = {
        f"{name} {each.version}": each.resource.payment_terms_days
        for name, plan in catalog.plan_versions.items()
        for each in plan.versions
        if each.resource.payment_terms_days is not None
    }
    if known and len(rows):
        # No id of a plan has a blank.
        versions = rows["plan_version"].cast(pa.string())
        named = combined(pc.binary_join_element_wise(rows["plan_id"], versions, " ")).dictionary_encode()
        of_plan = [
            known.get(each, -1 if _says_nothing(each) else PAYMENT_TERMS_DAYS)
            for each in named.dictionary.to_pylist()
        ]
        np.maximum.at(days, invoice, np.array(of_plan, dtype=np.int64)[named.indices.to_numpy()])
    return np.where(days < 0, PAYMENT_TERMS_DAYS, days)


def _says_nothing(plan_version: str) -> bool:
    """Of what a commitment adds, and of invoice items, which have no terms of payment."""
    return plan_version == " 0" or named_item(plan_version) is not None
