"""What meters ask of rollups."""

from dataclasses import replace

from engine.billing.meter_usage import usage_request
from engine.billing.periods import Period
from engine.catalog.kinds.meter import Meter
from engine.times import us_datetime
from tests.support.usage.rollup_world import HOUR_US, START_US

DAY_US = 24 * HOUR_US


MONTH_US = (START_US, START_US + 30 * DAY_US)


def asked(meter, *, customers=("acme",), bounds_us=MONTH_US, as_of_us=10**15, tenant="t1"):
    period = Period(us_datetime(0), us_datetime(1))
    request = usage_request(tenant, Meter.read(meter), customers, period, as_of_us)
    return replace(request, bounds_us=bounds_us)
