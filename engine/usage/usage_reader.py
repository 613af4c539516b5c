"""The one way in to aggregated usage."""

import contextlib
from collections import OrderedDict
from threading import Lock

from engine.errors import RollupMovedError
from engine.usage.queries import Query, any_void_query, read_groups, usage_query
from engine.usage.rollup_coverage import Coverages
from engine.usage.rollup_plan import DAYS_FOR_CUSTOMERS_MIN, covered_customers, read_plan, stale_query
from engine.usage.rollup_read import rollup_query, useful_customers
from engine.usage.store import UsageStore
from engine.usage.usage_request import GroupUsage, UsageRequest

# Answers about a watermark never change; a few of the newest serve the meters of one rating.
_KNOWN_MAX = 1_000


class UsageReader:
    """Reads usage as of a watermark. Thread-safe as the store is."""

    def __init__(
        self,
        store: UsageStore,
        coverages: Coverages | None = None,
        days_for_customers_min: int = DAYS_FOR_CUSTOMERS_MIN,
    ) -> None:
        """Without `coverages` everything is read from events; `days_for_customers_min`: engine.usage.rollup_plan."""
        self._store = store
        self._days_for_customers_min = days_for_customers_min
        self._coverages = coverages
        self._facts: OrderedDict[tuple[str, int], bool] = OrderedDict()
        self._lock = Lock()

    def read(self, request: UsageRequest, groups_max: int, *, raw_only: bool = False) -> list[GroupUsage]:
        """The usage of the first `groups_max` groups, by customer, dimensions and window.

        A window without events has no entry, unless a level or a carried value lives on in it. The answer is the same
        from rollups and (`raw_only`) from events alone.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        any_facts = self._any_facts(request.tenant, request.as_of_us)
        query = None if raw_only else self._rollup_query(request, groups_max, any_facts=any_facts)
        if query is not None:
            # A row that moved on in between is rare, and the events say the same.
            with contextlib.suppress(RollupMovedError):
                return list(read_groups(request, self._store.query(query)))
        query = usage_query(request, groups_max, any_facts=any_facts)
        return list(read_groups(request, self._store.query(query)))

    def _rollup_query(self, request: UsageRequest, groups_max: int, *, any_facts: bool) -> Query | None:
        """None where rollups are of no use."""
        if self._coverages is None or request.rollup_key is None or request.draft_id is not None:
            return None
        coverage = self._coverages.of(request.tenant, request.rollup_key)
        covered = useful_customers(
            request, covered_customers(request, coverage, self._days_for_customers_min)
        )
        if not covered:
            return None
        stale = stale_query(request, covered, coverage.until_us, any_facts=any_facts)
        plan = read_plan(covered, self._store.query(stale))
        return None if plan is None else rollup_query(request, plan, groups_max, any_facts=any_facts)

    def _any_facts(self, tenant: str, as_of_us: int) -> bool:
        """Whether anything about the tenant's events was corrected by then."""
        key = (tenant, as_of_us)
        with self._lock:
            if key in self._facts:
                return self._facts[key]
        found = bool(self._store.query(any_void_query(tenant, as_of_us)))
        with self._lock:
            self._facts[key] = found
            if len(self._facts) > _KNOWN_MAX:
                self._facts.popitem(last=False)
        return found
