"""Whether a customer's usage is the same under the pseudonym, before anything of it is deleted.

Every meter that the catalog ever had is asked for both, month by month, at one watermark: quantities, counts and digests of
each group must be equal. The values of groups may differ, their order may not.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from engine.errors import MeterlineError, UsageExpiredError
from engine.times import datetime_us, us_datetime
from engine.usage.facts.usage_columns import GROUPS_MAX
from engine.usage.facts.usage_request import GroupUsage, Measure, UsageRequest
from engine.usage.query.usage_reader import UsageReader

# Of one question: ten years.
_MONTHS_MAX = 120


def check_same_usage(
    reader: UsageReader,
    meters: Sequence[Measure],
    customers: tuple[str, str],
    stretch_us: tuple[int, int],
    as_of_us: int,
) -> None:
    """`customers`: the customer and the pseudonym. `stretch_us`: from the first event to behind the last.

    Raises:
        MeterlineError: it is not.
        StoreUnavailableError: the store does not answer.
    """
    for meter in {each.rollup_key: each for each in meters}.values():
        for bounds_us in _months(*stretch_us):
            before, after = (_read(reader, meter.asked([each], bounds_us, as_of_us)) for each in customers)
            if before != after:
                raise MeterlineError(
                    f"usage of event_type {meter.event_type!r} ({meter.aggregation}) would not be the same under the "
                    f"pseudonym {customers[1]}: nothing was deleted; report it"
                )


def _read(reader: UsageReader, request: UsageRequest) -> list[tuple[object, ...]] | None:
    """None where the events that an exact answer needs have expired."""
    try:
        return _compared(reader.read(request, GROUPS_MAX))
    except UsageExpiredError:
        return None


def _compared(usage: Sequence[GroupUsage]) -> list[tuple[object, ...]]:
    """What must be equal, group by group in order; a group without the property comes first."""
    ordered = sorted(
        usage,
        key=lambda each: (
            [(value is not None, (value or "").encode()) for value in each.dimensions],
            each.window,
        ),
    )
    return [
        (
            each.window,
            [value is None for value in each.dimensions],
            each.quantity,
            each.event_count,
            each.event_digest,
            each.unreadable_event_count,
            each.missing_value_event_count,
        )
        for each in ordered
    ]


def _months(start_us: int, end_us: int) -> Iterator[tuple[int, ...]]:
    """Bounds of the months in UTC, some years at a time."""
    start = us_datetime(start_us).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    bounds = [datetime_us(start)]
    while bounds[-1] < end_us:
        start = (start + timedelta(days=31)).replace(day=1)
        bounds.append(datetime_us(start))
        if len(bounds) > _MONTHS_MAX:
            yield tuple(bounds)
            bounds = bounds[-1:]
    if len(bounds) > 1:
        yield tuple(bounds)
