"""Whether rows say exactly what the events say: looked at before the events go.

Both are read at one watermark, day by day. The digest of the events is part of the answer, so that no event can stand
in for another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from engine.errors import MeterlineError
from engine.metrics import METRICS
from engine.times import datetime_us, us_datetime
from engine.usage.facts.queries import read_groups, rows_max
from engine.usage.facts.usage_request import UsageRequest
from engine.usage.query.usage_reader import UsageReader
from engine.usage.rollups.plan import Plan
from engine.usage.rollups.read import rollup_query
from engine.usage.rollups.rollups import Rollups
from engine.usage.store.rollup_schema import HOUR_S
from engine.usage.store.usage_store import UsageStore

_log = structlog.get_logger(__name__)
# Of a month of 500 customers; past it nothing is said to be verified.
_GROUPS_MAX = 200_000


@dataclass(frozen=True, slots=True)
class RollupVerification:
    """Reads both and compares."""

    store: UsageStore
    rollups: Rollups

    def check(
        self, meter: UsageRequest, customer_ids: Sequence[str], stretch_us: tuple[int, int], as_of_us: int
    ) -> None:
        """All of a stretch, for customers who are covered by hours up to `as_of_us`.

        Raises:
            MeterlineError: rows and events differ.
            StoreUnavailableError: the store does not answer, or a row moved on meanwhile.
        """
        # Rows that are to stand for what has expired are checked before: its events are still there.
        events = UsageReader(self.store)
        ids = sorted(customer_ids)
        for bounds_us in months_by_days(*stretch_us):
            request = replace(
                meter,
                customer_ids=ids,
                bounds_us=bounds_us,
                as_of_us=as_of_us,
                carries_over=False,
            )
            plan = Plan({HOUR_S: ids}, {HOUR_S: ()})
            rows = self.store.query(rollup_query(request, plan, _GROUPS_MAX, any_facts=True))
            if len(rows) >= rows_max(request, _GROUPS_MAX):
                raise MeterlineError(
                    f"a month of event_type {meter.event_type!r} makes more than {_GROUPS_MAX:,} groups for "
                    f"{len(customer_ids)} customers: too many to verify"
                )
            from_rows = [usage for group in read_groups(request, rows) for usage in group.usage]
            from_events = events.read(request, _GROUPS_MAX, raw_only=True)
            METRICS.rollup_checks.inc()
            if from_rows != from_events:
                differing = set(from_rows) ^ set(from_events)
                METRICS.rollup_drift.inc(len(differing))
                self._mend(meter, sorted({usage.customer_id for usage in differing}))

    def _mend(self, meter: UsageRequest, customer_ids: Sequence[str]) -> None:
        for customer_id in customer_ids:
            _log.error(
                "rollup differs from its events: it is computed again, and nothing expires",
                tenant=meter.tenant,
                customer_id=customer_id,
                event_type=meter.event_type,
                aggregation=meter.aggregation,
            )
            self.rollups.roll_up_again(meter, customer_id)
        raise MeterlineError(
            f"rollups of {len(customer_ids)} customers differ from their events (event_type {meter.event_type!r}, "
            f"{meter.aggregation}): nothing was deleted; they were computed again: see the log, then expire again"
        )


def months_by_days(start_us: int, end_us: int) -> Iterator[tuple[int, ...]]:
    """The days of each month in UTC that has any of the stretch, as bounds; `end_us` is the start of a month."""
    start = us_datetime(start_us).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while datetime_us(start) < end_us:
        after = (start + timedelta(days=31)).replace(day=1)
        days = (after - start).days
        yield tuple(datetime_us(start + timedelta(days=day)) for day in range(days + 1))
        start = after
