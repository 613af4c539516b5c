"""Which customers can't be billed, since a price can't rate a line of theirs or their commitments don't fit together. Pure."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from engine.billing.line_item import LineItem
from engine.billing.rated import Rated
from engine.billing.segments import Index
from engine.billing.terms.places import CustomerNumbers
from engine.catalog.snapshots.snapshot import Catalog
from rating import InconsistentTermsError

T = TypeVar("T")


def unrateable_customers(numbers: CustomerNumbers, parts: Sequence[Rated]) -> dict[str, LineItem]:
    """The customers with such a line in some part, each with one of them."""
    found: dict[str, LineItem] = {}
    for rated in parts:
        flagged = np.flatnonzero(~rated.is_rated)
        if len(flagged):
            customer = numbers.numbers(rated.charges.row[rated.charge[flagged]])
            _, first = np.unique(customer, return_index=True)
            for item in rated.line_items(flagged[np.sort(first)]):
                found.setdefault(item.charge.subscription.customer, item)
    return found


def of_fitting(
    catalog: Catalog, rows: Index, work: Callable[[Index], T], leave: Callable[[str, str], None]
) -> list[T]:
    """What `work` makes of these subscriptions, which rise; by halves, down to each customer, where somebody's commitments don't fit
    together. `leave`: is told of each such customer, and why.
    """
    try:
        return [work(rows)]
    except InconsistentTermsError as error:
        halves = CustomerNumbers.of_rows(catalog, rows).halves()
        if halves is None:
            leave(str(catalog.subscription_columns.customer_id[int(rows[0])].as_py()), str(error))
            return []
        return [made for half in halves for made in of_fitting(catalog, half, work, leave)]
