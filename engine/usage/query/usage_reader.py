"""The one way in to aggregated usage."""

import contextlib
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from engine.errors import RollupMovedError
from engine.times import INSTANT_US_MAX
from engine.usage.facts.queries import read_groups, rows_max, usage_query
from engine.usage.facts.usage_request import Groups, GroupUsage, UsageRequest
from engine.usage.query.expired_read import (
    Customers,
    changes_query,
    check_servable,
    check_unchanged,
    checked_plan,
    covered,
    events_needed,
    expired_customers_query,
    reaches_back,
    read_customers,
)
from engine.usage.query.expiries import Expiries, Expiry
from engine.usage.rollups.coverage import Coverages
from engine.usage.rollups.plan import (
    DAYS_FOR_CUSTOMERS_MIN,
    ReadPlan,
    covered_customers,
    read_plan,
    stale_query,
)
from engine.usage.rollups.read import can_serve, rollup_query, useful_customers
from engine.usage.store.query import Query
from engine.usage.store.tables.void_sql import any_event_query, any_void_query
from engine.usage.store.usage_store import Row, UsageStore

# 100 bytes each.
_TENANTS_MAX = 1_000
# A tenant has no fact up to the first of these stamps, and some from the second on.
_NOTHING_KNOWN = (-1, 2**63)
_ATTEMPTS_MAX = 3
_SOME = -1
_RETRY_AFTER_MS = 1_000


