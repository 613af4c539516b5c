"""What a meter asks of the usage store."""

from collections.abc import Iterable
from hashlib import blake2b

from engine.billing.periods import Period
from engine.catalog.kinds import json_text
from engine.catalog.kinds.meter import Meter
from engine.catalog.snapshots.snapshot import Catalog
from engine.times import INSTANT_US_MAX, datetime_us, us_datetime
from engine.usage.facts.usage_request import UsageRequest

_ALL_TIME = Period(us_datetime(0), us_datetime(INSTANT_US_MAX))
# Of a meter's definition, what its rollups are made from.
_AGGREGATED = ("event_type", "aggregation", "value", "filters", "group_by")
# Of rollups; another one whenever the same definition reduces the same events to something else. What has expired under
# an earlier one can't be computed again: it is read beside today's (engine.usage.query.expired_read).
_FORM, _FIRST_FORM = 2, 1


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
        rollup_key=rollup_key(meter),
        first_form_key=rollup_key(meter, _FIRST_FORM),
        rollup_group_by=meter.group_by,
    )


def meters_to_roll_up(catalog: Catalog) -> list[UsageRequest]:
    """What each meter of the catalog asks, over all time; for no customers and no watermark yet."""
    return [all_time_request(catalog.tenant, versioned.resource) for versioned in catalog.meters.values()]


def all_time_request(tenant: str, meter: Meter) -> UsageRequest:
    """What a meter asks over all time; for no customers and no watermark yet."""
    return usage_request(tenant, meter, (), _ALL_TIME, 0)


def rollup_key(meter: Meter, form: int = _FORM) -> str:
    """128 bits, hex: the same for meters that aggregate the same, whatever else their definitions say.

    What it is made from must not change from version to version: usage that has expired is found by it only.
    """
    fields = meter.to_fields()
    aggregated = {name: fields[name] for name in _AGGREGATED if name in fields} | {"form": form}
    return blake2b(json_text(aggregated).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
