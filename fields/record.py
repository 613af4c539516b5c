"""Records: frozen dataclasses whose fields say by a kind how they are read, checked, written and described.

1. A field is declared once: `name: Annotated[type, Kind()]`, `= default` if it may be left out. A field given as
   null counts as left out. A field whose type is a record, an enumeration or a bool needs no kind.
2. A rule between fields names those that it looks at, and is asked once they could be read. One that copes with
   BAD where a part was unreadable is asked of the other parts all the same.
3. `read` takes untrusted fields. The constructor takes values of the declared types, and refuses what `read` refuses:
   there is no invalid record. Both check once, and keep the first problem of each place.
4. `to_fields` writes canonical fields: equal records have equal fields, and `read` gives the record back.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass
from dataclasses import fields as dataclass_fields
from enum import StrEnum
from functools import cached_property
from types import UnionType
from typing import Annotated, Any, ClassVar, Final, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from fields.kinds import Choice, FieldKind, Flag, Schema
from fields.problems import (
    BAD,
    NAMES_SHOWN_MAX,
    FieldsError,
    Path,
    Problem,
    problems_at,
    shape,
    shown,
    unknown_field,
)

R = TypeVar("R", bound="Record")

EVERYTHING: Final = ("*",)
_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True)
class Named:
    """Another name in documents than in Python: `refused: Annotated[..., Named("not")]`."""

    name: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A method that finds what is wrong between fields."""

    whole: tuple[str, ...]
    partly: tuple[str, ...]
    find: Callable[[Any], Iterable[Problem]]

    def can_be_asked(self, values: Mapping[str, Any], broken: set[Path]) -> bool:
        """Whether what it looks at could be read, as far as it needs it."""
        if self.whole == EVERYTHING:
            return not broken
        for name in self.whole:
            if values[name] is BAD or (broken and (name,) in broken):
                return False
        return all(values[name] is not BAD for name in self.partly)


def rule(*whole: str, partly: tuple[str, ...] = ()) -> Callable[[Callable[[Any], Iterable[Problem]]], Rule]:
    """Makes a rule of a method.

    It is asked if the fields `whole` (by their Python names, or EVERYTHING) have no mistake and `partly` aren't BAD.
    """
    return lambda find: Rule(whole, partly, find)


class Record:
    """The base of records. `called` is what documents' authors call one; by default its class's name in words."""

    called: ClassVar[str]

    def __init_subclass__(cls, called: str = "", **more: Any) -> None:  # noqa: ANN401 - whatever others take
        super().__init_subclass__(**more)
        cls.called = called or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", cls.__name__).lower()

    def __post_init__(self) -> None:
        problems: list[Problem] = []
        declared = declaration(type(self))
        for field in declared.fields:
            value = getattr(self, field.attribute)
            if value is None and field.default is None:
                continue
            try:
                if not isinstance(value, field.kind.python):
                    raise ValueError(f"must be a {_type_name(field.kind.python)}, is {shown(value)}")  # noqa: TRY301, TRY004 - told with the others
                value = field.kind.read(value)
            except ValueError as error:
                problems += problems_at(field.name, error)
                value = BAD
            object.__setattr__(self, field.attribute, value)
        _settled(declared, self, vars(self), problems)

    @classmethod
    def read(cls, given: object) -> Self:
        """The record of untrusted fields: a document's, or those of `to_fields`.

        Raises:
            FieldsError: with every problem and its place.
        """
        try:
            return _read(cls, given, _NOTHING)
        except FieldsError:
            raise
        except ValueError as error:
            raise FieldsError([Problem((), str(error))]) from None

    def to_fields(self) -> dict[str, Any]:
        """The canonical fields: JSON types, decimals as text; what isn't given, or empty by default, is left out."""
        found: dict[str, Any] = {}
        for field in declaration(type(self)).fields:
            value = getattr(self, field.attribute)
            if isinstance(field.kind, Inline):
                found |= field.kind.written(value)
            elif value is None:
                found |= {field.name: None} if field.kind.writes_none else {}
            elif value or value != field.default:
                found[field.name] = field.kind.written(value)
        return found

    @classmethod
    def schema(cls, definitions: Schema) -> Schema:
        """JSON Schema of the fields; those of other records are added to `definitions`. A class adds its rules."""
        properties: Schema = {}
        required: list[str] = []
        rules: list[Schema] = []
        for field in declaration(cls).fields:
            if isinstance(field.kind, Inline):
                inner = field.kind.record.schema(definitions)
                properties |= {name: inner["properties"][name] for name in field.kind.names}
                required += [name for name in inner["required"] if name in field.kind.names]
                rules += inner.get("allOf", ())
            elif field.default is MISSING:
                properties[field.name] = field.kind.schema(definitions)
                required.append(field.name)
            else:  # null is a field that isn't given
                properties[field.name] = {"anyOf": [field.kind.schema(definitions), {"type": "null"}]}
        found = {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }
        return found | ({"allOf": rules} if rules else {})


