"""Kinds of values that hold several: lists, and mappings whose names the document chooses."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

from fields.kinds import FieldKind, Json, Schema
from fields.problems import BAD, FieldsError, Problem, problems_at, shape


class ListOf(FieldKind):
    """`at_least` to `at_most` values of one kind, a tuple. In a partial, unreadable ones are BAD.

    distinct: no value comes twice. unique: the attribute by which records differ.
    """

    python = tuple

    def __init__(
        self, item: FieldKind, at_least: int, at_most: int, *, distinct: bool = False, unique: str = ""
    ) -> None:
        self.item = item
        self.at_least, self.at_most = at_least, at_most
        self.distinct = distinct
        self.unique = unique

    @cached_property
    def inherits(self) -> bool:  # type: ignore[override]  # as the item does
        return self.item.inherits

    def read(self, given: object) -> tuple[Any, ...]:
        return self._read(given, self.item.read)

    def read_within(self, given: object, around: Mapping[str, Any]) -> tuple[Any, ...]:
        return self._read(given, lambda each: self.item.read_within(each, around))

    def _read(self, given: object, read: Callable[[object], Any]) -> tuple[Any, ...]:
        if not isinstance(given, list | tuple):
            raise ValueError(f"must be a list, is {shape(given)}")  # noqa: TRY004 - of a document, not of a program
        if not self.at_least <= len(given) <= self.at_most:
            raise ValueError(
                f"must have {self.at_least} to {self.at_most} entries, has {len(given)}"
                if self.at_least
                else f"has {len(given)} entries; at most {self.at_most} are allowed"
            )
        found, problems = _each_read(enumerate(given), lambda _, each: read(each))
        values = tuple(found.values())
        if self.unique:
            problems += self._repeated(values)
        if problems:
            raise FieldsError(problems, values)
        if self.distinct and len(set(values)) < len(values):
            twice = next(each for index, each in enumerate(values) if each in values[:index])
            raise ValueError(f"names {twice!r} twice")
        return values

    def _repeated(self, values: tuple[Any, ...]) -> Iterator[Problem]:
        seen: set[object] = set()
        for index, each in enumerate(values):
            key = getattr(each, self.unique, BAD)
            if key is not BAD and key in seen:
                where = f"the {self.unique} of a {each.called} above, too"
                yield Problem((index, self.unique), f"{key!r} is {where}")
            seen.add(key)

    def written(self, value: tuple[Any, ...]) -> Json:
        return [self.item.written(each) for each in value]

    def schema(self, definitions: Schema) -> Schema:
        return {
            "type": "array",
            "items": self.item.schema(definitions),
            "minItems": self.at_least,
            "maxItems": self.at_most,
            "uniqueItems": self.distinct,
        }


class MapOf(FieldKind):
    """Names to values of one kind, at most so many; in the order of their names, and read-only."""

    python: type = Mapping

    def __init__(self, name: FieldKind, value: FieldKind, at_most: int) -> None:
        self.name = name
        self.value = value
        self.at_most = at_most

    def read(self, given: object) -> Any:  # noqa: ANN401 - as `python`
        if not isinstance(given, Mapping):
            raise ValueError(f"must be a mapping, is {shape(given)}")  # noqa: TRY004 - as in ListOf
        if len(given) > self.at_most:
            raise ValueError(f"has {len(given)} entries; at most {self.at_most} are allowed")
        found, problems = _each_read(((str(name), each) for name, each in given.items()), self.read_entry)
        values = self.made(found)
        if problems:
            raise FieldsError(problems, values)
        return values

    def read_entry(self, name: str, given: object) -> Any:  # noqa: ANN401 - as `value`
        self.name.read(name)
        return self.value.read(given)

    def made(self, values: dict[str, Any]) -> Any:  # noqa: ANN401 - as `python`
        return MappingProxyType(dict(sorted(values.items())))

    def written(self, value: Any) -> Json:  # noqa: ANN401 - as `python`
        return {name: self.value.written(each) for name, each in dict(value).items()}

    def schema(self, definitions: Schema) -> Schema:
        return {
            "type": "object",
            "propertyNames": self.name.schema(definitions),
            "additionalProperties": self.value.schema(definitions),
            "maxProperties": self.at_most,
        }


class Pairs(MapOf):
    """As MapOf, but pairs of names and values in the order that was given: they can be hashed."""

    python = tuple

    def read(self, given: object) -> Any:  # noqa: ANN401 - as `python`
        if isinstance(given, tuple) and all(isinstance(each, tuple) and len(each) == 2 for each in given):
            given = dict(given)
        return super().read(given)

    def made(self, values: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
        return tuple(values.items())


def _each_read(
    given: Iterable[tuple[Any, object]], read: Callable[[Any, object], Any]
) -> tuple[dict[Any, Any], list[Problem]]:
    """Each value by its place, and all problems; what can't be read is BAD, or what of it could."""
    values: dict[Any, Any] = {}
    problems: list[Problem] = []
    for place, each in given:
        try:
            values[place] = read(place, each)
        except ValueError as error:
            problems += problems_at(place, error)
            values[place] = getattr(error, "partial", BAD)
    return values, problems
