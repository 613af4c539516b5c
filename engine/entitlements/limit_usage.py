"""What is used of limits: the quantities of all their meters in one read of the store, and spend from the one rating path.

Both are as of one watermark, which has every event that was acknowledged before it was asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pyarrow as pa

from engine.billing.meter_usage import find_meter, measure_of
from engine.billing.rater import Rater, Snapshot
from engine.entitlements.entitled import HeldLimit
from engine.usage.facts.periods_request import Periods, PeriodsRequest
from engine.usage.query.periods_reader import PeriodsReader
from rating import EXACT

Used = Mapping[HeldLimit, Decimal | None]
"""Of each limit what is used, 0 or more; None where its spend has a line that can't be rated."""
_ZERO = Decimal(0)


class LimitUsage:
    """Reads what is used. Thread-safe as the store is."""

    def __init__(self, rater: Rater, usage: PeriodsReader) -> None:
        self._rater = rater
        self._usage = usage

    def used(self, snapshot: Snapshot, customer_id: str, limits: Sequence[HeldLimit]) -> Used:
        """Of limits of one customer.

        Raises:
            StoreUnavailableError: the store does not answer.
            UsageExpiredError: the events that an exact answer needs have expired.
        """
        metered = [each for each in limits if not each.limit.is_of_spend]
        of_spend = [each for each in limits if each.limit.is_of_spend]
        return {
            **(self._metered(snapshot, customer_id, metered) if metered else {}),
            **(self._spent(snapshot, of_spend) if of_spend else {}),
        }

    def _metered(self, snapshot: Snapshot, customer_id: str, limits: Sequence[HeldLimit]) -> Used:
        spans = sorted({(each.start_us, each.end_us) for each in limits})
        asked: dict[str, set[int]] = {}
        for each in limits:
            asked.setdefault(str(each.limit.meter), set()).add(spans.index((each.start_us, each.end_us)))
        catalog = snapshot.catalog
        meters = [find_meter(catalog, meter_id).resource for meter_id in asked]
        bounds = np.array(spans, dtype=np.int64)
        request = PeriodsRequest(
            # All groups of a meter together.
            measures=[replace(measure_of(catalog.tenant, each), group_by=()) for each in meters],
            periods=Periods(
                pa.array([customer_id] * len(spans), pa.string()),
                bounds[:, 0],
                bounds[:, 1],
                catalog.customers.aliases_of([customer_id]),
            ),
            wanted=[np.array(sorted(places), dtype=np.int64) for places in asked.values()],
            as_of_us=snapshot.as_of_us,
            draft_id=snapshot.draft_id,
            digests=False,
        )
        found: dict[tuple[str, int], Decimal] = {}
        for meter_id, usage in zip(asked, self._usage.read(request), strict=True):
            for number, place in enumerate(usage.place.tolist()):
                found[meter_id, place] = usage.quantity.decimal(number)
        return {
            each: max(
                found.get((str(each.limit.meter), spans.index((each.start_us, each.end_us))), _ZERO), _ZERO
            )
            for each in limits
        }

    def _spent(self, snapshot: Snapshot, limits: Sequence[HeldLimit]) -> Used:
        rows = sorted({each.row for each in limits})
        rated = self._rater.rate(snapshot, np.array(rows, dtype=np.int64), digests=False)
        charges = rated.charges
        row = charges.row[rated.charge]
        amounts = rated.amount
        unrated = set(row[~rated.is_rated].tolist())
        # Lines of add-ons may be in another currency, which a limit in its plan's doesn't count.
        currencies = [each.effective.currency for each in charges.prices]
        price = charges.price[rated.charge]
        sums: dict[tuple[int, str], Decimal] = {}
        for number, (each, of_price) in enumerate(zip(row.tolist(), price.tolist(), strict=True)):
            key = each, currencies[of_price]
            sums[key] = EXACT.add(sums.get(key, _ZERO), amounts.decimal(number))
        return {
            each: None if each.row in unrated else max(sums.get((each.row, each.currency), _ZERO), _ZERO)
            for each in limits
        }
