"""The filters of a meter as a whole: their bounds, what is wrong between them, their canonical order.

What a filter means: engine.meters.filters.
"""

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from engine.meters import limits
from engine.meters.filters import Filter, FilterGroup, Filters, FilterTree, members_given
from engine.meters.impossible_filters import impossible
from fields import FieldsError, Problem

_TREE = FilterTree()


class MeterFilters(FilterTree):
    """All filters of a meter, groups and all."""

    def read(self, given: object) -> Filters:
        # Before anything walks them with more care.
        if sum(1 for _ in _filters_given(given, 0)) > limits.METER_FILTER_CONDITIONS_MAX:
            raise ValueError(
                f"has more than {limits.METER_FILTER_CONDITIONS_MAX} filters, those in groups included"
            )
        filters: Filters = super().read(given)
        if problems := [Problem(*each) for each in (*_repeated(filters, ()), *impossible(filters))]:
            raise FieldsError(problems)
        return _canonical(filters)


def _filters_given(given: object, depth: int) -> Iterator[object]:
    """Each filter on a property, in groups or not, as deep as groups may be."""
    if isinstance(given, Mapping) and depth <= limits.METER_FILTER_DEPTH_MAX:
        for name, each in given.items():
            members = members_given(name, each)
            if members is None:
                yield each
            for member in members or ():
                yield from _filters_given(member, depth + 1)


def _repeated(filters: Filters, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
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


def _canonical(filters: Filters) -> Filters:
    return MappingProxyType({name: _canonical_filter(filters[name]) for name in sorted(filters)})


def _canonical_filter(given: Filter) -> Filter:
    if not isinstance(given, FilterGroup):
        return given
    return FilterGroup(tuple(sorted((_canonical(member) for member in given.members), key=_text)))


def _text(filters: Filters) -> str:
    return json.dumps(_TREE.written(filters))
