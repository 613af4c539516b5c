"""A record is declared once, and read, checked and written by that: every mistake at once, each with its place."""

from collections.abc import Iterator, Mapping
from dataclasses import FrozenInstanceError, dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fields import (
    Count,
    DecimalNumber,
    FieldsError,
    Inline,
    Instant,
    ListOf,
    MapOf,
    Named,
    Nested,
    Pairs,
    Problem,
    Record,
    Text,
    rule,
)


class Color(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Wheel(Record):
    size: Annotated[Decimal, DecimalNumber(positive=True, at_most=100)]
    spokes: Annotated[int | None, Count(64)] = None


@dataclass(frozen=True, kw_only=True)
class Engine(Record):
    fuel: Annotated[str, Text()]
    power: Annotated[Decimal | None, DecimalNumber()] = None
    maker: Annotated[str, Text()]


@dataclass(frozen=True, kw_only=True)
class Part(Record, called="spare part"):
    id: Annotated[str, Text()]
    engine: Annotated[Engine, Inline(Engine, "maker", owner="car")]


@dataclass(frozen=True, kw_only=True)
class Car(Record):
    id: Annotated[str, Text(allowed="a-z 0-9")]
    maker: Annotated[str, Text()]
    wheels: Annotated[tuple[Wheel, ...], ListOf(Nested(Wheel), 1, 4)]
    color: Color = Color.RED
    is_old: bool = False
    built: Annotated[datetime | None, Instant()] = None
    except_in: Annotated[tuple[str, ...], ListOf(Text(), 0, 3, distinct=True), Named("not")] = ()
    notes: Annotated[Mapping[str, str], MapOf(Text(), Text(free=True, bytes_max=8), 2)] = field(
        default_factory=lambda: MappingProxyType({})
    )
    marks: Annotated[tuple[tuple[str, int], ...], Pairs(Text(), Count(), 2)] = ()
    spare: Annotated[tuple[Part, ...], ListOf(Nested(Part), 0, 3, unique="id")] = ()

    @rule("color", "is_old")
    def _old_ones_are_blue(self) -> Iterator[Problem]:
        if self.is_old and self.color is not Color.BLUE:
            yield Problem(("color",), f"must be blue of an old car, is {self.color}")

    @rule(partly=("wheels",))
    def _wheels_shrink(self) -> Iterator[Problem]:
        sizes = [getattr(wheel, "size", None) for wheel in self.wheels]
        for index, (before, after) in enumerate(pairwise(sizes), start=1):
            if isinstance(before, Decimal) and isinstance(after, Decimal) and after > before:
                yield Problem(("wheels", index, "size"), f"must be {before} or less, is {after}")


FIELDS = {"id": "c1", "maker": "acme", "wheels": [{"size": "20"}, {"size": "15.50", "spokes": "32"}]}


def problems_of(change):
    with pytest.raises(FieldsError) as caught:
        Car.read({**FIELDS, **change})
    return [str(each) for each in caught.value.problems]


def test_a_record_is_read_from_texts_and_from_json():
    """Text as YAML gives it, or JSON's types; what isn't given has its default."""
    car = Car.read(FIELDS)
    assert car.wheels == (Wheel(size=Decimal(20)), Wheel(size=Decimal("15.5"), spokes=32))
    assert (car.color, car.is_old, car.built, car.except_in, dict(car.notes)) == (
        Color.RED,
        False,
        None,
        (),
        {},
    )
    assert car == Car.read({**FIELDS, "is_old": False, "built": None, "color": Color.RED})


def test_what_is_written_is_canonical_and_is_read_again():
    """Names of documents, JSON types, decimals as text; what isn't given, or empty by default, is left out."""
    fields = {
        **FIELDS,
        "is_old": "true",
        "color": "blue",
        "built": "2026-01-01T01:00:00+01:00",
        "not": ["x", "a"],
        "notes": {"b": "", "a": "1"},
        "marks": {"z": "2", "y": 1},
        "spare": [{"id": "p", "fuel": "gas", "power": "1e2"}],
    }
    car = Car.read(fields)
    assert car.to_fields() == {
        "id": "c1",
        "maker": "acme",
        "wheels": [{"size": "20"}, {"size": "15.5", "spokes": 32}],
        "color": "blue",
        "is_old": True,
        "built": "2026-01-01T00:00:00Z",
        "not": ["x", "a"],
        "notes": {"a": "1", "b": ""},
        "marks": {"z": 2, "y": 1},
        "spare": [{"id": "p", "fuel": "gas", "power": "100"}],
    }
    assert list(car.to_fields()["notes"]) == ["a", "b"]
    assert Car.read(car.to_fields()) == car
    assert car.spare[0].engine.maker == "acme"
    assert Car.read(FIELDS).to_fields() == {
        "id": "c1",
        "maker": "acme",
        "wheels": [{"size": "20"}, {"size": "15.5", "spokes": 32}],
        "color": "red",
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"id": None}, "id: is missing"),
        ({"id": ""}, "id: is empty"),
        ({"id": "A"}, "id: may hold only a-z 0-9, is 'A'"),
        ({"id": "x" * 129}, f"id: is longer than 128 bytes: {'x' * 24!r}..."),
        ({"id": 5}, "id: must be text, is 5"),
        ({"maker": " "}, "maker: is empty"),
        ({"maker": "a\nb"}, "maker: may not hold control characters or line breaks, is 'a\\nb'"),
        ({"maker": "é" * 65}, f"maker: is longer than 128 bytes: {'é' * 24!r}..."),
        ({"wheels": "x"}, "wheels: must be a list, is the text 'x'"),
        ({"wheels": []}, "wheels: must have 1 to 4 entries, has 0"),
        ({"wheels": ["x"]}, "wheels[0]: must be a mapping with the fields size, spokes, is the text 'x'"),
        ({"wheels": [{"size": "0"}]}, "wheels[0].size: must be more than 0, is 0"),
        ({"wheels": [{"size": "101"}]}, "wheels[0].size: must be at most 100, is 101"),
        ({"wheels": [{"size": 1.5}]}, "wheels[0].size: must be written as text, not as a binary float: 1.5"),
        ({"wheels": [{"size": "1_0"}]}, "wheels[0].size: must be a decimal, is '1_0'"),
        ({"wheels": [{"size": True}]}, "wheels[0].size: must be a decimal, is True"),
        ({"wheels": [{"size": "1", "spokes": "1.5"}]}, "wheels[0].spokes: must be a whole number from 0 to 64, is '1.5'"),
        ({"wheels": [{"size": "1", "sise": "1"}]}, "wheels[0].sise: is not a field of a wheel; did you mean 'size'?"),
        ({"wheels": [{"size": "1", "x": "1"}]}, "wheels[0].x: is not a field of a wheel: it has size, spokes"),
        ({"color": "rad"}, "color: must be one of red, blue, is 'rad'; did you mean 'red'?"),
        ({"is_old": "yes"}, "is_old: must be true or false, is 'yes'"),
        ({"built": "2026-02-30"}, "built: is not a time of the calendar: '2026-02-30' (day is out of range for month)"),
        ({"built": "1969-12-31"}, "built: must lie in the years 1970 to 2199, is 1969-12-31"),
        ({"not": ["a", "b", "a"]}, "not: names 'a' twice"),
        ({"not": ["a", "b", "c", "d"]}, "not: has 4 entries; at most 3 are allowed"),
        ({"except_in": []}, "except_in: is not a field of a car: it has id, maker, wheels, color, is_old, built, not, notes, marks, spare"),
        ({"notes": {"a": "123456789"}}, "notes.a: is longer than 8 bytes: '123456789'..."),
        ({"notes": {"a": None}}, "notes.a: must be text, is null"),
        ({"notes": ["a"]}, "notes: must be a mapping, is a list"),
        ({"marks": {"": "1"}}, "marks.: is empty"),
        ({"spare": [{"id": "p", "fuel": "gas", "maker": "x"}]}, "spare[0].maker: is not a field of a spare part: it is the car's, remove it here"),
        ({"spare": [{"id": "p", "fuel": "gas"}, {"id": "p", "fuel": "gas"}]}, "spare[1].id: 'p' is the id of a spare part above, too"),
        ({"is_old": True}, "color: must be blue of an old car, is red"),
    ],
)  # fmt: skip
def test_a_mistake_says_what_is_wrong_and_where(change, expected):
    """One wrong field: one problem."""
    assert problems_of(change) == [expected]


