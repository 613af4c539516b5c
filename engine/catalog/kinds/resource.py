"""What every kind of resource has: a section of the document, an id, a bound, references to others.

    class Coupon(Resource, section="coupons", count_max=1_000):
        plan: Annotated[str, Reference("plan")]
        percent_off: Annotated[Decimal, DecimalNumber(at_most=100)]

A class of resources is all that a new kind needs, beside its place in `engine.catalog.kinds`: applying, comparing,
storing and listing loop over the kinds, and so does the JSON Schema of a document.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Self

from engine.catalog import limits
from engine.time_zones import time_zone
from fields import (
    FieldKind,
    FieldsError,
    Problem,
    Record,
    Schema,
    Text,
    declaration,
    problems_at,
    shape,
    unknown_field,
)

ID: Final = Text(limits.ID_BYTES_MAX, allowed="A-Z a-z 0-9 _ . : @ -")
Id = Annotated[str, ID]
NAME: Final = Text(limits.NAME_BYTES_MAX)
Name = Annotated[str, NAME]


@dataclass(frozen=True)
class TimeZone(Text):
    """An IANA name, such as Europe/Berlin."""

    bytes_max: int = 64

    def read(self, given: object) -> str:
        return time_zone(super().read(given)).key


@dataclass(frozen=True)
class Reference(Text):
    """The id of a resource of another kind, which must be in the document or in the catalog."""

    bytes_max: int = limits.ID_BYTES_MAX
    allowed: str = ID.allowed
    to: str = ""


@dataclass(frozen=True, kw_only=True)
class Resource(Record):
    """A value that is valid once it is constructed.

    kind: what one is called. section: where they stand in a document. count_max: in one catalog.
    id_of: the fields that an id is made from, with colons between them, where none is given.
    """

    kind: ClassVar[str]
    section: ClassVar[str]
    count_max: ClassVar[int]
    id_of: ClassVar[tuple[str, ...]]

    id: Id

    def __init_subclass__(
        cls,
        section: str,
        count_max: int,
        id_of: tuple[str, ...] = (),
        **more: Any,  # noqa: ANN401 - as in Record
    ) -> None:
        super().__init_subclass__(**more)
        cls.kind, cls.section, cls.count_max, cls.id_of = cls.called, section, count_max, id_of

    @classmethod
    def read(cls, given: object) -> Self:
        if not cls.id_of or not isinstance(given, Mapping) or given.get("id") is not None:
            return super().read(given)
        try:
            return super().read({**given, "id": cls.id_in(given)})
        except FieldsError as error:
            # An id that is made up isn't blamed, unless it alone is at fault.
            others = [each for each in error.problems if each.path != ("id",)]
            raise FieldsError(others or error.problems) from None

    @classmethod
    def id_in(cls, fields: Mapping[str, object]) -> str | None:
        """The id that the fields give, or that is made from others; None if they don't give those as text."""
        given = fields.get("id")
        if given is None and cls.id_of:
            parts = [part for name in cls.id_of if isinstance(part := fields.get(name), str)]
            given = ":".join(parts) if len(parts) == len(cls.id_of) else None
        return given if isinstance(given, str) else None

    @classmethod
    def schema(cls, definitions: Schema) -> Schema:
        found = super().schema(definitions)
        return found | {"required": [name for name in found["required"] if name != "id" or not cls.id_of]}


class OwnFields(FieldKind):
    """Some fields of a record, as they are written: they stand in place of what another one says."""

    python = Mapping

    def __init__(
        self, record: type[Record], example: str, *, without: Collection[str], nullable: bool = False
    ) -> None:
        """`without`: the fields that can't be given; `nullable`: null takes a field away."""
        self._called = record.called
        self._example = example
        self._nullable = nullable
        self._names = {name: kind for name, kind in declaration(record).names.items() if name not in without}

    def read(self, given: object) -> Mapping[str, Any]:
        if not isinstance(given, Mapping) or not given:
            raise ValueError(
                f"must be a mapping of a {self._called}'s fields, such as {self._example}, is {shape(given)}"
            )
        found: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, value in sorted(given.items()):
            kind = self._names.get(name)
            if kind is None:
                problems.append(Problem((name,), unknown_field(name, self._called, self._names)))
                continue
            try:
                is_taken = self._nullable and value is None
                found[name] = None if is_taken else kind.written(kind.read(value))
            except ValueError as error:
                problems += problems_at(name, error)
        if problems:
            raise FieldsError(problems)
        return MappingProxyType(found)

    def written(self, value: Mapping[str, Any]) -> dict[str, Any]:
        return dict(value)

    def schema(self, definitions: Schema) -> Schema:
        properties = {name: kind.schema(definitions) for name, kind in self._names.items()}
        if self._nullable:
            properties = {name: {"anyOf": [each, {"type": "null"}]} for name, each in properties.items()}
        return {"type": "object", "properties": properties, "additionalProperties": False, "minProperties": 1}
