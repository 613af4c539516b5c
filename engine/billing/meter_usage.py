"""What a meter asks of the usage store, and what the answer means for rating."""

from collections.abc import Iterable

from engine.billing.periods import Period
from engine.billing.rate_charges import Usage
from engine.catalog.resources import Meter
from engine.times import datetime_us
from engine.usage.usage_request import GroupUsage, UsageRequest


def usage_request(
    tenant: str, meter: Meter, customer_ids: Iterable[str], period: Period, as_of_us: int
) -> UsageRequest:
    """The meter's usage of these customers in the period, as it was known at `as_of_us`."""
    return UsageRequest(
        tenant=tenant,
        event_type=meter.event_type,
        aggregation=meter.aggregation,
        value=meter.value,
        percentile=meter.percentile,
        carries_over=meter.carries_over,
        filters=meter.filters,
        group_by=meter.group_by,
        customer_ids=sorted(customer_ids),
        bounds_us=(datetime_us(period.start), datetime_us(period.end)),
        as_of_us=as_of_us,
    )


def rated_usage(meter: Meter, group: GroupUsage) -> Usage:
    """What rating needs of a group, without the dimensions that its events lack."""
    dimensions = tuple(
        (name, value)
        for name, value in zip(meter.group_by, group.dimensions, strict=True)
        if value is not None
    )
    return Usage(
        dimensions,
        group.quantity,
        group.event_count,
        group.event_digest,
        group.unreadable_event_count,
        group.missing_value_event_count,
    )
