"""The kinds of resources, in the order in which they are listed (what is referred to comes first), and their definitions.

A definition is a resource as JSON in the fields of the document, one text for each value: two resources are equal
if and only if their definitions are, and reading one gives the resource back.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Final

from engine.catalog.kinds.alert import Alert
from engine.catalog.kinds.billing_details import Seller
from engine.catalog.kinds.coupon import Coupon
from engine.catalog.kinds.credit_grant import CustomerCredit, TopUpRule
from engine.catalog.kinds.currencies.exchange_rate import ExchangeRate
from engine.catalog.kinds.customer import Customer
from engine.catalog.kinds.items.invoice_item import InvoiceItem
from engine.catalog.kinds.meter import Meter
from engine.catalog.kinds.plan import Plan
from engine.catalog.kinds.resource import Reference, Resource
from engine.catalog.kinds.revenue_split import RevenueSplit
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.kinds.tax_region import TaxRegion
from fields import Json, Nested, Schema, declaration

KINDS: Final[Mapping[str, type[Resource]]] = {
    each.kind: each
    for each in (
        Meter,
        Plan,
        Coupon,
        TaxRegion,
        Seller,
        RevenueSplit,
        ExchangeRate,
        Customer,
        Subscription,
        CustomerCredit,
        TopUpRule,
        InvoiceItem,
        Alert,
    )
}


def definition(resource: Resource) -> str:
    """The canonical JSON text."""
    return json_text(resource.to_fields())


def read_definition(kind: str, text: str) -> Resource:
    """The resource of a definition. Raises ValueError if this version of Meterline can't read it."""
    if kind not in KINDS:
        raise ValueError(f"it knows no {kind}")
    return KINDS[kind].read(json.loads(text))


@cache
def owner_field(kind: str) -> str | None:
    """The field of a kind of resources that names the customer whose they are; None for one that is nobody's."""
    names = declaration(KINDS[kind]).names
    return next(
        (
            name
            for name, each in names.items()
            if kind != Customer.kind and isinstance(each, Reference) and each.to == Customer.kind
        ),
        None,
    )


def customer_of(kind: str, fields: Mapping[str, object]) -> str | None:
    """The customer whom a resource with these fields is, or whose it is; None for one that is nobody's."""
    name = "id" if kind == Customer.kind else owner_field(kind)
    found = None if name is None else fields.get(name)
    return None if found is None else str(found)


def json_text(value: Json) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def catalog_schema() -> Schema:
    """What a catalog document may be, in JSON Schema, draft 7, which editors know best.

    It says what JSON Schema can say: what refers to what, and sums over the catalog, an apply checks.
    """
    definitions: Schema = {}
    sections = {
        each.section: {"type": ["array", "null"], "items": Nested(each).schema(definitions)}
        for each in KINDS.values()
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A Meterline catalog",
        "type": "object",
        "properties": sections,
        "additionalProperties": False,
        "definitions": definitions,
    }