def _type_name(python: type | UnionType) -> str:
    return python.__name__ if isinstance(python, type) else str(python)


@dataclass(frozen=True, slots=True)
class RecordField:
    """One field of a record; `default` is MISSING if there is none."""

    name: str
    attribute: str
    kind: FieldKind
    default: Any
    inline: bool
    inherits: bool


@dataclass(frozen=True)
class Declaration:
    """What a class of records declares. `names`: all names that fields have in a document, those of inlines too."""

    called: str
    fields: tuple[RecordField, ...]
    names: Mapping[str, FieldKind]
    rules: tuple[Rule, ...]

    def unknown(self, name: object) -> str:
        """What is wrong with a name that isn't among `names`."""
        for each in self.fields:
            if isinstance(each.kind, Inline) and name == each.kind.inherited:
                return f"is not a field of a {self.called}: it is the {each.kind.owner}'s, remove it here"
        return unknown_field(str(name), self.called, self.names)


_DECLARATIONS: Final[dict[type[Record], Declaration]] = {}


def declaration(record: type[Record]) -> Declaration:
    """What the class declares; worked out once, when the names in its types are all known."""
    if record not in _DECLARATIONS:
        _DECLARATIONS[record] = _declaration(record)
    return _DECLARATIONS[record]


def _declaration(record: type[Record]) -> Declaration:
    hints = get_type_hints(record, include_extras=True)
    fields: list[RecordField] = []
    names: dict[str, FieldKind] = {}
    for each in dataclass_fields(record):  # type: ignore[arg-type]  # records are dataclasses
        kind, name = _declared(hints[each.name])
        if kind is None:
            raise TypeError(f"{record.__name__}.{each.name} has no kind")
        default = each.default_factory() if each.default_factory is not MISSING else each.default
        inline = isinstance(kind, Inline)
        fields.append(
            RecordField(name or each.name, each.name, kind, default, inline, inline or kind.inherits)
        )
        names |= kind.names if isinstance(kind, Inline) else {name or each.name: kind}
    rules = [
        each for base in reversed(record.__mro__) for each in vars(base).values() if isinstance(each, Rule)
    ]
    return Declaration(record.called, tuple(fields), names, tuple(rules))


def _declared(hint: Any) -> tuple[FieldKind | None, str]:  # noqa: ANN401 - any type
    """The kind that a type says, and the name, if it says one."""
    if isinstance(hint, type):
        if issubclass(hint, Record):
            return Nested(hint), ""
        if issubclass(hint, StrEnum):
            return Choice(hint), ""
        return (Flag() if hint is bool else None), ""
    if get_origin(hint) is Annotated:
        inner, *marks = get_args(hint)
        kind, name = next((each for each in marks if isinstance(each, FieldKind)), None), ""
        if kind is None:
            kind, name = _declared(inner)
        return kind, next((each.name for each in marks if isinstance(each, Named)), name)
    if get_origin(hint) in (Union, UnionType):
        found = [_declared(each) for each in get_args(hint)]
        return next((each for each in found if each[0] is not None), (None, ""))
    return None, ""


