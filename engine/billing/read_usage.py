"""The usage that charges need: that of all their meters and periods in one read, and the values of single events where a
price has terms per event.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa

from engine.billing.charges import ChargeColumns
from engine.billing.meter_usage import measure_of
from engine.billing.segments import Index
from engine.catalog.snapshots.snapshot import Catalog
from engine.usage.facts.periods_request import Periods, PeriodsRequest
from engine.usage.facts.usage_columns import UsageAmounts, UsageColumns
from engine.usage.query.periods_reader import PeriodsReader


class UsageRead:
    """The usage of some charges as of a watermark; read when it is first asked for."""

    def __init__(
        self,
        reader: PeriodsReader,
        charges: ChargeColumns,
        as_of_us: int,
        draft_id: int | None,
        *,
        digests: bool,
    ) -> None:
        self._reader = reader
        self._charges = charges
        billed = [each for each in charges.prices if each.meter is not None]
        self._meters = {each.meter.resource.id: each.meter.resource for each in billed if each.meter}
        periods = charges.periods
        customers = periods.catalog.subscription_columns.customer_id.take(periods.row)
        self._request = PeriodsRequest(
            measures=[measure_of(periods.catalog.tenant, each) for each in self._meters.values()],
            periods=Periods(
                customers,
                periods.start_us,
                periods.end_us,
                _aliases(periods.catalog, customers),
            ),
            wanted=self._places([each.meter is not None for each in charges.prices]),
            as_of_us=as_of_us,
            draft_id=draft_id,
            digests=digests,
        )

    @cached_property
    def usage(self) -> Mapping[str, UsageColumns]:
        """Meter -> its usage, by place among the periods."""
        return dict(zip(self._meters, self._reader.read(self._request), strict=True))

    @cached_property
    def event_count(self) -> int:
        """How many events `amounts` has at most."""
        found = 0
        for meter_id, places in self._by_event.items():
            usage = self.usage[meter_id]
            found += int(usage.value_count[np.isin(usage.place, places)].sum())
        return found

    @cached_property
    def amounts(self) -> Mapping[str, UsageAmounts]:
        """Meter -> the values of its events, at the places of charges whose prices have terms per event; no other meter."""
        numbers = {meter_id: number for number, meter_id in enumerate(self._meters)}
        wanted = [self._by_event.get(meter_id, np.empty(0, dtype=np.int64)) for meter_id in self._meters]
        request = PeriodsRequest(
            measures=self._request.measures,
            periods=self._request.periods,
            wanted=wanted,
            as_of_us=self._request.as_of_us,
            draft_id=self._request.draft_id,
        )
        return {
            meter_id: self._reader.amounts.read(request, numbers[meter_id], self.usage[meter_id])
            for meter_id in self._by_event
        }

    @cached_property
    def _by_event(self) -> Mapping[str, Index]:
        """Meter -> the places of charges whose prices have terms per event."""
        needs = [each.rates_events for each in self._charges.prices]
        if not any(needs):
            return {}
        places = self._places(needs)
        return {meter_id: each for meter_id, each in zip(self._meters, places, strict=True) if len(each)}

    def _places(self, is_meant: Sequence[bool]) -> list[Index]:
        """Of each meter the places of the charges of certain prices, rising. `is_meant`: of each price."""
        numbers = {meter_id: number for number, meter_id in enumerate(self._meters)}
        metered = [
            numbers[each.meter.resource.id] if meant and each.meter is not None else -1
            for each, meant in zip(self._charges.prices, is_meant, strict=True)
        ]
        meter = np.array(metered, dtype=np.int64)[self._charges.price]
        return [np.unique(self._charges.place[meter == number]) for number in range(len(numbers))]


def _aliases(catalog: Catalog, customers: pa.StringArray) -> Mapping[str, Sequence[str]]:
    """Of those of these customers that have any: usage under them is theirs."""
    return catalog.customers.aliases_of(customers.unique().to_pylist())