def test_all_mistakes_come_at_once_those_between_fields_too():
    """A rule is asked of what could be read: the wheel after one with another mistake must not be larger."""
    wheels = [{"size": "5", "spokes": "many"}, {"size": "6"}, {"size": "bad"}, {"size": "7"}]
    assert problems_of({"id": None, "wheels": wheels, "is_old": "true", "colour": "red"}) == [
        "id: is missing",
        "wheels[0].spokes: must be a whole number from 0 to 64, is 'many'",
        "wheels[2].size: must be a decimal, is 'bad'",
        "colour: is not a field of a car; did you mean 'color'?",
        "color: must be blue of an old car, is red",
        "wheels[1].size: must be 5 or less, is 6",
    ]


def test_a_rule_is_not_asked_of_what_could_not_be_read():
    """No mistake is told on top of one."""
    assert problems_of({"is_old": True, "color": "grey"}) == ["color: must be one of red, blue, is 'grey'"]


def test_what_a_part_has_from_around_it_is_blamed_once():
    """The car's maker is at fault, its parts are not; their own mistakes are told all the same."""
    spare = [{"id": "p", "fuel": "gas"}, {"id": "q"}]
    assert problems_of({"maker": None, "spare": spare}) == ["maker: is missing", "spare[1].fuel: is missing"]
    with pytest.raises(FieldsError, match=r"^maker: is missing$"):
        Part.read({"id": "p", "fuel": "gas"})


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"id": "A"}, "id"),
        ({"wheels": [Wheel(size=Decimal(1))]}, "wheels"),
        ({"color": "red"}, "color"),
        ({"is_old": 1}, "is_old"),
        ({"built": datetime(2026, 1, 1)}, "built"),  # noqa: DTZ001 - what is refused
        ({"built": "2026-01-01"}, "built"),
        ({"maker": None}, "maker"),
        ({"except_in": None}, "not"),
        ({"is_old": True}, "color"),
    ],
)
def test_no_road_around_the_reader_leads_to_a_broken_record(change, place):
    """The constructor and `replace` refuse what reading refuses, and values of other types."""
    sound = Car.read(FIELDS)
    with pytest.raises(FieldsError) as caught:
        replace(sound, **change)
    assert [each.path for each in caught.value.problems] == [(place,)]
    with pytest.raises(FrozenInstanceError):
        sound.id = "x"


