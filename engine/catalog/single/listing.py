"""The resources of one kind that a listing asks for: by the beginning of their ids, and by texts in their fields."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from engine.catalog.kinds import definition, json_text
from engine.catalog.single.single_changes import kind_of
from engine.catalog.snapshots.ended_resources import EndedResource
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.stored_resources import StoredVersion
from engine.errors import FieldMistake, InvalidRequestError
from fields import Json, declaration, did_you_mean


@dataclass(frozen=True, slots=True)
class ResourceChoice:
    """Which resources: `fields` has texts by path, "plan" or "metadata.team"; of a list, one of its texts."""

    kind: str
    id_prefix: str
    fields: Mapping[str, str]

    def __post_init__(self) -> None:
        """Raises InvalidRequestError for a kind or a field that there is not."""
        names = declaration(kind_of(self.kind)).names
        for path in self.fields:
            name = path.partition(".")[0]
            if name not in names:
                message = f"{name[:64]!r} is no field of a {self.kind}{did_you_mean(name, names)}"
                raise InvalidRequestError(FieldMistake("fields", message))

    def takes(self, each: StoredVersion | EndedResource) -> bool:
        if not each.id.startswith(self.id_prefix):
            return False
        if not self.fields:
            return True
        given = json.loads(each.definition)
        return all(_holds(given, path, text) for path, text in self.fields.items())


def chosen(
    choice: ResourceChoice, catalog: Catalog, first: int, *, archived: bool
) -> Iterator[tuple[int, StoredVersion | EndedResource]]:
    """Each with the place to go on from behind it: in the order of their creation from a place in it, and behind them the
    archived ones, if they are wanted.
    """
    count = len(catalog.of_kind(choice.kind))
    for place, each in _active(choice, catalog, first):
        if choice.takes(each):
            yield place + 1, each
    if archived:
        begin = max(first, count)
        for place, ended in enumerate(catalog.ended.archived(choice.kind, begin - count), start=begin):
            if choice.takes(ended):
                yield place + 1, ended


def _active(choice: ResourceChoice, catalog: Catalog, first: int) -> Iterator[tuple[int, StoredVersion]]:
    """Those that the choice may take, each with its place."""
    for columns in (catalog.customers, catalog.subscriptions):
        if columns.kind == choice.kind:
            # As they stand in a definition, whatever is around them.
            texts = [json_text(text)[1:-1] for text in choice.fields.values()]
            yield from columns.chosen(first, choice.id_prefix, texts)
            return
    of_kind = catalog.of_kind(choice.kind)
    for place, (key, each) in enumerate(islice(of_kind.items(), first, None), start=first):
        yield place, StoredVersion(choice.kind, key, each.version, definition(each.resource))


def _holds(fields: Mapping[str, Json], path: str, text: str) -> bool:
    name, _, inner = path.partition(".")
    value = fields.get(name)
    if inner:
        value = value.get(inner) if isinstance(value, dict) else None
    return any(
        (each if isinstance(each, str) else json_text(each)) == text
        for each in (value if isinstance(value, list) else [value])
        if each is not None
    )
