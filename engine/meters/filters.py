"""Filters of a meter: property -> what it must be like for an event to count.

    model: large                                  the value, or a list of values: one of them
    region: {not: [eu, uk]}                       none of them
    session: {exists: false}                      has it (true), has it not (false)
    tokens: {greater_than: 100, at_most: 5000}    compared as decimals; less_than and at_least too

    any:                                          a group: lists of filters, each like the whole
      - {model: large}
      - {tokens: {at_least: 1000}, region: eu}

Rules:
1. An event must pass every filter, and every condition of each.
2. `not` is the complement of the list: an event without the property passes it. Two meters with the same list,
   one of them under `not`, count every event exactly once between them.
3. Lists compare as text ("1" is not "1.0"), the four comparisons as exact decimals. What is no decimal, or not
   there, passes none of the four.
4. Filters that no event could pass are refused where that is easy to see (engine.meters.impossible_filters).
5. An event passes `any` if it passes one of the mappings in the list, `all` if it passes each of them, `not` if it
   passes none. The list of mappings is what makes it a group: a property of such a name has a text, a list of
   texts, or one mapping of conditions, and still is a property.
6. The order of a group means nothing. Groups are kept in an order of their own, so that equal meters are equal.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from engine.meters import limits
from engine.meters.rules import (
    accepted_value,
    exact_decimal,
    one_label,
    text_list,
    true_or_false,
    without_repetition,
)

Values = Annotated[
    tuple[Annotated[str, AfterValidator(accepted_value)], ...],
    BeforeValidator(text_list),
    Field(min_length=1, max_length=limits.METER_FILTER_VALUES_MAX),
    AfterValidator(without_repetition),
    AfterValidator(lambda values: tuple(sorted(values))),
]
Bound = Annotated[Decimal, BeforeValidator(exact_decimal)]


class Conditions(BaseModel):
    """Conditions on one property; those that aren't given are None. `refused` is written `not`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    refused: Values | None = Field(default=None, alias="not")
    exists: Annotated[bool, BeforeValidator(true_or_false)] | None = None
    greater_than: Bound | None = None
    at_least: Bound | None = None
    less_than: Bound | None = None
    at_most: Bound | None = None

    @property
    def compares_decimals(self) -> bool:
        return any(
            bound is not None for bound in (self.greater_than, self.at_least, self.less_than, self.at_most)
        )

    @model_validator(mode="after")
    def _some_event_can_pass(self) -> "Conditions":
        given = [name for name, value in self if value is not None]
        if not given:
            raise ValueError(f"has no condition: give at least one of {', '.join(CONDITION_NAMES)}")
        if self.exists is False and given != ["exists"]:
            raise ValueError("{exists: false} stands alone: what isn't there can't be compared")
        for one, other in (("greater_than", "at_least"), ("less_than", "at_most")):
            if one in given and other in given:
                raise ValueError(f"has both {one} and {other}: give one of them")
        low = self.greater_than if self.at_least is None else self.at_least
        high = self.less_than if self.at_most is None else self.at_most
        both_included = self.at_least is not None and self.at_most is not None
        if low is not None and high is not None and (low > high or (low == high and not both_included)):
            raise ValueError("passes no value: its lower bound is not below its upper bound")
        return self


CONDITION_NAMES = tuple(field.alias or name for name, field in Conditions.model_fields.items())
GROUP_NAMES = ("any", "all", "not")
# These show in the paths of mistakes; `engine.catalog.read` takes them out.
VALUES_TAG, CONDITIONS_TAG, GROUP_TAG, MEMBERS = "[values]", "[conditions]", "[group]", "[members]"


class FilterGroup(BaseModel):
    """Filters of which some must pass; which, says the name it stands under: `any`, `all` or `not`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    members: tuple["FilterTree", ...] = Field(alias="[members]", max_length=limits.METER_FILTERS_MAX)

    @model_validator(mode="before")
    @classmethod
    def _from_a_list(cls, given: object) -> object:
        return {MEMBERS: given} if isinstance(given, list) else given


class _GroupGiven(list[object]):
    """The members of a group."""


def _groups_told_apart(given: object) -> object:
    if not isinstance(given, Mapping):
        return given
    marked: dict[object, object] = {}
    for name, each in given.items():
        members = members_given(name, each)
        marked[name] = each if members is None else _GroupGiven(members)
    return marked


def members_given(name: object, given: object) -> Sequence[object] | None:
    """The members, by rule 5, if this is a group; in a document or as a value."""
    if isinstance(given, FilterGroup):
        return given.members
    if name not in GROUP_NAMES or not isinstance(given, list):
        return None
    return given if any(isinstance(one, Mapping) for one in given) else None


def _tag(given: object) -> str:
    if isinstance(given, _GroupGiven | FilterGroup):
        return GROUP_TAG
    return CONDITIONS_TAG if isinstance(given, Mapping | Conditions) else VALUES_TAG


Filter: TypeAlias = tuple[str, ...] | Conditions | FilterGroup
FilterTree = Annotated[
    Mapping[
        Annotated[str, AfterValidator(one_label)],
        Annotated[
            Annotated[Values, Tag(VALUES_TAG)]
            | Annotated[Conditions, Tag(CONDITIONS_TAG)]
            | Annotated[FilterGroup, Tag(GROUP_TAG)],
            Discriminator(_tag),
        ],
    ],
    BeforeValidator(_groups_told_apart),
    Field(max_length=limits.METER_FILTERS_MAX),
]
FilterGroup.model_rebuild()


def filters_fields(filters: Mapping[str, Filter]) -> dict[str, Any]:
    """The fields of the catalog document: JSON types, decimals as text."""
    return {name: _fields(each) for name, each in filters.items()}


def _fields(given: Filter) -> Any:  # noqa: ANN401 - of any JSON type
    if isinstance(given, FilterGroup):
        return [filters_fields(member) for member in given.members]
    if not isinstance(given, Conditions):
        return list(given)
    fields = {
        "not": None if given.refused is None else list(given.refused),
        "exists": given.exists,
        **{
            name: None if bound is None else format(bound, "f")
            for name, bound in (
                ("greater_than", given.greater_than),
                ("at_least", given.at_least),
                ("less_than", given.less_than),
                ("at_most", given.at_most),
            )
        },
    }
    return {name: value for name, value in fields.items() if value is not None}


def filtered_properties(filters: Mapping[str, Filter]) -> Iterator[str]:
    """The properties that the filters look at."""
    for name, each in filters.items():
        if isinstance(each, FilterGroup):
            for member in each.members:
                yield from filtered_properties(member)
        else:
            yield name


def compared_properties(filters: Mapping[str, Filter]) -> Iterator[str]:
    """The properties that the filters compare as decimals."""
    for name, each in filters.items():
        if isinstance(each, FilterGroup):
            for member in each.members:
                yield from compared_properties(member)
        elif isinstance(each, Conditions) and each.compares_decimals:
            yield name
