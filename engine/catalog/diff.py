"""What differs between two definitions: fields by path, as JSON before and after.

    differences({"prices": [{"id": "a", "model": "flat"}]}, {"prices": [{"id": "a", "model": "volume"}]})
    -> (FieldChange("prices.a.model", '"flat"', '"volume"'),)

Mappings are compared by field; lists of entries with ids by id (a new order of the same entries is a change
of the list itself, shown as the ids); other lists of mappings by index; lists of scalars as a whole. There is
no difference if and only if the definitions are equal.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from engine.catalog.kinds import json_text
from fields import Json


@dataclass(frozen=True, slots=True)
class FieldChange:
    """`before` and `after` are JSON, empty for a field that is not there."""

    path: str
    before: str
    after: str


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
