"""A catalog's subscriptions as columns, in the one order in which they are listed and billed.

Rules:
1. Rows are ordered by customer and subscription id, by code point (which is the order of the UTF-8 bytes, hence of
   Arrow and ClickHouse too). A customer's subscriptions are adjoining rows.
2. Instants are microseconds since 1970; a subscription without an end has NO_END_US, which is later than any instant.
"""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

NO_END_US = 2**63 - 1


@dataclass(frozen=True, eq=False, slots=True)
class SubscriptionColumns:
    """n subscriptions.

    Attributes:
        customer_id, subscription_id: Arrow strings [n].
        plan_index: int32[n], the place of its plan in `plan_ids`.
        start_us, end_us: int64[n]; the subscription runs over [start, end).
        plan_ids: the plans that any of them has, each once.
    """

    customer_id: pa.StringArray
    subscription_id: pa.StringArray
    plan_index: npt.NDArray[np.int32]
    start_us: npt.NDArray[np.int64]
    end_us: npt.NDArray[np.int64]
    plan_ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.plan_index)

    def row_from(self, customer_id: str, subscription_id: str = "") -> int:
        """The first row at or behind a place in the order; the number of rows if there is none."""
        return bisect_left(range(len(self)), (customer_id, subscription_id), key=self._place)

    def rows_of(self, customer_id: str) -> slice:
        """The rows of one customer; an empty slice for one without a subscription."""
        # No id has the code point 0: this one is behind the customer and before every other.
        return slice(self.row_from(customer_id), self.row_from(f"{customer_id}\0"))

    def customer_end(self, row: int) -> int:
        """Behind the last row of the customer to whom a row belongs."""
        return self.row_from(f"{self.customer_id[row].as_py()}\0")

    def _place(self, row: int) -> tuple[str, str]:
        return self.customer_id[row].as_py(), self.subscription_id[row].as_py()
