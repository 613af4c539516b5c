"""The one way in to aggregated usage."""

from collections import OrderedDict
from threading import Lock

from engine.usage.queries import any_void_query, read_groups, usage_query
from engine.usage.store import UsageStore
from engine.usage.usage_request import GroupUsage, UsageRequest

# Answers about a watermark never change; a few of the newest serve the meters of one rating.
_KNOWN_MAX = 1_000


class UsageReader:
    """Reads usage as of a watermark. Thread-safe as the store is."""

    def __init__(self, store: UsageStore) -> None:
        self._store = store
        self._facts: OrderedDict[tuple[str, int], bool] = OrderedDict()
        self._lock = Lock()

    def read(self, request: UsageRequest, groups_max: int, groups_skip: int = 0) -> list[GroupUsage]:
        """The usage of at most `groups_max` groups after the first `groups_skip`, by customer, dimensions and
        window. Each has an entry at least.

        A window without events has no entry, unless a level or a carried value lives on in it.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        any_facts = self._any_facts(request.tenant, request.as_of_us)
        rows = self._store.query(usage_query(request, groups_max, groups_skip, any_facts=any_facts))
        return [usage for row in rows for usage in read_groups(request, row)]

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
