"""What a meter asks of the usage store, and what the answer means for rating."""

from collections.abc import Iterable, Sequence

from engine.billing.periods import Period
from engine.billing.rate_charges import Usage
from engine.catalog.resources import Meter
from engine.times import datetime_us
from engine.usage.aggregations import exact_quantity
from engine.usage.queries import UsageRequest


def usage_request(
    tenant: str, meter: Meter, customer_ids: Iterable[str], period: Period, as_of_us: int
) -> UsageRequest:
    """The meter's usage of these customers in the period, as it was known at `as_of_us`."""
    return UsageRequest(
        tenant=tenant,
        event_type=meter.event_type,
        aggregation=meter.aggregation,
        value_property=meter.value,
        percentile=meter.percentile,
        carries_over=meter.carries_over,
        filters=meter.filters,
        group_by=meter.group_by,
        customer_ids=sorted(customer_ids),
        period_start_us=datetime_us(period.start),
        period_end_us=datetime_us(period.end),
        as_of_us=as_of_us,
    )


def read_usage(meter: Meter, row: Sequence[object]) -> tuple[str, Usage]:
    """A row of `usage_query`: the customer and its usage, without the dimensions that its events lack."""
    dimensions_end = 1 + len(meter.group_by)
    dimensions = tuple(
        (name, str(value))
        for name, value in zip(meter.group_by, row[1:dimensions_end], strict=True)
        if value is not None
    )
    quantity, event_count, event_digest, unreadable, missing = row[dimensions_end:]
    usage = Usage(
        dimensions,
        exact_quantity(quantity),
        int(str(event_count)),
        str(event_digest),
        int(str(unreadable)),
        int(str(missing)),
    )
    return str(row[0]), usage
