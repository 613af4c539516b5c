"""Metered usage from a place on, as far as somebody wants it. Pure but for what it is given to read with.

Rules:
1. Rows come by customer, group of dimensions, and window. A place is a customer, and how many states of the
   customer's groups, and rows of the group, come before it: at one watermark it means the same row for ever.
2. Customers and groups are read some at a time: as many as the rows that are wanted should take, by how many rows
   those before them made.
3. What comes before the place in the order of customers is not read again; of its own customer, what comes before is
   aggregated by the store again and not sent.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from engine.usage.facts.usage_request import Group, Groups, GroupUsage

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
class Place:
    """A row: its customer (empty where customers are no group), and what comes before it: states of the customer's
    groups, and rows of its own group.
    """

    customer_id: str = ""
    states: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """About how many rows somebody will take, each in one of so many windows."""

    rows: int
    windows: int


def usage_from(
    place: Place, wanted: Wanted, read: ReadGroups, customers_from: CustomersFrom
) -> Iterator[tuple[Place, GroupUsage]]:
    """Each row with its place, from a place on, also past those that are wanted. Nothing is read in advance."""
    customer_id, states, skip_rows = place.customer_id, place.states, place.rows
    for group in _groups_from(place, _Pace(wanted), read, customers_from):
        if group.customer_id != customer_id:
            customer_id, states = group.customer_id, 0
        for number, row in enumerate(group.usage):
            if number >= skip_rows:
                yield Place(customer_id, states, number), row
        states += group.states
        skip_rows = 0


def _groups_from(
    place: Place, pace: "_Pace", read: ReadGroups, customers_from: CustomersFrom
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
