"""Metered usage from a place on, as far as somebody wants it. Pure but for what it is given to read with.

Rules:
1. Rows come by customer, group of dimensions, and window. A place is a customer, and how many states of the
   customer's groups, and rows of the group, come before it: at one watermark it means the same row for ever.
2. Customers and groups are read some at a time: as many as the rows that are wanted should take, by how many rows
   those before them made.
3. What comes before the place in the order of customers is not read again; of its own customer, what comes before is
   aggregated by the store again and not sent.
4. Which customers may have usage is a look along the sorting key, which ends where enough were found. Whether an event is
   void, came after the watermark or passes no filter is not looked at: a customer of whom there is nothing else makes no
   row of usage. So are those whose events have expired, whatever they had.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from engine.usage.facts.event_source import AFTER_START, BEFORE_END, OF_TENANT_AND_TYPE
from engine.usage.facts.usage_request import Group, Groups, GroupUsage, UsageRequest
from engine.usage.store.query import Query
from engine.usage.store.tables.retention_schema import EXPIRED_CUSTOMERS_TABLE
from engine.usage.store.tables.schema import EVENTS_TABLE, VOIDS_TABLE, stamp_sql
from engine.usage.store.usage_store import UsageStore

# Rows that are in memory at once: some tens of megabytes.
_ROWS_MAX = 50_000
# To read a little too much costs less than to read twice.
_GROUPS_MARGIN = 2
# Bound as one parameter, of which a ClickHouse server takes 128 KiB: ids have up to 128 bytes.
CUSTOMERS_AT_ONCE_MAX = 500

# The groups of some customers: about so many, after so many states.
ReadGroups = Callable[[Sequence[str], int, int], Groups]
# The first so many customers at or behind an id, in order.
CustomersFrom = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class RowPlace:
    """A row: its customer (empty where customers are no group), and what comes before it: states of the customer's
    groups, and rows of its own group; `groups`: how many groups of the customer that have rows.
    """

    customer_id: str = ""
    states: int = 0
    rows: int = 0
    groups: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """About how many rows somebody will take, each in one of so many windows."""

    rows: int
    windows: int


def usage_from(
    place: RowPlace, wanted: Wanted, read: ReadGroups, customers_from: CustomersFrom
) -> Iterator[tuple[RowPlace, GroupUsage]]:
    """Each row with its place, from a place on, also past those that are wanted. Nothing is read in advance."""
    customer_id, states, skip_rows, groups = place.customer_id, place.states, place.rows, place.groups
    for group in _groups_from(place, _Pace(wanted), read, customers_from):
        if group.customer_id != customer_id:
            customer_id, states, groups = group.customer_id, 0, 0
        for number, row in enumerate(group.usage):
            if number >= skip_rows:
                yield RowPlace(customer_id, states, number, groups), row
        states += group.states
        groups += bool(group.usage)
        skip_rows = 0


def _groups_from(
    place: RowPlace, pace: "_Pace", read: ReadGroups, customers_from: CustomersFrom
) -> Iterator[Group]:
    at: str | None = place.customer_id
    skip = place.states
    while at is not None:
        count = pace.customers_next()
        # One more says where to go on.
        customers = customers_from(at, count + 1)
        at = customers[count] if len(customers) > count else None
        more = bool(customers)
        while more:
            found = read(customers[:count], pace.groups_next(), skip)
            pace.add(len(found.groups), sum(len(group.usage) for group in found.groups))
            yield from found.groups
            more = found.more
            skip += sum(group.states for group in found.groups)
        pace.customers += count
        skip = 0


class _Pace:
    """How many customers and groups to read next."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self.customers = self._groups = self._rows = 0

    def add(self, groups: int, rows: int) -> None:
        self._groups += groups
        self._rows += rows

    def customers_next(self) -> int:
        # Nothing is known of the first: half as many as would do if each had one group.
        if not self.customers:
            return self._bounded(self._wanted.rows // (2 * self._wanted.windows), CUSTOMERS_AT_ONCE_MAX)
        return self._bounded(self._left() * self.customers // max(1, self._rows) + 1, CUSTOMERS_AT_ONCE_MAX)

    def groups_next(self) -> int:
        windows = self._wanted.windows
        # A group may have states of before the period alone, and no row.
        rows_each = max(1, -(-self._rows // self._groups)) if self._groups else windows
        return self._bounded(_GROUPS_MARGIN * (self._left() // rows_each + 1), _ROWS_MAX // windows)

    def _left(self) -> int:
        return max(1, self._wanted.rows - self._rows)

    @staticmethod
    def _bounded(count: int, most: int) -> int:
        return max(1, min(count, most))


def customers_from(store: UsageStore, request: UsageRequest, from_customer_id: str, count: int) -> list[str]:
    """The first `count` customers at or behind an id who have events that the request may read.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    return [str(row[0]) for row in store.query(customers_query(request, from_customer_id, count))]


def customers_query(request: UsageRequest, from_customer_id: str, count: int) -> Query:
    from_then_on = "customer_id >= {from_customer_id:String}"
    conditions = [*OF_TENANT_AND_TYPE, BEFORE_END, from_then_on]
    conditions += [] if request.carries_over else [AFTER_START]
    after = f"expired_before > {stamp_sql('period_start_us')}"
    gone = [*OF_TENANT_AND_TYPE, from_then_on, *([] if request.carries_over else [after])]
    # An event that a person moved to another customer is in the table of voids alone.
    sources = (
        (EVENTS_TABLE, conditions),
        (VOIDS_TABLE, [*conditions, "is_replacement = 1"]),
        (EXPIRED_CUSTOMERS_TABLE, gone),
    )
    found = " UNION ALL ".join(
        f"SELECT customer_id FROM (SELECT customer_id FROM {table} WHERE {' AND '.join(where)} "
        "GROUP BY customer_id ORDER BY customer_id LIMIT {count:UInt64})"
        for table, where in sources
    )
    return Query(
        f"SELECT DISTINCT customer_id FROM ({found}) ORDER BY customer_id LIMIT {{count:UInt64}} "
        "SETTINGS optimize_aggregation_in_order = 1",
        {
            "tenant": request.tenant,
            "event_type": request.event_type,
            "period_start_us": request.bounds_us[0],
            "period_end_us": request.bounds_us[-1],
            "from_customer_id": from_customer_id,
            "count": count,
        },
    )
