"""The filters of a meter as a whole: their bounds, what is wrong between them, their canonical order.

What a filter means: engine.meters.filters. A FilterError has every mistake, with the path from the meter's `filters`.
"""

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from engine.meters import limits
from engine.meters.filters import Filter, FilterGroup, FilterTree, filters_fields, members_given
from engine.meters.impossible_filters import impossible

Path = tuple[str | int, ...]


class FilterError(ValueError):
    """What is wrong with parts of a meter's filters, each with its path."""

    def __init__(self, *mistakes: tuple[Path, str]) -> None:
        super().__init__("; ".join(message for _, message in mistakes))
        self.mistakes = mistakes


def _bounded(given: object) -> object:
    """Before anything walks them with more care."""
    if sum(1 for _ in _filters_given(given, (), 0)) > limits.METER_FILTER_CONDITIONS_MAX:
        raise FilterError(
            ((), f"has more than {limits.METER_FILTER_CONDITIONS_MAX} filters, those in groups included")
        )
    return given


def _filters_given(given: object, path: Path, depth: int) -> Iterator[object]:
    """Each filter on a property, in groups or not. Raises FilterError at a group that is too deep."""
    if not isinstance(given, Mapping):
        return
    for name, each in given.items():
        members = members_given(name, each)
        if members is None:
            yield each
            continue
        if depth == limits.METER_FILTER_DEPTH_MAX:
            raise FilterError(
                ((*path, name), f"is nested too deeply: groups in groups, {depth} levels at most")
            )
        for position, member in enumerate(members):
            yield from _filters_given(member, (*path, name, position), depth + 1)


def _consistent(filters: Mapping[str, Filter]) -> Mapping[str, Filter]:
    if mistakes := (*_repeated(filters, ()), *impossible(filters)):
        raise FilterError(*mistakes)
    return filters


def _repeated(filters: Mapping[str, Filter], path: Path) -> Iterator[tuple[Path, str]]:
    """Members of groups that say nothing."""
    for name, each in filters.items():
        if isinstance(each, FilterGroup):
            # Equal in their canonical form: that is what is stored, and must be read again.
            texts = [_text(_canonical(member)) for member in each.members]
            for position, member in enumerate(each.members):
                place = (*path, name, position)
                if not member:
                    yield place, "is empty, and would pass every event: remove it"
                elif (first := texts.index(texts[position])) < position:
                    yield place, f"is the same as {name}[{first}]"
                yield from _repeated(member, place)


def _canonical(filters: Mapping[str, Filter]) -> Mapping[str, Filter]:
    return MappingProxyType({name: _canonical_filter(filters[name]) for name in sorted(filters)})


def _canonical_filter(given: Filter) -> Filter:
    if not isinstance(given, FilterGroup):
        return given
    members = sorted((_canonical(member) for member in given.members), key=_text)
    return given.model_copy(update={"members": tuple(members)})


def _text(filters: Mapping[str, Filter]) -> str:
    return json.dumps(filters_fields(filters))


Filters = Annotated[
    FilterTree,
    BeforeValidator(_bounded),
    AfterValidator(_consistent),
    AfterValidator(_canonical),
]
