"""What becomes of the properties of erased events: which keep their values, which get others, which go. Pure.

Rules:
1. A property that no meter of the event's type reads, or ever read, goes.
2. A value that is summed up or compared as a decimal stays, where it is one; a text in its place is not told any more.
3. A value that a meter only tells apart (group_by, unique_count, whether it exists) becomes a pseudonym: the same for the
   same text, and in the same order, so that groups, their order and their number are what they were.
4. A value that the catalog itself names stays, since the amount depends on it: of a filter's lists, of a matrix price.
   So do values of properties that are grouped by and summed up as well, and of those that the caller wants to keep.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from engine.catalog.kinds.meter import Meter
from engine.catalog.kinds.plan import Plan
from engine.catalog.kinds.resource import Resource
from engine.meters.filters import Conditions, Filter, FilterGroup
from engine.meters.kinds import NUMERIC_AGGREGATIONS
from engine.meters.value import properties_of_value


@dataclass(frozen=True, slots=True)
class Treatment:
    """Of the properties of an event type; those in no set go. `numbers`: kept where they are decimals."""

    kept: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        return self.kept | self.numbers | self.replaced


@dataclass(slots=True)
class _Uses:
    listed: set[str] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)
    told_apart: set[str] = field(default_factory=set)


def treatments(resources: Iterable[Resource], keep: Collection[str]) -> Mapping[str, Treatment]:
    """By event type, from every version of every meter and plan that the catalog ever had."""
    by_type: defaultdict[str, _Uses] = defaultdict(_Uses)
    type_of_meter: defaultdict[str, set[str]] = defaultdict(set)
    plans: list[Plan] = []
    for each in resources:
        if isinstance(each, Meter):
            type_of_meter[each.id].add(each.event_type)
            _add_meter(by_type[each.event_type], each)
        elif isinstance(each, Plan):
            plans.append(each)
    for price in (price for plan in plans for price in plan.prices):
        for event_type in type_of_meter[price.meter or ""]:
            by_type[event_type].listed.update(price.price.dimensions or ())
    return {event_type: _treatment(uses, frozenset(keep)) for event_type, uses in by_type.items()}


def _add_meter(uses: _Uses, meter: Meter) -> None:
    values = properties_of_value(meter.value)
    (uses.numbers if meter.aggregation in NUMERIC_AGGREGATIONS else uses.told_apart).update(values)
    uses.told_apart.update(meter.group_by)
    _add_filters(uses, meter.filters)


def _add_filters(uses: _Uses, filters: Mapping[str, Filter]) -> None:
    for name, each in filters.items():
        if isinstance(each, FilterGroup):
            for member in each.members:
                _add_filters(uses, member)
        elif not isinstance(each, Conditions) or each.refused is not None:
            uses.listed.add(name)
        elif each.compares_decimals:
            uses.numbers.add(name)
        else:
            uses.told_apart.add(name)


def _treatment(uses: _Uses, keep: frozenset[str]) -> Treatment:
    kept = uses.listed | (uses.numbers & uses.told_apart) | (keep & (uses.numbers | uses.told_apart))
    return Treatment(
        frozenset(kept), frozenset(uses.numbers - kept), frozenset(uses.told_apart - kept - uses.numbers)
    )
