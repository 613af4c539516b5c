"""A meter of the catalog read from a real usage store, the way rating reads it."""

from dataclasses import replace

from engine.billing.meter_usage import measure_of
from engine.catalog.kinds.meter import Meter
from engine.usage.query.usage_reader import UsageReader
from ingest import partition_batches
from rating import converted
from tests.support.ingest.admission_oracle import Row
from tests.support.ingest.event_columns import columns_of

ROWS_MAX = 10_000


def deliver(store, deliveries):
    """Inserts in the order of arrival, what arrives at the same instant together."""
    for stamp_us in sorted({each["ingested_us"] for each in deliveries}):
        events = [
            Row(
                each["tenant"],
                each["event_id"],
                each["event_type"],
                each["customer"],
                each["time_us"],
                tuple(sorted(each["properties"].items())),
            )
            for each in deliveries
            if each["ingested_us"] == stamp_us
        ]
        for batch, _ in partition_batches(columns_of(events), stamp_us, 10_000):
            store.insert(batch)


def usage_by_store(store, meter, *, tenant, customers, period_us, as_of_us):
    """(customer, dimensions) -> the group's usage after the meter's conversion; a dimension that the events lack is None."""
    resource = Meter.read(meter)
    request = measure_of(tenant, resource).asked(sorted(customers), period_us, as_of_us)
    groups = UsageReader(store).read(request, ROWS_MAX)
    assert len(groups) < ROWS_MAX
    found = {}
    for group in groups:
        key = (group.customer_id, group.dimensions)
        assert key not in found
        found[key] = replace(group, quantity=converted(group.quantity, resource.conversion))
    return found
