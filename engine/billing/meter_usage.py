"""What a meter asks of the usage store."""

from hashlib import blake2b

from engine.catalog.kinds import json_text
from engine.catalog.kinds.meter import Meter
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import Versioned
from engine.errors import NotFoundError
from engine.usage.facts.usage_request import Measure
from fields import did_you_mean

# Of a meter's definition, what its rollups are made from.
_AGGREGATED = ("event_type", "aggregation", "value", "filters", "group_by")
# Of rollups; another one whenever the same definition reduces the same events to something else. What has expired under
# an earlier one can't be computed again: it is read beside today's (engine.usage.query.expired_read).
_FORM, _FIRST_FORM = 2, 1


def find_meter(catalog: Catalog, meter_id: str) -> Versioned[Meter]:
    """The meter with this id.

    Raises:
        NotFoundError: the catalog has none.
    """
    meter = catalog.meters.get(meter_id)
    if meter is None:
        hint = did_you_mean(meter_id, catalog.meters)
        raise NotFoundError(
            f"meter {meter_id[:128]!r} is not in the catalog at revision {catalog.revision}{hint}"
        )
    return meter


def measure_of(tenant: str, meter: Meter) -> Measure:
    """What the usage store knows a tenant's meter by."""
    return Measure(
        tenant=tenant,
        event_type=meter.event_type,
        aggregation=meter.aggregation,
        value=meter.value,
        percentile=meter.percentile,
        carries_over=meter.carries_over,
        filters=meter.filters,
        group_by=meter.group_by,
        rollup_key=rollup_key(meter),
        first_form_key=rollup_key(meter, _FIRST_FORM),
        rollup_group_by=meter.group_by,
    )


def measures_of(catalog: Catalog) -> list[Measure]:
    """One for each meter of the catalog."""
    return [measure_of(catalog.tenant, versioned.resource) for versioned in catalog.meters.values()]


def rollup_key(meter: Meter, form: int = _FORM) -> str:
    """128 bits, hex: the same for meters that aggregate the same, whatever else their definitions say.

    What it is made from must not change from version to version: usage that has expired is found by it only.
    """
    fields = meter.to_fields()
    aggregated = {name: fields[name] for name in _AGGREGATED if name in fields} | {"form": form}
    return blake2b(json_text(aggregated).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
