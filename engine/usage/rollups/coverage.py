"""Which customers have rollups, and up to where: remembered for some seconds.

Rules:
1. What was true stays true (progress and covered customers only ever grow), so an old answer is a right one, which
   leaves more to be read from events.
2. Progress is read by a statement before the one that reads the customers it is put together with: the days of one who
   has come to have hours are kept up no longer.
3. Customers are read anew when there are more than those that are known: thousands of ids every two seconds would cost
   more than many a read. Nobody ever leaves, so the same number is the same customers: only those are counted that
   are sure to stay.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast

from engine.recent_answers import RecentAnswers
from engine.usage.store.query import Query, number
from engine.usage.store.tables.rollup_schema import ROLLUP_CUSTOMERS_TABLE, ROLLUP_PROGRESS_TABLE
from engine.usage.store.usage_store import UsageStore

# So that the queries of a busy second share one answer, and little more than that is stale.
_AGE_MAX_NS = 2_000_000_000
# Customers of one key that are remembered: 100 bytes each. Those past them, by id, are read from events.
_CUSTOMERS_MAX = 200_000
_KEYS_MAX = 100


@dataclass(frozen=True, slots=True)
class Coverage:
    """until_us: everything that happened up to this stamp is in rows; 0 for no rollups. slice_s: customer_id -> length
    of its slices. pairs: so many of customer and length there were when it was read; -1 for unknown.
    """

    until_us: int
    slice_s: Mapping[str, int]
    pairs: int = -1


_OF_KEY = "tenant = {tenant:String} AND rollup_key = {rollup_key:String}"


def progress_query(tenant: str, rollup_key: str) -> Query:
    """One row: progress in us, 0 for none."""
    return Query(
        f"SELECT toUnixTimestamp64Micro(max(rolled_up_until)) FROM {ROLLUP_PROGRESS_TABLE} WHERE {_OF_KEY}",
        {"tenant": tenant, "rollup_key": rollup_key},
    )


def pairs_query(tenant: str, rollup_key: str) -> Query:
    """One row: how many pairs of customer and length there are."""
    return Query(
        f"SELECT uniqExact(customer_id, slice_s) FROM {ROLLUP_CUSTOMERS_TABLE} WHERE {_OF_KEY}",
        {"tenant": tenant, "rollup_key": rollup_key},
    )


def customers_query(tenant: str, rollup_key: str) -> Query:
    """Rows of (length of slices, customer_ids)."""
    # A row a length, not a row a customer: these are read hundreds of times as fast.
    return Query(
        "SELECT length_s, groupArray(customer_id) FROM ("
        f"SELECT min(slice_s) AS length_s, customer_id FROM {ROLLUP_CUSTOMERS_TABLE} WHERE {_OF_KEY} "
        "GROUP BY customer_id ORDER BY customer_id LIMIT {customers_max:UInt64}) GROUP BY length_s",
        {"tenant": tenant, "rollup_key": rollup_key, "customers_max": _CUSTOMERS_MAX},
    )


class Coverages:
    """The coverage of the keys that were asked for last. Thread-safe."""

    def __init__(
        self, store: UsageStore, monotonic_ns: Callable[[], int], age_max_ns: int = _AGE_MAX_NS
    ) -> None:
        self._store = store
        self._known = RecentAnswers[tuple[str, str], Coverage](monotonic_ns, age_max_ns, _KEYS_MAX)

    def of(self, tenant: str, rollup_key: str) -> Coverage:
        """Raises StoreUnavailableError if the store does not answer."""
        return self._known.of((tenant, rollup_key), partial(self._read, tenant, rollup_key))

    def forget(self, tenant: str, rollup_key: str) -> None:
        """Has it read anew when it is asked for next."""
        self._known.forget((tenant, rollup_key))

    def _read(self, tenant: str, rollup_key: str, known: Coverage | None) -> Coverage:
        ((stamp_us,),) = self._store.query(progress_query(tenant, rollup_key))
        ((count,),) = self._store.query_to_keep(pairs_query(tenant, rollup_key))
        until_us, pairs = number(stamp_us), number(count)
        if known is not None and known.pairs == pairs:
            return Coverage(until_us, known.slice_s, pairs)
        lengths: dict[str, int] = {}
        found = self._store.query_to_keep(customers_query(tenant, rollup_key))
        for length_s, customer_ids in found:
            lengths |= dict.fromkeys(cast("list[str]", customer_ids), number(length_s))
        # A customer may be covered before progress is first kept: then everything about it is stale, and read anyway.
        return Coverage(until_us, lengths, pairs)
