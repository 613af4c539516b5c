"""Which customers can't be billed, since a price can't rate a line of theirs. Pure."""

from collections.abc import Sequence

import numpy as np

from engine.billing.line_item import LineItem
from engine.billing.rated import Rated
from engine.billing.terms.places import CustomerNumbers


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
