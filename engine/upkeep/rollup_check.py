"""Whether rollups say exactly what their events say: answers read twice, from rows and from events.

Some are looked at all the time (RollupCheck); all that are about to stand alone are, before their events go
(RollupVerification). Both ways are read at one watermark, and the digest of the events is part of the answer, so that no
event can stand in for another.
"""

# ruff: noqa: S608 - only names that are written here become SQL

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from engine.errors import MeterlineError
from engine.metrics import METRICS
from engine.times import datetime_us, us_datetime
from engine.usage.facts.queries import read_groups, rows_max
from engine.usage.facts.usage_request import Measure, UsageRequest
from engine.usage.query.usage_reader import UsageReader
from engine.usage.rollups.plan import ReadPlan
from engine.usage.rollups.read import rollup_query
from engine.usage.rollups.rollups import Rollups
from engine.usage.store.query import Query, number
from engine.usage.store.tables.retention_schema import EXPIRED_CUSTOMERS_TABLE
from engine.usage.store.tables.rollup_schema import DAY_S, HOUR_S, ROLLUP_CUSTOMERS_TABLE, ROLLUPS_TABLE
from engine.usage.store.usage_store import UsageStore

_log = structlog.get_logger(__name__)
# One with hours, and as many with days as one read takes from rows.
_CUSTOMERS = {HOUR_S: 1, DAY_S: 50}
_SLICES_AROUND = 3
_CHECK_GROUPS_MAX = 10_000
# Of a month of 500 customers; past it nothing is said to be verified.
_VERIFY_GROUPS_MAX = 200_000
# Half of the checks look at a watermark so much earlier, at most.
_EARLIER_US_MAX = 3_600_000_000
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class RollupCheck:
    """Compares, counts what differs, and has it computed again."""

    store: UsageStore
    rollups: Rollups
    reader: UsageReader
    chance: random.Random

    def compare(self, meter: Measure, as_of_us: int) -> int:
        """Reads some slices of some customers of a meter in both ways; in how many groups the answers differ.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        differing = 0
        for slice_s, customers in _CUSTOMERS.items():
            salt = self.chance.getrandbits(63)
            rows = self.store.query(_customers_query(meter, slice_s, customers, salt))
            customer_ids = sorted(str(customer_id) for (customer_id,) in rows)
            if not customer_ids:
                continue
            # What has expired can't be compared with events any more.
            ((expired_us,),) = self.store.query(_expired_query(meter, customer_ids))
            since_us = number(expired_us)
            found = self.store.query(_slice_query(meter, slice_s, customer_ids, (salt, since_us)))
            if found:
                at_us = as_of_us - self.chance.choice((0, self.chance.randrange(_EARLIER_US_MAX)))
                start_us = number(found[0][0]) * _SECOND_US
                around_us = _SLICES_AROUND * slice_s * _SECOND_US
                differing += self._differing(
                    replace(meter, carries_over=False).asked(
                        customer_ids,
                        (max(since_us, start_us - around_us), start_us + around_us),
                        max(1, at_us),
                    )
                )
        return differing

    def _differing(self, request: UsageRequest) -> int:
        from_rows = set(self.reader.read(request, _CHECK_GROUPS_MAX))
        from_events = set(self.reader.read(request, _CHECK_GROUPS_MAX, raw_only=True))
        METRICS.rollup_checks.inc()
        wrong = from_rows ^ from_events
        METRICS.rollup_drift.inc(len(wrong))
        for customer_id in sorted({usage.customer_id for usage in wrong}):
            _log.error(
                "rollup differs from its events: it is computed again",
                tenant=request.tenant,
                customer_id=customer_id,
                event_type=request.event_type,
                aggregation=request.aggregation,
                period_start_us=request.bounds_us[0],
                period_end_us=request.bounds_us[-1],
                as_of_us=request.as_of_us,
            )
            self.rollups.roll_up_again(request, customer_id)
        return len(wrong)


def _customers_query(meter: Measure, slice_s: int, customers: int, salt: int) -> Query:
    return Query(
        f"SELECT customer_id FROM {ROLLUP_CUSTOMERS_TABLE} WHERE tenant = {{tenant:String}} "
        "AND rollup_key = {rollup_key:String} GROUP BY customer_id HAVING min(slice_s) = {slice_s:UInt32} "
        "ORDER BY cityHash64(customer_id, {salt:UInt64}) LIMIT {customers:UInt64}",
        _key(meter) | {"slice_s": slice_s, "salt": salt, "customers": customers},
    )


def _expired_query(meter: Measure, customer_ids: list[str]) -> Query:
    """Up to when any of these customers' events have expired; 0 for none."""
    return Query(
        f"SELECT toUnixTimestamp64Micro(max(expired_before)) FROM {EXPIRED_CUSTOMERS_TABLE} "
        "WHERE tenant = {tenant:String} AND event_type = {event_type:String} "
        "AND customer_id IN {customer_ids:Array(String)}",
        {"tenant": meter.tenant, "event_type": meter.event_type, "customer_ids": customer_ids},
    )


def _slice_query(
    meter: Measure, slice_s: int, customer_ids: list[str], salt_and_since_us: tuple[int, int]
) -> Query:
    salt, since_us = salt_and_since_us
    return Query(
        f"SELECT toUnixTimestamp(slice_start) FROM {ROLLUPS_TABLE} WHERE tenant = {{tenant:String}} "
        "AND rollup_key = {rollup_key:String} AND slice_s = {slice_s:UInt32} "
        "AND customer_id IN {customer_ids:Array(String)} "
        "AND toUnixTimestamp(slice_start) * 1000000 >= {since_us:Int64} "
        "ORDER BY cityHash64(customer_id, slice_start, {salt:UInt64}) LIMIT 1",
        _key(meter) | {"slice_s": slice_s, "salt": salt, "customer_ids": customer_ids, "since_us": since_us},
    )


def _key(meter: Measure) -> dict[str, object]:
    return {"tenant": meter.tenant, "rollup_key": meter.rollup_key}


@dataclass(frozen=True, slots=True)
class RollupVerification:
    """Reads both and compares."""

    store: UsageStore
    rollups: Rollups

    def check(
        self, meter: Measure, customer_ids: Sequence[str], stretch_us: tuple[int, int], as_of_us: int
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
            request = replace(meter, carries_over=False).asked(ids, bounds_us, as_of_us)
            plan = ReadPlan({HOUR_S: ids}, {HOUR_S: ()})
            rows = self.store.query(rollup_query(request, plan, _VERIFY_GROUPS_MAX, any_facts=True))
            if len(rows) >= rows_max(request, _VERIFY_GROUPS_MAX):
                raise MeterlineError(
                    f"a month of event_type {meter.event_type!r} makes more than {_VERIFY_GROUPS_MAX:,} groups for "
                    f"{len(customer_ids)} customers: too many to verify"
                )
            from_rows = [usage for group in read_groups(request, rows) for usage in group.usage]
            from_events = events.read(request, _VERIFY_GROUPS_MAX, raw_only=True)
            METRICS.rollup_checks.inc()
            if from_rows != from_events:
                differing = set(from_rows) ^ set(from_events)
                METRICS.rollup_drift.inc(len(differing))
                self._mend(meter, sorted({usage.customer_id for usage in differing}))

    def _mend(self, meter: Measure, customer_ids: Sequence[str]) -> None:
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
