"""The kinds of resources, in the order in which they are listed (what is referred to comes first), and their definitions.

A definition is a resource as JSON in the fields of the document, one text for each value: two resources are equal
if and only if their definitions are, and reading one gives the resource back.
"""

import json
from collections.abc import Mapping
from typing import Final

from engine.catalog.kinds.customer import Customer
from engine.catalog.kinds.meter import Meter
from engine.catalog.kinds.plan import Plan
from engine.catalog.kinds.resource import Resource
from engine.catalog.kinds.subscription import Subscription
from fields import Json, Nested, Schema

KINDS: Final[Mapping[str, type[Resource]]] = {
    each.kind: each for each in (Meter, Plan, Customer, Subscription)
}


def definition(resource: Resource) -> str:
    """The canonical JSON text."""
    return json_text(resource.to_fields())


def read_definition(kind: str, text: str) -> Resource:
    """The resource of a definition. Raises ValueError if this version of Meterline can't read it."""
    if kind not in KINDS:
        raise ValueError(f"it knows no {kind}")
    return KINDS[kind].read(json.loads(text))


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
