"""A page of metered usage: rows from a place on, reading no more customers than it takes. Pure but for `read`.

Rules:
1. Rows come by customer, then as the read orders them. A place is a customer and a number of its rows: at one
   watermark it means the same row for ever.
2. Customers are read some at a time, few of them first: how many rows one makes is not known before. Each read that
   didn't make a page doubles them, and one that makes more rows than a read may halves them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.usage.reader import GroupUsage, TooManyGroupsError

# Bound as one parameter, of which a ClickHouse server takes 128 KiB: ids have up to 128 bytes.
CUSTOMERS_AT_ONCE_MAX = 500

# Usage of some customers, by customer.
Read = Callable[[Sequence[str]], list[GroupUsage]]
# The first `count` customers at or behind an id, in order.
CustomersFrom = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Position:
    """A row: its customer (empty where customers are no group), and how many of the customer's rows come first."""

    customer_id: str = ""
    skip: int = 0


def rows_from(
    position: Position, rows_min: int, read: Read, customers_from: CustomersFrom, at_once: int
) -> list[GroupUsage]:
    """At least `rows_min` rows from a position on, or all that there are.

    Raises:
        TooManyGroupsError: one customer makes more rows than a read may.
    """
    rows: list[GroupUsage] = []
    at_once = max(1, min(at_once, CUSTOMERS_AT_ONCE_MAX))
    at: str | None = position.customer_id
    while at is not None and len(rows) < position.skip + rows_min:
        # One more says where to go on.
        customers = customers_from(at, at_once + 1)
        try:
            rows += read(customers[:at_once])
        except TooManyGroupsError:
            if at_once == 1:
                raise
            at_once //= 2
            continue
        at = customers[at_once] if len(customers) > at_once else None
        at_once = min(2 * at_once, CUSTOMERS_AT_ONCE_MAX)
    return rows[position.skip :]


def position_of(rows: Sequence[GroupUsage], place: int, start: Position) -> Position:
    """Where the row at `place` is, of rows that were read from `start` on."""
    customer_id = rows[place].customer_id
    before = sum(row.customer_id == customer_id for row in rows[:place])
    return Position(customer_id, before + (start.skip if customer_id == start.customer_id else 0))
