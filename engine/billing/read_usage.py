"""The usage that charges need: that of all their meters and periods in one read."""

import numpy as np

from engine.billing.charges import ChargeColumns
from engine.billing.meter_usage import measure_of
from engine.usage.facts.periods_request import Periods, PeriodsRequest
from engine.usage.facts.usage_columns import UsageColumns
from engine.usage.query.periods_reader import PeriodsReader


def read_usage(
    reader: PeriodsReader, charges: ChargeColumns, as_of_us: int, draft_id: int | None, *, digests: bool
) -> dict[str, UsageColumns]:
    """Meter -> its usage, by place among the periods."""
    periods = charges.periods
    metered = [each.meter.resource.id if each.meter is not None else "" for each in charges.prices]
    meters = {each.meter.resource.id: each.meter.resource for each in charges.prices if each.meter}
    numbers = {meter_id: number for number, meter_id in enumerate(meters)}
    meter = np.array([numbers.get(each, -1) for each in metered], dtype=np.int64)[charges.price]
    request = PeriodsRequest(
        measures=[measure_of(periods.catalog.tenant, each) for each in meters.values()],
        periods=Periods(
            periods.catalog.subscription_columns.customer_id.take(periods.row),
            periods.start_us,
            periods.end_us,
        ),
        wanted=[np.unique(charges.place[meter == number]) for number in range(len(meters))],
        as_of_us=as_of_us,
        draft_id=draft_id,
        digests=digests,
    )
    return dict(zip(meters, reader.read(request), strict=True))
