"""Quantities from merged partials: the last step of every aggregation, in exact integers and decimals.

    count           the number of events
    sum, min, max   of the value
    avg             the sum of the values divided by their number
    latest          the value of the newest event (engine.usage.store.tables.partials, rule 5)
    unique_count    how many different values there are
    time_weighted   a level that the values raise and lower, averaged over the window's length
    percentile      nearest rank: of n values in ascending order the one at position ceil(percentile / 100 * n)

Rules:
1. No binary float. A quotient is that of two exact integers, divided once, here: rounded half_even to
   QUOTIENT_DIGITS fractional digits.
2. The integral of a level needs no order of events. In a window [start, end) each value counts from its event to the
   window's end: end * total - moment. What was there before counts for the whole window. So a level lasts to the
   end of the window unless an event says otherwise, in a period that isn't over, too.
3. A level lives on from window to window, and so does what carries over: `latest` is the newest value up to the
   window's end, `sum` a running total. The events that it is made from are in the window's count and digest.
4. Where a level or a carried value lives on at zero, and nothing happened in the window, there is no usage: or what
   once existed would be listed for ever. A customer without groups keeps its one answer for one window.
5. A rank's product is < 10^5 * n: no group of values that fits in memory has 10^14.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

from engine.usage.facts.usage_request import GroupUsage, UsageRequest
from engine.usage.store.tables.event_digest import EventDigest
from engine.usage.store.tables.partials import VALUE_DIGITS

QUOTIENT_DIGITS = 12
# What a window is called in which an event lies that is older than the first.
BEFORE = -1
_RANK = "intDiv({percentile_thousandths:UInt64} * length(value_list) + 99999, 100000)"
# The start of a window, and the columns of `state_columns`.
State = Sequence[object]

# What Python needs of a window's partials, by aggregation.
_STATE: Mapping[str, tuple[str, ...]] = {
    "count": (),
    "sum": ("total",),
    "min": ("lowest",),
    "max": ("highest",),
    "avg": ("total", "value_count"),
    "latest": ("newest_value",),
    "unique_count": ("length(distinct_hashes)",),
    "time_weighted": ("total", "moment"),
    # NULL past the end, hence for no value.
    "percentile": (f"arrayElementOrNull(arraySort(value_list), {_RANK})",),
}
_WITHOUT_NUMBERS = frozenset({"count", "unique_count"})
# What a carried group must not be to be left out by the store already: rule 4.
_CARRIED_NOT_ZERO: Mapping[str, str] = {
    "sum": "sum(total) OVER of_group != 0",
    "time_weighted": "sum(total) OVER of_group != 0",
    "latest": "ifNull(argMax(newest_value, newest) OVER of_group != 0, 0)",
}


def state_columns(aggregation: str, *, first_form: bool = False) -> tuple[str, ...]:
    """Select expressions from the partials of one window to the state that `finished` reads, behind the window's start.

    first_form: of an answer with rows of the first form (engine.usage.store.tables.event_digest, rule 4).
    """
    digest = "tuple(event_digest, first_form_digest, first_form_count)" if first_form else "event_digest"
    unreadable = "toUInt64(0)" if aggregation in _WITHOUT_NUMBERS else "unreadable_count"
    missing = "toUInt64(0)" if aggregation == "count" else "missing_count"
    return ("event_count", digest, unreadable, missing, *_STATE[aggregation])


def carried_group_sql(aggregation: str, keys: Sequence[str]) -> str:
    """What keeps the windows of groups of a meter that carries over only where there is any usage: rule 4."""
    happened = f"countIf(window_start_us != {BEFORE}) OVER of_group > 0"
    unreadable = "sum(unreadable_count) OVER of_group > 0"
    return (
        f"WINDOW of_group AS (PARTITION BY {', '.join(keys)}) "
        f"QUALIFY {happened} OR {unreadable} OR {_CARRIED_NOT_ZERO[aggregation]}"
    )


def finished(
    request: UsageRequest, customer_id: str, dimensions: tuple[str | None, ...], states: Iterable[State]
) -> Iterator[GroupUsage]:
    """The usage of a group in its windows, from the states of the windows in which it has events.

    Raises:
        TypeError: the store returned something else than exact numbers; above all a binary float.
    """
    by_start = {_integer(state[0]): state for state in states}
    answers = _carried if _lives_on(request) else _separate
    for window, quantity, (event_count, digest, unreadable, missing) in answers(request, by_start):
        yield GroupUsage(
            customer_id,
            dimensions,
            window,
            quantity,
            event_count,
            digest.text(event_count),
            unreadable,
            missing,
        )


_Counts = tuple[int, EventDigest, int, int]


def _lives_on(request: UsageRequest) -> bool:
    return request.carries_over or (request.aggregation == "time_weighted" and len(request.bounds_us) > 2)


def _separate(request: UsageRequest, by_start: Mapping[int, State]) -> Iterator[tuple[int, Decimal, _Counts]]:
    """Each window of its own events."""
    for window, (start_us, end_us) in enumerate(pairwise(request.bounds_us)):
        if state := by_start.get(start_us):
            counts = _counts(state)
            yield window, _quantity(request.aggregation, counts[0], state[5:], (start_us, end_us)), counts


def _carried(request: UsageRequest, by_start: Mapping[int, State]) -> Iterator[tuple[int, Decimal, _Counts]]:
    """Each window of its own events and all before it: rules 3 and 4."""
    alone = len(request.bounds_us) == 2 and not request.group_by
    sofar: _Counts = (0, EventDigest(), 0, 0)
    total, newest = 0, Decimal(0)
    if state := by_start.get(BEFORE):
        sofar = _counts(state)
        total, newest = _moved(request.aggregation, state, total, newest)
    for window, (start_us, end_us) in enumerate(pairwise(request.bounds_us)):
        before, moment = total, 0
        if state := by_start.get(start_us):
            sofar = _added(sofar, _counts(state))
            total, newest = _moved(request.aggregation, state, total, newest)
            moment = _integer(state[6]) if request.aggregation == "time_weighted" else 0
        if not sofar[0]:
            continue
        match request.aggregation:
            case "time_weighted":
                area = before * (end_us - start_us) + (total - before) * end_us - moment
                quantity = _quotient(area, end_us - start_us)
            case "latest":
                quantity = newest
            case _:
                quantity = _of_mantissa(total)
        if alone or state or quantity or sofar[2]:
            yield window, quantity, sofar


def _moved(aggregation: str, state: State, total: int, newest: Decimal) -> tuple[int, Decimal]:
    if aggregation == "latest":
        return total, newest if state[5] is None else _decimal(state[5])
    return total + _integer(state[5]), newest


def _quantity(aggregation: str, event_count: int, state: State, window: tuple[int, int]) -> Decimal:
    """Zero where no event has a readable value."""
    match aggregation:
        case "count":
            return Decimal(event_count)
        case "sum":
            return _of_mantissa(_integer(state[0]))
        case "avg":
            total, value_count = map(_integer, state)
            return _quotient(total, value_count) if value_count else Decimal(0)
        case "time_weighted":
            total, moment = map(_integer, state)
            start_us, end_us = window
            return _quotient(end_us * total - moment, end_us - start_us)
        case "unique_count":
            return Decimal(_integer(state[0]))
    return Decimal(0) if state[0] is None else _decimal(state[0])


def _counts(state: State) -> _Counts:
    return _integer(state[1]), _digest(state[2]), _integer(state[3]), _integer(state[4])


def _added(one: _Counts, other: _Counts) -> _Counts:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3]


def _digest(stored: object) -> EventDigest:
    return EventDigest(*map(_integer, stored if isinstance(stored, tuple) else (stored,)))


def _integer(stored: object) -> int:
    if isinstance(stored, int) and not isinstance(stored, bool):
        return stored
    raise TypeError(f"the usage store returned a number of type {type(stored).__name__}")


def _decimal(stored: object) -> Decimal:
    if isinstance(stored, Decimal):
        return stored
    raise TypeError(f"the usage store returned a decimal of type {type(stored).__name__}")


def _quotient(mantissa: int, denominator: int) -> Decimal:
    """Mantissa / 10^12 / denominator, rounded half_even to QUOTIENT_DIGITS fractional digits."""
    if denominator <= 0:
        raise ValueError(f"a quotient's denominator must be positive, is {denominator}")
    whole, rest = divmod(mantissa * 10 ** (QUOTIENT_DIGITS - VALUE_DIGITS), denominator)
    if 2 * rest > denominator or (2 * rest == denominator and whole % 2):
        whole += 1
    return _of_mantissa(whole)


def _of_mantissa(mantissa: int) -> Decimal:
    # Made from its digits: arithmetic would round to the digits of a context.
    digits = tuple(map(int, str(abs(mantissa))))
    return Decimal((int(mantissa < 0), digits, -VALUE_DIGITS))
