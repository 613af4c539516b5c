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
3. Lists compare as text ("1" is not "1.0"), the four comparisons as exact decimals. What is not a decimal, or not
   there, passes none of the four.
4. Filters that no event could pass are refused where that is easy to see (engine.meters.impossible_filters).
5. An event passes `any` if it passes one of the mappings in the list, `all` if it passes each of them, `not` if it
   passes none. The list of mappings is what makes it a group: a property of such a name has a text, a list of
   texts, or one mapping of conditions, and still is a property.
6. The order of a group means nothing. Groups are kept in an order of their own, so that equal meters are equal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final, TypeAlias

from engine.meters import limits
from engine.meters.kinds import LABEL, AcceptedValues, Quantity
from fields import EVERYTHING, Json, ListOf, MapOf, Named, Nested, Problem, Record, Schema, declaration, rule

GROUP_NAMES: Final = ("any", "all", "not")
_VALUES: Final = AcceptedValues()
Bound = Annotated[Decimal | None, Quantity()]


@dataclass(frozen=True, kw_only=True)
class Conditions(Record, called="filter"):
    """Conditions on one property; those that aren't given are None."""

    refused: Annotated[tuple[str, ...] | None, _VALUES, Named("not")] = None
    exists: bool | None = None
    greater_than: Bound = None
    at_least: Bound = None
    less_than: Bound = None
    at_most: Bound = None

    @property
    def given(self) -> frozenset[str]:
        return frozenset(name for name, value in vars(self).items() if value is not None)

    @property
    def compares_decimals(self) -> bool:
        return not self.given <= {"refused", "exists"}

    @rule(*EVERYTHING)
    def _some_event_can_pass(self) -> Iterator[Problem]:
        if message := self._contradiction():
            yield Problem((), message)

    def _contradiction(self) -> str:
        if not self.given:
            return f"has no condition: give at least one of {', '.join(CONDITION_NAMES)}"
        if self.exists is False and self.given != {"exists"}:
            return "{exists: false} stands alone: what isn't there can't be compared"
        for one, other in (("greater_than", "at_least"), ("less_than", "at_most")):
            if {one, other} <= self.given:
                return f"has both {one} and {other}: give one of them"
        low = self.greater_than if self.at_least is None else self.at_least
        high = self.less_than if self.at_most is None else self.at_most
        both_included = self.at_least is not None and self.at_most is not None
        if low is not None and high is not None and (low > high or (low == high and not both_included)):
            return "passes no value: its lower bound is not below its upper bound"
        return ""


CONDITION_NAMES: Final = tuple(declaration(Conditions).names)


@dataclass(frozen=True)
class FilterGroup:
    """Filters of which some must pass; which, says the name it stands under: `any`, `all` or `not`."""

    members: tuple["Filters", ...]


Filter: TypeAlias = tuple[str, ...] | Conditions | FilterGroup
Filters: TypeAlias = Mapping[str, Filter]


class FilterTree(MapOf):
    """Filters by property, and groups of them, so many groups deep."""

    def __init__(self, depth: int = 0) -> None:
        super().__init__(LABEL, _VALUES, limits.METER_FILTERS_MAX)
        self.depth = depth

    def read_entry(self, name: str, given: object) -> Filter:
        LABEL.read(name)
        if (members := members_given(name, given)) is not None:
            if self.depth == limits.METER_FILTER_DEPTH_MAX:
                raise ValueError(f"is nested too deeply: groups in groups, {self.depth} levels at most")
            inner = ListOf(FilterTree(self.depth + 1), 1, limits.METER_FILTERS_MAX)
            return FilterGroup(inner.read(members))
        found: Filter = (Nested(Conditions) if isinstance(given, Mapping | Conditions) else _VALUES).read(
            given
        )
        return found

    def written(self, value: Filters) -> Json:
        return {name: self._entry_written(each) for name, each in value.items()}

    def _entry_written(self, given: Filter) -> Json:
        if isinstance(given, FilterGroup):
            return [self.written(member) for member in given.members]
        return given.to_fields() if isinstance(given, Conditions) else list(given)

    def schema(self, definitions: Schema) -> Schema:
        if "filters" not in definitions:
            definitions["filters"] = {}  # groups hold filters
            one = [_VALUES.schema(definitions), Nested(Conditions).schema(definitions)]
            members = {
                "type": "array",
                "minItems": 1,
                "maxItems": self.at_most,
                "items": {"$ref": "#/definitions/filters"},
            }
            definitions["filters"] = {
                "type": "object",
                "maxProperties": self.at_most,
                "properties": {name: {"anyOf": [*one, members]} for name in GROUP_NAMES},
                "additionalProperties": {"anyOf": one},
            }
        return {"$ref": "#/definitions/filters"}


def members_given(name: object, given: object) -> Sequence[object] | None:
    """The members, by rule 5, if this is a group; in a document or as a value."""
    if isinstance(given, FilterGroup):
        return given.members
    if name not in GROUP_NAMES or not isinstance(given, list):
        return None
    return given if any(isinstance(one, Mapping) for one in given) else None


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
