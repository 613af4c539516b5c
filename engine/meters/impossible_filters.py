"""Filters that no event can pass, where that is easy to see: two of them contradict each other about one property.

Rules:
1. What must hold together: the filters of a mapping, those in its `all`, in an `any` of one, and the complement of
   what is in its `not`, where that is one filter that has a simple complement.
2. A member of `any` must be possible beside what must hold together around it: else it is there for nothing.
3. A member of `not` must be possible alone: else it takes nothing away.
4. An `any` whose members are possible one by one, but not beside another `any`, isn't looked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from engine.meters.filters import Conditions, Filter, FilterGroup
from ingest import is_quantity

Path = tuple[str | int, ...]
# A property and one of the filters that must hold for it.
Said = tuple[str, "tuple[str, ...] | Conditions"]


def impossible(filters: Mapping[str, Filter]) -> Iterator[tuple[Path, str]]:
    """The place of each contradiction, and what it is about."""
    yield from _impossible(filters, (), [])


def _impossible(
    filters: Mapping[str, Filter], path: Path, around: Sequence[Said]
) -> Iterator[tuple[Path, str]]:
    said = [*around, *_together(filters)]
    if found := _contradiction(said):
        yield path, f"passes no event: the filters on {found!r} can't all hold"
        return
    for name, each in filters.items():
        if isinstance(each, FilterGroup):
            for position, member in enumerate(each.members):
                yield from _impossible(member, (*path, name, position), [] if name == "not" else said)


def _together(filters: Mapping[str, Filter]) -> Iterator[Said]:
    """Rule 1."""
    for name, each in filters.items():
        if not isinstance(each, FilterGroup):
            yield name, each
        elif name == "not":
            for member in each.members:
                yield from _complement(member)
        elif name == "all" or len(each.members) == 1:
            for member in each.members:
                yield from _together(member)


def _complement(filters: Mapping[str, Filter]) -> Iterator[Said]:
    """What holds for an event that doesn't pass these filters, where it is about one property."""
    if len(filters) != 1:
        return
    [(name, each)] = filters.items()
    if isinstance(each, tuple):
        yield name, Conditions(refused=each)
    elif isinstance(each, Conditions) and each.given == {"exists"}:
        yield name, Conditions(exists=not each.exists)
    elif isinstance(each, Conditions) and each.given == {"refused"} and each.refused:
        yield name, each.refused


def _contradiction(said: Sequence[Said]) -> str | None:
    """The first property of which no event can have what is said."""
    for name in dict.fromkeys(name for name, _ in said):
        lists = [each for other, each in said if other == name and isinstance(each, tuple)]
        conditions = [each for other, each in said if other == name and isinstance(each, Conditions)]
        if not _possible(lists, conditions):
            return name
    return None


def _possible(lists: Sequence[tuple[str, ...]], conditions: Sequence[Conditions]) -> bool:
    compared = [each for each in conditions if each.compares_decimals]
    is_there = bool(lists or compared) or any(each.exists is True for each in conditions)
    if is_there and any(each.exists is False for each in conditions):
        return False
    if not lists:
        return _bounds_meet(compared)
    allowed = set(lists[0]).intersection(*lists[1:])
    for each in conditions:
        allowed.difference_update(each.refused or ())
    return any(all(_within(text, each) for each in compared) for text in allowed)


def _bounds_meet(compared: Sequence[Conditions]) -> bool:
    """Whether some decimal is within all bounds; that there may be none of 12 digits between two does not matter."""
    lows = [(each.greater_than, False) for each in compared] + [(each.at_least, True) for each in compared]
    highs = [(each.less_than, False) for each in compared] + [(each.at_most, True) for each in compared]
    return all(
        low < high or (low == high and with_low and with_high)
        for low, with_low in lows
        if low is not None
        for high, with_high in highs
        if high is not None
    )


def _within(text: str, bounds: Conditions) -> bool:
    if not is_quantity(text):
        return False
    value = Decimal(text)
    return (
        (bounds.greater_than is None or value > bounds.greater_than)
        and (bounds.at_least is None or value >= bounds.at_least)
        and (bounds.less_than is None or value < bounds.less_than)
        and (bounds.at_most is None or value <= bounds.at_most)
    )
