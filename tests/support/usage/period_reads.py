"""What many customers' usage is, read at once and read one by one, in a form that can be compared."""

from engine.usage.query.periods_reader import LIMITS
from engine.usage.query.usage_reader import UsageReader


def one_by_one(store, request, limits=LIMITS):
    """Of each meter what the reader of one meter and period says, from events alone, at each place that it is wanted at."""
    reader = UsageReader(store)
    periods = request.periods
    for measure, wanted in zip(request.measures, request.wanted, strict=True):
        found = {}
        for place in wanted.tolist():
            groups = reader.read(
                _of_place(measure, request, periods, place), limits.of_statement, raw_only=True
            )
            told = len(groups) <= limits.of_place
            found[place] = (
                [
                    (
                        each.dimensions,
                        each.quantity,
                        each.event_count,
                        each.event_digest if request.digests else "0" * 32,
                        each.unreadable_event_count,
                        each.missing_value_event_count,
                    )
                    for each in groups
                ]
                if told
                else "too many"
            )
        yield found


def _of_place(measure, request, periods, place):
    bounds_us = int(periods.start_us[place]), int(periods.end_us[place])
    return measure.asked([periods.customer_id[place].as_py()], bounds_us, request.as_of_us)


def said(usage, wanted):
    """What columns say, in the same form."""
    found = {place: [] for place in wanted.tolist()} | dict.fromkeys(usage.too_many.tolist(), "too many")
    columns = zip(
        usage.place.tolist(),
        zip(*([each.value(row) for row in range(len(usage))] for each in usage.dimensions), strict=True)
        if usage.dimensions
        else [()] * len(usage),
        usage.quantity.to_decimals(),
        usage.event_count.tolist(),
        usage.event_digest.to_pylist(),
        usage.unreadable_event_count.tolist(),
        usage.missing_value_event_count.tolist(),
        strict=True,
    )
    for place, *group in columns:
        if place in found and place not in usage.too_many:
            found[place].append(tuple(group))
    return {place: each for place, each in found.items() if place in set(wanted.tolist())}