class UsageReader:
    """Reads usage as of a watermark. Thread-safe as the store is."""

    def __init__(
        self,
        store: UsageStore,
        coverages: Coverages | None = None,
        days_for_customers_min: int = DAYS_FOR_CUSTOMERS_MIN,
        expiries: Expiries | None = None,
    ) -> None:
        """Without `coverages` everything is read from events; `days_for_customers_min`: engine.usage.rollups.plan.
        Without `expiries` what has expired is looked up at every read.
        """
        self._store = store
        self.days_for_customers_min = days_for_customers_min
        self.coverages = coverages
        self.expiries = expiries or Expiries(store, lambda: 0, age_max_ns=0)
        # What was recorded by a settled watermark never changes: no fact by then is none before, one is there ever after.
        self._facts: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._without_facts, self._without_events = _Without(store), _Without(store)
        self._lock = Lock()

    def read(self, request: UsageRequest, groups_max: int, *, raw_only: bool = False) -> list[GroupUsage]:
        """The usage of the first `groups_max` groups, by customer, dimensions and window.

        A window without events has no entry, unless a level or a carried value lives on in it. The answer is the same
        from rollups and (`raw_only`) from events alone.

        Raises:
            StoreUnavailableError: the store does not answer.
            UsageExpiredError: the events that an exact answer needs have expired.
        """
        rows = self._rows(request, groups_max, 0, raw_only=raw_only)
        return [usage for group in read_groups(request, rows) for usage in group.usage]

    def read_on(
        self, request: UsageRequest, groups_max: int, states_skip: int, *, raw_only: bool = False
    ) -> Groups:
        """Whole groups, about `groups_max` of them, behind the groups that the first `states_skip` states made.

        Raises:
            StoreUnavailableError, UsageExpiredError: as `read`.
        """
        rows = self._rows(request, groups_max, states_skip, raw_only=raw_only)
        groups = list(read_groups(request, rows))
        more = len(rows) == rows_max(request, groups_max)
        # The last of them may have been cut. One alone has no more states than that.
        return Groups(groups[:-1] if more and len(groups) > 1 else groups, more)

    def _rows(
        self, request: UsageRequest, groups_max: int, states_skip: int, *, raw_only: bool
    ) -> Sequence[Row]:
        while True:
            known = self.expiries.of(request.tenant)
            rows = self._rows_knowing(request, groups_max, states_skip, known, raw_only=raw_only)
            if self.expiries.stands(request.tenant, known):
                return rows

    def _rows_knowing(
        self, request: UsageRequest, groups_max: int, states_skip: int, known: Expiry, *, raw_only: bool
    ) -> Sequence[Row]:
        any_facts = self.any_facts(request.tenant, request.as_of_us)
        if reaches_back(request, known):
            expired = read_customers(self._store.query(expired_customers_query(request)))
            if expired:
                if raw_only or request.draft_id is not None:
                    raise events_needed(expired)
                check_servable(request, expired, known.key_of(request))
                check_unchanged(request, expired, self._store.query(changes_query(request, expired)))
                return self._kept_rows(request, groups_max, states_skip, expired, any_facts=any_facts)
        plan = None if raw_only else self._rollup_plan(request, any_facts=any_facts)
        if plan is not None:
            # A row that moved on in between is rare, and the events say the same.
            with contextlib.suppress(RollupMovedError):
                return self._rolled_rows(request, plan, groups_max, states_skip, any_facts=any_facts)
        return self._store.query(usage_query(request, groups_max, states_skip, any_facts=any_facts))

    def _kept_rows(
        self,
        request: UsageRequest,
        groups_max: int,
        states_skip: int,
        expired: Customers,
        *,
        any_facts: bool,
    ) -> Sequence[Row]:
        """From rows, or not at all (engine.usage.query.expired_read)."""
        key = request.rollup_key
        if self.coverages is None or key is None:
            raise events_needed(expired)
        for _ in range(_ATTEMPTS_MAX):
            coverage = self.coverages.of(request.tenant, key)
            from_rows = covered(request, expired, coverage, self.days_for_customers_min)
            stale = stale_query(request, from_rows, coverage.until_us, any_facts=any_facts)
            plan = checked_plan(read_plan(from_rows, self._store.query(stale)), request, expired)
            # A row that moved on in between can't be made up for by events: with newer progress it is stale, or right.
            with contextlib.suppress(RollupMovedError):
                return self._rolled_rows(request, plan, groups_max, states_skip, any_facts=any_facts)
            self.coverages.forget(request.tenant, key)
        raise RollupMovedError(
            "rollups move on while they are read: try again", retry_after_ms=_RETRY_AFTER_MS
        )

    def _rolled_rows(
        self, request: UsageRequest, plan: ReadPlan, groups_max: int, states_skip: int, *, any_facts: bool
    ) -> Sequence[Row]:
        """Raises RollupMovedError as engine.usage.rollups.read, rule 3."""
        may_move = self._may_have_moved(request)
        found = self._store.query(
            rollup_query(request, plan, groups_max, states_skip, any_facts=any_facts, may_move=may_move)
        )
        if may_move or not self._may_have_moved(request):
            return found
        return self._store.query(rollup_query(request, plan, groups_max, states_skip, any_facts=any_facts))

    def _may_have_moved(self, request: UsageRequest) -> bool:
        own = self._store.own_writes
        return own is None or own.rows_as_of_us(request.tenant) > request.as_of_us

    def _rollup_plan(self, request: UsageRequest, *, any_facts: bool) -> ReadPlan | None:
        """None where rollups are of no use."""
        key = request.rollup_key if request.draft_id is None else None
        if self.coverages is None or key is None or not can_serve(request):
            return None
        coverage = self.coverages.of(request.tenant, key)
        covered = useful_customers(request, covered_customers(request, coverage, self.days_for_customers_min))
        if not covered:
            return None
        stale = stale_query(request, covered, coverage.until_us, any_facts=any_facts)
        return read_plan(covered, self._store.query(stale))

    def any_facts(self, tenant: str, as_of_us: int) -> bool:
        """Whether anything about the tenant's events was corrected by then."""
        with self._lock:
            none_until_us, some_from_us = self._facts.get(tenant, _NOTHING_KNOWN)
        if as_of_us <= none_until_us:
            return False
        if as_of_us >= some_from_us:
            return True
        own = self._store.own_writes
        if own is not None and self._without_facts.knows(any_void_query(tenant, INSTANT_US_MAX), own.facts):
            return False
        found = bool(self._store.query(any_void_query(tenant, as_of_us)))
        with self._lock:
            none_until_us, some_from_us = self._facts.get(tenant, _NOTHING_KNOWN)
            if found:
                some_from_us = min(some_from_us, as_of_us)
            else:
                none_until_us = max(none_until_us, as_of_us)
            self._facts[tenant] = (none_until_us, some_from_us)
            self._facts.move_to_end(tenant)
            if len(self._facts) > _TENANTS_MAX:
                self._facts.popitem(last=False)
        return found

    def any_events(self, tenant: str) -> bool:
        """False where the tenant has no event of any watermark that has begun, and this process would know of new ones."""
        own = self._store.own_writes
        return own is None or not self._without_events.knows(any_event_query(tenant), own.events)


class _Without:
    """Tenants of whom there are no rows of a kind, in a store that this process alone writes. Thread-safe."""

    def __init__(self, store: UsageStore) -> None:
        self._store = store
        # How often such rows had been inserted when a tenant was seen to have none; _SOME for who has some.
        self._none_at: dict[str, int] = {}
        self._lock = Lock()

    def knows(self, any_row: Query, inserted: int) -> bool:
        """Whether the query for any of the tenant's rows finds none. `inserted`: how often such rows were, by now."""
        tenant = str(any_row.parameters["tenant"])
        none_at = self._none_at.get(tenant)
        if none_at in (inserted, _SOME):
            return none_at == inserted
        found = bool(self._store.query(any_row))
        with self._lock:
            if len(self._none_at) >= _TENANTS_MAX:
                self._none_at.clear()
            self._none_at[tenant] = _SOME if found else inserted
        return not found
