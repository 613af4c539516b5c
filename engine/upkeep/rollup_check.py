"""A continuous check of rollups: some answers read twice, from rows and from events. They must never differ."""

# ruff: noqa: S608 - only names that are written here become SQL

import random
from dataclasses import dataclass, replace

import structlog

from engine.metrics import METRICS
from engine.usage.facts.usage_request import UsageRequest
from engine.usage.query.usage_reader import UsageReader
from engine.usage.rollups.rollups import Rollups
from engine.usage.store.query import Query, number
from engine.usage.store.retention_schema import EXPIRED_CUSTOMERS_TABLE
from engine.usage.store.rollup_schema import DAY_S, HOUR_S, ROLLUP_CUSTOMERS_TABLE, ROLLUPS_TABLE
from engine.usage.store.usage_store import UsageStore

_log = structlog.get_logger(__name__)
# One with hours, and as many with days as one read takes from rows.
_CUSTOMERS = {HOUR_S: 1, DAY_S: 50}
_SLICES_AROUND = 3
_GROUPS_MAX = 10_000
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

    def compare(self, meter: UsageRequest, as_of_us: int) -> int:
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
                    replace(
                        meter,
                        customer_ids=customer_ids,
                        bounds_us=(max(since_us, start_us - around_us), start_us + around_us),
                        as_of_us=max(1, at_us),
                        carries_over=False,
                    )
                )
        return differing

    def _differing(self, request: UsageRequest) -> int:
        from_rows = set(self.reader.read(request, _GROUPS_MAX))
        from_events = set(self.reader.read(request, _GROUPS_MAX, raw_only=True))
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


def _customers_query(meter: UsageRequest, slice_s: int, customers: int, salt: int) -> Query:
    return Query(
        f"SELECT customer_id FROM {ROLLUP_CUSTOMERS_TABLE} WHERE tenant = {{tenant:String}} "
        "AND rollup_key = {rollup_key:String} GROUP BY customer_id HAVING min(slice_s) = {slice_s:UInt32} "
        "ORDER BY cityHash64(customer_id, {salt:UInt64}) LIMIT {customers:UInt64}",
        _key(meter) | {"slice_s": slice_s, "salt": salt, "customers": customers},
    )


def _expired_query(meter: UsageRequest, customer_ids: list[str]) -> Query:
    """Up to when any of these customers' events have expired; 0 for none."""
    return Query(
        f"SELECT toUnixTimestamp64Micro(max(expired_before)) FROM {EXPIRED_CUSTOMERS_TABLE} "
        "WHERE tenant = {tenant:String} AND event_type = {event_type:String} "
        "AND customer_id IN {customer_ids:Array(String)}",
        {"tenant": meter.tenant, "event_type": meter.event_type, "customer_ids": customer_ids},
    )


def _slice_query(
    meter: UsageRequest, slice_s: int, customer_ids: list[str], salt_and_since_us: tuple[int, int]
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


def _key(meter: UsageRequest) -> dict[str, object]:
    return {"tenant": meter.tenant, "rollup_key": meter.rollup_key}