def test_a_constructor_keeps_canonical_values():
    """As the reader does: an instant in UTC, names in order."""
    made = replace(
        Car.read(FIELDS), notes={"b": "1", "a": "2"}, built=datetime.fromisoformat("2026-01-01T01:00+01:00")
    )
    assert list(made.notes) == ["a", "b"]
    assert made.built == datetime(2026, 1, 1, tzinfo=UTC)
    assert made.built.tzinfo is UTC
    with pytest.raises(TypeError):
        made.notes["a"] = "3"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 10**30) | st.floats() | st.binary(max_size=2)
    | st.sampled_from(["", " ", "red", "true", "20", "-1", "1e400", "NaN", "c1", "2026-01-01", "\ud800", "\uff11"])
    | st.decimals(),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from([*FIELDS, "size", "spokes", "fuel", "not", "notes", "spare", "", None, 1]), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from([*FIELDS, "color", "is_old", "built", "not", "notes", "marks", "spare"]), JUNK
    )
)
def test_anything_is_read_or_refused_with_places(junk):
    """What is read is written and read again; what is refused names one problem a place."""
    try:
        car = Car.read({**FIELDS, **junk})
    except FieldsError as refused:
        places = [each.path for each in refused.problems]
        assert places
        assert len(set(places)) == len(places)
    else:
        assert Car.read(car.to_fields()) == car
