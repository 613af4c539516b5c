"""What a document changes in a catalog: the resources that are new, or differ from their newest version."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import pyarrow as pa

from engine.catalog.diff import FieldChange, differences
from engine.catalog.excerpt import Excerpt
from engine.catalog.kinds import definition
from engine.catalog.resource import Resource
from engine.catalog.snapshot import Catalog
from engine.catalog.versions import VERSION_ROWS, Versions

Action: TypeAlias = Literal["create", "update"]


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """One resource of a document that is new or differs; `version` is the version that the change makes."""

    kind: str
    id: str
    version: int
    fields: tuple[FieldChange, ...]
    definition: str

    @property
    def action(self) -> Action:
        return "create" if self.version == 1 else "update"


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did, or a dry run would do. `revision`: after it; as it was if nothing differs, or for a dry run."""

    revision: int
    changes: tuple[ResourceChange, ...]
    unchanged_count: int


@dataclass(frozen=True, slots=True)
class Changes:
    """In the document's order."""

    changes: tuple[ResourceChange, ...]
    unchanged_count: int

    def at(self, revision: int) -> Applied:
        return Applied(revision, self.changes, self.unchanged_count)

    def rows(self, revision: int) -> list[dict[str, object]]:
        """What the revision that makes these changes has of VERSION_ROWS."""
        return [
            {
                "kind": change.kind,
                "id": change.id,
                "version": change.version,
                "revision": revision,
                "position": position,
                "definition": change.definition,
            }
            for position, change in enumerate(self.changes)
        ]

    def applied_to(self, catalog: Catalog) -> Catalog:
        """The catalog as its next revision would be."""
        revision = catalog.revision + 1
        rows = pa.Table.from_pylist(self.rows(revision), schema=VERSION_ROWS)
        return catalog.advanced(revision, Versions.read(rows)) if self.changes else catalog


def changes(resources: Iterable[Resource], excerpt: Excerpt) -> Changes:
    """Two resources are equal if and only if their definitions are."""
    found: list[ResourceChange] = []
    unchanged_count = 0
    for resource in resources:
        text = definition(resource)
        before = excerpt.before.get((resource.kind, resource.id))
        if before is None:
            # Of a new resource every field is new: its definition says them.
            found.append(ResourceChange(resource.kind, resource.id, 1, (), text))
        elif before.definition == text:
            unchanged_count += 1
        else:
            fields = differences(json.loads(before.definition), resource.to_fields())
            found.append(ResourceChange(resource.kind, resource.id, before.version + 1, fields, text))
    return Changes(tuple(found), unchanged_count)
