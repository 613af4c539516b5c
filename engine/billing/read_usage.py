"""The usage that charges need, read meter by meter and period by period."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.billing.charges import ChargeColumns
from engine.billing.meter_usage import usage_request
from engine.billing.periods import Period
from engine.catalog.resources import Meter
from engine.errors import UnrateableError
from engine.times import us_datetime
from engine.usage.facts.usage_columns import UsageColumns
from engine.usage.facts.usage_request import GroupUsage
from engine.usage.query.usage_reader import UsageReader

# Groups of dimensions that one read may make: far past any invoice, well within memory.
_GROUPS_MAX = 200_000


def read_usage(
    reader: UsageReader, charges: ChargeColumns, as_of_us: int, draft_id: int | None
) -> dict[str, UsageColumns]:
    """Meter -> its usage, by place among the periods.

    Raises:
        UnrateableError: a meter makes more groups than one answer holds.
    """
    metered = [each.meter.resource.id if each.meter is not None else None for each in charges.prices]
    meters = {each.meter.resource.id: each.meter.resource for each in charges.prices if each.meter}
    found = {}
    for meter_id, meter in meters.items():
        own = np.array([each == meter_id for each in metered])
        places = np.unique(charges.place[own[charges.price]])
        found[meter_id] = _usage_of(reader, charges, meter, places.tolist(), (as_of_us, draft_id))
    return found


def _usage_of(
    reader: UsageReader,
    charges: ChargeColumns,
    meter: Meter,
    places: Sequence[int],
    known: tuple[int, int | None],
) -> UsageColumns:
    periods = charges.periods
    by_period: dict[tuple[int, int], dict[str, list[int]]] = {}
    for place in places:
        bounds_us = int(periods.start_us[place]), int(periods.end_us[place])
        of_period = by_period.setdefault(bounds_us, defaultdict(list))
        of_period[periods.customer_id(place)].append(place)
    groups: list[tuple[int, GroupUsage]] = []
    for bounds_us, places_of in by_period.items():
        period = Period(*map(us_datetime, bounds_us))
        request = usage_request(periods.catalog.tenant, meter, places_of, period, known[0])
        usage = reader.read(replace(request, draft_id=known[1]), _GROUPS_MAX + 1)
        if len(usage) > _GROUPS_MAX:
            raise UnrateableError(
                f"meter {meter.id}: its group_by properties make more than {_GROUPS_MAX} lines: "
                "ask for fewer customers, or group by properties with fewer values"
            )
        groups += [(place, group) for group in usage for place in places_of[group.customer_id]]
    # A stable sort: the groups of a place stay in the order of their dimensions.
    groups.sort(key=lambda each: each[0])
    places_of_groups, usages = [place for place, _ in groups], [group for _, group in groups]
    return UsageColumns.of_groups(places_of_groups, usages, len(meter.group_by))
