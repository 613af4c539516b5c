"""Which customers and subscriptions have redeemed which coupon, as columns, read from their definitions in bulk."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.catalog.snapshots.definition_columns import definition_fields, marked_definitions
from engine.catalog.snapshots.versions import COUPONS

# Definitions are canonical: one that has coupons has this text, and few others do.
_MARK: Final = '"coupons":['
_DEFINITION: Final = pa.schema([("id", pa.string()), ("customer", pa.string()), ("coupons", COUPONS)])


@dataclass(frozen=True, eq=False)
class RedemptionColumns:
    """n redemptions, in the order of what has them.

    Attributes:
        customer, subscription: Arrow strings [n]; the subscription is null for a customer's own.
        coupon: Arrow strings [n].
        start_us: int64[n].
    """

    customer: pa.StringArray
    subscription: pa.StringArray
    coupon: pa.StringArray
    start_us: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.coupon)

    @classmethod
    def of(cls, chunks: Iterable[pa.RecordBatch]) -> "RedemptionColumns":
        """Those of the rows of customers, or of subscriptions, which have a column `definition`."""
        own_id, customer, coupons = definition_fields(marked_definitions(chunks, _MARK), _DEFINITION)
        owner = pc.list_parent_indices(coupons)
        redeemed = pc.list_flatten(coupons)
        start = pc.struct_field(redeemed, "start").cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        is_customer = pc.is_null(customer)
        return cls(
            customer=pc.if_else(is_customer, own_id, customer).take(owner),
            subscription=pc.if_else(is_customer, None, own_id).take(owner),
            coupon=pc.struct_field(redeemed, "coupon"),
            start_us=start.to_numpy(),
        )

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each coupon is redeemed."""
        counted = pc.value_counts(self.coupon)
        return Counter(
            dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
        )
