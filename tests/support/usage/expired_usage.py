"""Months and meters of usage that expires."""

from datetime import UTC, datetime

from engine.billing.meter_usage import measure_of
from engine.catalog.kinds.meter import Meter
from engine.times import datetime_us

MAY, JUNE, JULY = (datetime_us(datetime(2025, month, 1, tzinfo=UTC)) for month in (5, 6, 7))


SUM = {"id": "m", "event_type": "call", "aggregation": "sum", "value": "value", "group_by": ["region"]}


COUNT = {"id": "n", "event_type": "call", "aggregation": "count"}


def meter(fields, tenant):
    return measure_of(tenant, Meter.read(fields))