class Nested(FieldKind):
    """A record inside a record."""

    def __init__(self, record: type[Record]) -> None:
        self.python = record
        self.record = record

    @cached_property
    def inherits(self) -> bool:  # type: ignore[override]  # asked once the record's class is whole
        return any(isinstance(each.kind, Inline) for each in declaration(self.record).fields)

    def read(self, given: object) -> Any:  # noqa: ANN401 - a record of the class
        return _read(self.record, given, _NOTHING)

    def read_within(self, given: object, around: Mapping[str, Any]) -> Any:  # noqa: ANN401 - as `read`
        return _read(self.record, given, around)

    def written(self, value: Record) -> dict[str, Any]:
        return value.to_fields()

    def schema(self, definitions: Schema) -> Schema:
        name = self.record.__name__
        if name not in definitions:
            definitions[name] = {}  # a record may hold itself
            definitions[name] = self.record.schema(definitions)
        return {"$ref": f"#/definitions/{name}"}


class Inline(Nested):
    """A record whose fields lie flat among those of the record that has it, but one: that is `owner`'s.

    The owner is the record around both, and has a field of the same name.
    """

    def __init__(self, record: type[Record], inherited: str, owner: str) -> None:
        super().__init__(record)
        self.inherited = inherited
        self.owner = owner

    @cached_property
    def names(self) -> Mapping[str, FieldKind]:
        return {name: kind for name, kind in declaration(self.record).names.items() if name != self.inherited}

    def read_within(self, given: object, around: Mapping[str, Any]) -> Any:  # noqa: ANN401 - as in Nested
        if isinstance(given, Mapping):
            own = {name: given[name] for name in self.names if name in given}
            given = own | {name: around[name] for name in (self.inherited,) if name in around}
        return _read(self.record, given, _NOTHING)

    def written(self, value: Record) -> dict[str, Any]:
        found = value.to_fields()
        del found[self.inherited]
        return found


def json_schema(record: type[Record]) -> Schema:
    """What a document with the fields of this record may be, in JSON Schema, draft 7, which editors know best."""
    definitions: Schema = {}
    found = Nested(record).schema(definitions)
    return {"$schema": "http://json-schema.org/draft-07/schema#", **found, "definitions": definitions}


def _read(record: type[R], given: object, around: Mapping[str, Any]) -> R:
    """`around`: what was read so far of the record that this one is part of."""
    if isinstance(given, record):
        return given
    declared = declaration(record)
    if not isinstance(given, Mapping):
        names = (
            ", ".join(declared.names) if len(declared.names) <= NAMES_SHOWN_MAX else f"of a {record.called}"
        )
        raise ValueError(f"must be a mapping with the fields {names}, is {shape(given)}")  # noqa: TRY004 - as in Text
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for field in declared.fields:
        raw = given if field.inline else given.get(field.name)
        if raw is None:
            values[field.attribute] = BAD if field.default is MISSING else field.default
            problems += [Problem((field.name,), field.kind.missing)] if field.default is MISSING else []
            continue
        try:
            if field.inherits:
                value = field.kind.read_within(raw, around if field.inline else values)
            else:
                value = raw if raw is BAD else field.kind.read(raw)
        except ValueError as error:
            found = problems_at(field.name, error)
            problems += [Problem(each.path[1:], each.message) for each in found] if field.inline else found
            value = getattr(error, "partial", BAD)
        values[field.attribute] = value
    problems += [
        Problem((str(name),), declared.unknown(name)) for name in given if name not in declared.names
    ]
    made = object.__new__(record)
    for attribute, value in values.items():
        # One by one: a record whose dictionary nobody asks for has none, and a catalog holds a million.
        object.__setattr__(made, attribute, value)
    return _settled(declared, made, values, problems)


def _settled(declared: Declaration, made: R, values: Mapping[str, Any], problems: list[Problem]) -> R:
    """The record, once its rules find nothing wrong either. Raises FieldsError with the first problem of each place."""
    broken = {each.path[:1] for each in problems}
    for each in declared.rules:
        if each.can_be_asked(values, broken):
            problems.extend(each.find(made))
    if problems:
        first = {each.path: each for each in reversed(problems)}
        raise FieldsError([each for each in problems if first[each.path] is each], made)
    return made
