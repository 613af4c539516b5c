"""What a document changes in a catalog: the resources that are new, or differ from their newest version, by field.

    differences({"prices": [{"id": "a", "model": "flat"}]}, {"prices": [{"id": "a", "model": "volume"}]})
    -> (FieldChange("prices.a.model", '"flat"', '"volume"'),)

Mappings are compared by field; lists of entries with ids by id (a new order of the same entries is a change
of the list itself, shown as the ids); other lists of mappings by index; lists of scalars as a whole. There is
no difference if and only if the definitions are equal.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import pyarrow as pa

from engine.catalog.documents.excerpt import Excerpt
from engine.catalog.kinds import definition, json_text
from engine.catalog.kinds.resource import Resource
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import VERSION_ROWS, Versions
from fields import Json

Action: TypeAlias = Literal["create", "update"]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """`before` and `after` are JSON, empty for a field that is not there."""

    path: str
    before: str
    after: str


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


class _Absent:
    """No field, as opposed to one that is null."""


_ABSENT: Final = _Absent()
_Value: TypeAlias = "Json | _Absent"


def differences(before: Json, after: Json) -> tuple[FieldChange, ...]:
    return tuple(_compare("", before, after))


def _compare(path: str, before: _Value, after: _Value) -> Iterator[FieldChange]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _compare_fields(path, before, after)
    elif (entries := _both(_by_id, before, after)) is not None:
        yield from _compare_fields(path, *entries)
        ids_before, ids_after = (list(each) for each in entries)
        if [each for each in ids_before if each in ids_after] != [
            each for each in ids_after if each in ids_before
        ]:
            yield FieldChange(path, json_text([*ids_before]), json_text([*ids_after]))
    elif (mappings := _both(_by_index, before, after)) is not None:
        yield from _compare_fields(path, *mappings)
    elif _text(before) != _text(after):
        yield FieldChange(path, _text(before), _text(after))


def _compare_fields(path: str, before: dict[str, Json], after: dict[str, Json]) -> Iterator[FieldChange]:
    """Fields in the order of `after`, then those that are gone."""
    for name in (*after, *(name for name in before if name not in after)):
        inner = f"{path}.{name}" if path else name
        yield from _compare(inner, before.get(name, _ABSENT), after.get(name, _ABSENT))


def _both(
    keyed: Callable[[list[Json]], dict[str, Json] | None], before: _Value, after: _Value
) -> tuple[dict[str, Json], dict[str, Json]] | None:
    """Two lists as mappings, if both of them can be."""
    if not isinstance(before, list) or not isinstance(after, list):
        return None
    first, second = keyed(before), keyed(after)
    return None if first is None or second is None else (first, second)


def _by_id(items: list[Json]) -> dict[str, Json] | None:
    entries: dict[str, Json] = {
        str(item["id"]): item for item in items if isinstance(item, dict) and "id" in item
    }
    return entries if len(entries) == len(items) else None


def _by_index(items: list[Json]) -> dict[str, Json] | None:
    mappings: dict[str, Json] = {
        str(index): item for index, item in enumerate(items) if isinstance(item, dict)
    }
    return mappings if len(mappings) == len(items) else None


def _text(value: _Value) -> str:
    return "" if isinstance(value, _Absent) else json_text(value)
