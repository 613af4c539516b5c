"""Raw events before the start of a month are deleted, after rollups that answer for them were made and verified.

Steps, for one tenant; a step that breaks off leaves every answer right, and the next call goes on:
1. Ids that were used twice are settled in the stretch, exactly.
2. Every customer that has events there is covered by hours, for every rollup key.
3. Rows are compared with events, for every key, customer and day. Any difference ends it.
4. Nothing may have happened to the stretch since the watermark of that comparison.
5. Keys, then customers are recorded as expired: from then on their stretch is answered from rows only.
6. A pause, longer than any answer stands that didn't know (engine.usage.query.expiries, rule 2).
7. The events go: those that were there when the rows were verified.

Whoever calls keeps upkeep of rollups away meanwhile, and has had events of the stretch refused for a while before.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import structlog

from engine.errors import StoreUnavailableError
from engine.upkeep.expire_queries import (
    covered_by_hours_query,
    deletable_query,
    delete_statement,
    expired_query,
    first_fact_query,
    holders_query,
    record_customers_statement,
    record_key_statement,
    size_query,
)
from engine.upkeep.rollup_check import RollupVerification
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.facts.usage_request import Measure, UsageRequest
from engine.usage.query.expired_read import Customers, Expired, changes_query, read_customers
from engine.usage.query.expiries import WAIT_S, ExpiredKey, Expiries
from engine.usage.rollups.rollups import Rollups, batches
from engine.usage.store.query import number
from engine.usage.store.usage_store import UsageStore
from ingest import IngestOrder

_log = structlog.get_logger(__name__)
_RETRY_AFTER_MS = 1_000
# Of one statement that records customers.
_CUSTOMERS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Extent:
    """What expires: events and customers, how many customers keep theirs, and about how many bytes that is on disk. A
    retry may count twice.
    """

    events: int = 0
    customers: int = 0
    kept_customers: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Holder:
    """A customer with events of a type before the instant; `from_us`: what lies before it has expired already, and
    before `first_form_us` in the first form.
    """

    customer_id: str
    all_events: int
    events: int
    first_us: int
    from_us: int
    first_form_us: int


@dataclass(frozen=True, slots=True)
class Clock:
    """Stamps, the time, and a way to let some seconds pass that ends early with an error of the tree."""

    order: IngestOrder
    now_us: Callable[[], int]
    pause_s: Callable[[int], None]

    def watermark(self) -> int:
        return self.order.watermark(self.now_us())


class Expire:
    """Expires one tenant's events, one call at a time."""

    def __init__(self, store: UsageStore, rollups: Rollups, reconciler: Reconciler, clock: Clock) -> None:
        self._store = store
        self._rollups = rollups
        self._reconciler = reconciler
        self._clock = clock
        self._verification = RollupVerification(store, rollups)

    def measure(self, tenant: str, meters: Sequence[Measure], before_us: int, keep: Container[str]) -> Extent:
        """What `expire` would delete now.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        customers: set[str] = set()
        kept: set[str] = set()
        events = 0
        for event_type in _by_type(meters):
            holders, late = self._holders(tenant, event_type, before_us, keep)
            kept.update(late)
            customers.update(each.customer_id for each in holders)
            events += sum(each.events for each in holders)
        ((size, rows),) = self._store.query(size_query(before_us))
        return Extent(events, len(customers), len(kept), events * number(size) // max(1, number(rows)))

    def expire(
        self,
        tenant: str,
        meters: Sequence[Measure],
        before_us: int,
        keep: Container[str],
        check_alone: Callable[[], None] = lambda: None,
    ) -> Extent:
        """Deletes the tenant's events before an instant, the start of a month, of all types that a meter reads, except
        of customers to `keep`. `check_alone` raises if upkeep of rollups is no longer kept away.

        Raises:
            StoreUnavailableError: expire again, it goes on.
            MeterlineError: rollups differ from their events: nothing was deleted.
        """
        extent = self.measure(tenant, meters, before_us, keep)
        self._reconciler.reconcile(tenant, 0, before_us)
        by_type = _by_type(meters)
        for event_type, of_type in by_type.items():
            self._record(tenant, event_type, of_type, before_us, keep)
        groups = [group for event_type in by_type for group in self._deletable(tenant, event_type)]
        if groups:
            self._clock.pause_s(WAIT_S)
        for event_type, group_before_us, verified_us in groups:
            check_alone()
            self._store.delete(delete_statement(tenant, event_type, group_before_us, verified_us))
        _log.info("usage expired", tenant=tenant, before_us=before_us, events=extent.events)
        return extent

    def _holders(
        self, tenant: str, event_type: str, before_us: int, keep: Container[str]
    ) -> tuple[list[_Holder], list[str]]:
        """Who has events to expire, also who is recorded as expired and has them still; and who keeps them."""
        expired = self._expired(tenant, event_type)
        holders: list[_Holder] = []
        kept: list[str] = []
        for customer, all_events, events, first_us in self._store.look_through(
            holders_query(tenant, event_type, before_us)
        ):
            customer_id = str(customer)
            done = expired.get(customer_id)
            if customer_id in keep and (done is None or done.before_us < before_us):
                kept.append(customer_id)
                continue
            holders.append(
                _Holder(
                    customer_id,
                    number(all_events),
                    number(events),
                    number(first_us),
                    0 if done is None else done.before_us,
                    0 if done is None else done.first_form_us,
                )
            )
        changed = self._changed(tenant, event_type, holders, expired)
        kept += sorted(changed)
        return [each for each in holders if each.customer_id not in changed], kept

    def _expired(self, tenant: str, event_type: str) -> Customers:
        return read_customers(self._store.query(expired_query(tenant, event_type)))

    def _changed(
        self, tenant: str, event_type: str, holders: Sequence[_Holder], expired: Mapping[str, Expired]
    ) -> set[str]:
        """Of whom something came after the stretch had expired: no row says it, and it must not go."""
        before = [each.customer_id for each in holders if each.customer_id in expired]
        as_of_us = self._clock.watermark()
        return self._changed_after(tenant, event_type, {each: expired[each] for each in before}, as_of_us)

    def _changed_after(
        self, tenant: str, event_type: str, stretches: Mapping[str, Expired], as_of_us: int
    ) -> set[str]:
        found: set[str] = set()
        customer_ids = list(stretches)
        for first in range(0, len(customer_ids), _CUSTOMERS_AT_ONCE):
            some = {each: stretches[each] for each in customer_ids[first : first + _CUSTOMERS_AT_ONCE]}
            end_us = max(each.before_us for each in some.values())
            # Each answer names a few: the rest is looked at again without them.
            while some:
                rows = self._store.query(
                    changes_query(_of_all_time(tenant, event_type, list(some), end_us, as_of_us), some)
                )
                if not rows:
                    break
                found.update(str(customer_id) for (customer_id,) in rows)
                some = {each: stretch for each, stretch in some.items() if each not in found}
        return found

    def _record(
        self,
        tenant: str,
        event_type: str,
        meters: Sequence[Measure],
        before_us: int,
        keep: Container[str],
    ) -> None:
        """Steps 2 to 5 of a type, for who isn't recorded yet."""
        holders, _ = self._holders(tenant, event_type, before_us, keep)
        new = sorted(
            (each for each in holders if each.from_us < before_us),
            key=lambda each: (each.from_us, each.customer_id),
        )
        if not new:
            return
        known = Expiries(self._store, lambda: 0, age_max_ns=0).read_anew(tenant)
        together = [
            group for _, same in groupby(new, key=lambda each: each.from_us) for group in _batched(list(same))
        ]
        ((first_fact_us,),) = self._store.query(first_fact_query(tenant, event_type, before_us))
        first_us = min(number(first_fact_us), *(each.first_us for each in new))
        verified_us = min(self._verified(meter, together, (first_us, before_us)) for meter in meters)
        as_of_us = self._clock.watermark()
        stretches = {each.customer_id: Expired(before_us, verified_us) for each in new}
        if changed := self._changed_after(tenant, event_type, stretches, as_of_us):
            raise StoreUnavailableError(
                f"usage of {len(changed)} customers changed while it was verified: expire again",
                retry_after_ms=_RETRY_AFTER_MS,
            )
        # By customers, not by keys: keys that were recorded before a crash kept no customer's events yet.
        expired = self._expired(tenant, event_type).values()
        earlier_us = max((each.before_us for each in expired), default=0)
        for meter in meters:
            rollup_key = _key_of(meter)
            of_key = known.key_of(meter)
            whole = of_key is not None and of_key.before_us >= earlier_us
            rows_from_us = of_key.rows_from_us if of_key is not None and whole else earlier_us
            known_us = 0 if of_key is None else of_key.before_us
            reach = ExpiredKey(event_type, rows_from_us, max(known_us, earlier_us, before_us), as_of_us)
            self._store.execute(record_key_statement(tenant, rollup_key, reach))
        for first in range(0, len(new), _CUSTOMERS_AT_ONCE):
            some = {each.customer_id: each.first_form_us for each in new[first : first + _CUSTOMERS_AT_ONCE]}
            self._store.execute(record_customers_statement(tenant, event_type, some, before_us, as_of_us))

    def _verified(
        self, meter: Measure, together: Sequence[Sequence[_Holder]], stretch_us: tuple[int, int]
    ) -> int:
        """Covers them under one key, and compares; the watermark of the comparison."""
        self._rollups.keep_up(meter)
        rows = self._store.query(covered_by_hours_query(meter.tenant, _key_of(meter)))
        covered = {str(customer_id) for (customer_id,) in rows}
        for some in together:
            missing = [each.customer_id for each in some if each.customer_id not in covered]
            if missing:
                self._rollups.cover_by_hours(meter, missing)
        until_us = self._rollups.keep_up(meter).until_us
        for some in together:
            customer_ids = [each.customer_id for each in some]
            since_us = max(some[0].from_us, stretch_us[0])
            self._verification.check(meter, customer_ids, (since_us, stretch_us[1]), until_us)
        return until_us

    def _deletable(self, tenant: str, event_type: str) -> list[tuple[str, int, int]]:
        """What expired at once and has events left, by (event_type, before_us, verified_us)."""
        at_once = {(each.before_us, each.verified_us) for each in self._expired(tenant, event_type).values()}
        found = []
        for before_us, verified_us in sorted(at_once):
            rows = self._store.look_through(deletable_query(tenant, event_type, before_us, verified_us))
            if number(rows[0][0]):
                found.append((event_type, before_us, verified_us))
        return found


def _by_type(meters: Sequence[Measure]) -> dict[str, list[Measure]]:
    """The meters of each event type, of those that share a rollup key one."""
    by_key = {meter.rollup_key: meter for meter in meters}
    found: dict[str, list[Measure]] = {}
    for meter in by_key.values():
        found.setdefault(meter.event_type, []).append(meter)
    return found


def _batched(holders: Sequence[_Holder]) -> list[list[_Holder]]:
    by_id = {each.customer_id: each for each in holders}
    weighed = [(each.customer_id, each.all_events) for each in holders]
    return [[by_id[str(customer_id)] for customer_id, _ in some] for some in batches(weighed)]


def _of_all_time(
    tenant: str, event_type: str, customer_ids: Sequence[str], end_us: int, as_of_us: int
) -> UsageRequest:
    counted = Measure(
        tenant=tenant, event_type=event_type, aggregation="count", value=None, filters={}, group_by=()
    )
    return counted.asked(customer_ids, (0, end_us), as_of_us)


def _key_of(meter: Measure) -> str:
    if meter.rollup_key is None:
        raise ValueError("a meter whose usage expires needs a rollup key")
    return meter.rollup_key
