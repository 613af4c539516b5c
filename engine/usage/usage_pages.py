"""Metered usage from a place on, as far as somebody wants it. Pure but for what it is given to read with.

Rules:
1. Rows come by customer, group of dimensions, and window. A place is a customer, and how many of the customer's
   groups, and of the group's rows, come before it: at one watermark it means the same row for ever.
2. Customers and groups are read some at a time, few of them first, since how many rows they make is not known
   before; then twice as many each time, up to a bound of rows.
3. What comes before the place in the order of customers is not read again; of its own customer, what comes before is
   aggregated by the store again and not sent.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from engine.usage.usage_request import GroupUsage

# Rows that are in memory at once: some tens of megabytes.
_ROWS_MAX = 50_000
# Bound as one parameter, of which a ClickHouse server takes 128 KiB: ids have up to 128 bytes.
CUSTOMERS_AT_ONCE_MAX = 500

# The groups of some customers: at most so many, after so many.
ReadGroups = Callable[[Sequence[str], int, int], list[GroupUsage]]
# The first so many customers at or behind an id, in order.
CustomersFrom = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Place:
    """A row: its customer (empty where customers are no group), and what of the customer comes before it."""

    customer_id: str = ""
    groups: int = 0
    rows: int = 0


def usage_from(
    place: Place, windows: int, read: ReadGroups, customers_from: CustomersFrom
) -> Iterator[tuple[Place, GroupUsage]]:
    """Each row with its place, from a place on. Nothing is read before it is wanted."""
    counted = _Count(place.customer_id, place.groups)
    skip_rows = place.rows
    for group in _groups_from(place, windows, read, customers_from):
        at = counted.next(group[0].customer_id)
        for number, row in enumerate(group):
            if number >= skip_rows:
                yield Place(at.customer_id, at.groups, number), row
        skip_rows = 0


class _Count:
    """Counts the groups of one customer after the other."""

    def __init__(self, customer_id: str, groups: int) -> None:
        self._next = Place(customer_id, groups)

    def next(self, customer_id: str) -> Place:
        place = self._next if self._next.customer_id == customer_id else Place(customer_id)
        self._next = Place(customer_id, place.groups + 1)
        return place


def _groups_from(
    place: Place, windows: int, read: ReadGroups, customers_from: CustomersFrom
) -> Iterator[list[GroupUsage]]:
    most = max(1, _ROWS_MAX // windows)
    at_once = max(1, min(most, 1_000 // windows))
    at: str | None = place.customer_id
    skip = place.groups
    while at is not None:
        count = min(at_once, CUSTOMERS_AT_ONCE_MAX)
        # One more says where to go on.
        customers = customers_from(at, count + 1)
        at = customers[count] if len(customers) > count else None
        more = bool(customers)
        while more:
            rows = read(customers[:count], at_once, skip)
            groups = [
                list(group) for _, group in groupby(rows, lambda row: (row.customer_id, row.dimensions))
            ]
            yield from groups
            more = len(groups) == at_once
            skip += len(groups)
            at_once = min(2 * at_once, most)
        skip = 0
