"""What meters ask of rollups."""

from engine.billing.meter_usage import measure_of
from engine.catalog.kinds.meter import Meter
from tests.support.usage.rollup_world import HOUR_US, START_US

DAY_US = 24 * HOUR_US


MONTH_US = (START_US, START_US + 30 * DAY_US)


def asked(meter, *, customers=("acme",), bounds_us=MONTH_US, as_of_us=10**15, tenant="t1"):
    return measure_of(tenant, Meter.read(meter)).asked(sorted(customers), bounds_us, as_of_us)
