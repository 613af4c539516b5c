"""Spend by what it is for: sums of rated lines by product, plan, price or meter, over some customers after others. Pure.

Sums are of the lines' rounded amounts, before discounts, commitments, credit and taxes, and exact: in columns within a stretch of
customers, and in decimals over stretches.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from engine.billing.billed_prices import BilledPrice
from engine.billing.rated import Rated
from engine.spend.spend import summed_by_group
from rating import EXACT


class GroupedBy(enum.Enum):
    """What lines are added up by."""

    PRODUCT = "product"
    PLAN = "plan"
    PRICE = "price"
    METER = "meter"


@dataclass(frozen=True, slots=True, order=True)
class GroupKey:
    """What the lines of a group have in common; what they are not grouped by is empty, as is what they have not."""

    currency: str
    product: str = ""
    plan_id: str = ""
    price_id: str = ""
    meter_id: str = ""


_KEYS: dict[GroupedBy, Callable[[BilledPrice], GroupKey]] = {
    GroupedBy.PRODUCT: lambda billed: GroupKey(billed.effective.currency, product=billed.price.product or ""),
    GroupedBy.PLAN: lambda billed: GroupKey(billed.effective.currency, plan_id=billed.plan.id),
    GroupedBy.PRICE: lambda billed: GroupKey(
        billed.effective.currency, plan_id=billed.plan.id, price_id=billed.price.id
    ),
    GroupedBy.METER: lambda billed: GroupKey(
        billed.effective.currency, meter_id="" if billed.meter is None else billed.meter.resource.id
    ),
}


@dataclass(frozen=True, slots=True)
class SpendGroup:
    """The sum of a group's lines. `incomplete`: some line has no amount, and is neither in the sum nor in the counts.

    `amount` has as many fractional digits as the finest of the group's prices rounds to.
    """

    key: GroupKey
    amount: Decimal
    line_item_count: int
    event_count: int
    incomplete: bool


class SpendGroups:
    """Sums over some customers after others."""

    def __init__(self, grouping: GroupedBy) -> None:
        self._key = _KEYS[grouping]
        self._found: dict[GroupKey, SpendGroup] = {}

    def add(self, rated: Rated) -> None:
        """The lines of some more customers."""
        prices = rated.charges.prices
        keys = sorted({self._key(billed) for billed in prices})
        place = {key: number for number, key in enumerate(keys)}
        group_of = np.array([place[self._key(billed)] for billed in prices], dtype=np.int64)
        digits_of = np.array([billed.effective.digits for billed in prices], dtype=np.int64)
        price = rated.charges.price[rated.charge]
        group, groups = group_of[price], len(keys)
        digits = np.zeros(groups, dtype=np.int64)
        np.maximum.at(digits, group, digits_of[price])
        amount = rated.amount.sum_by_group(group, groups)
        events = summed_by_group(np.where(rated.is_rated, rated.event_count, 0), group, groups)
        lines = np.bincount(group[rated.is_rated], minlength=groups)
        flagged = np.bincount(group[~rated.is_rated], minlength=groups)
        for number in np.unique(group).tolist():
            its_amount = amount.take(slice(number, number + 1)).rescale(int(digits[number])).decimal(0)
            self._add(
                SpendGroup(
                    keys[number], its_amount, int(lines[number]), int(events[number]), bool(flagged[number])
                )
            )

    def _add(self, more: SpendGroup) -> None:
        known = self._found.get(more.key)
        if known is not None:
            more = SpendGroup(
                more.key,
                EXACT.add(known.amount, more.amount),
                known.line_item_count + more.line_item_count,
                known.event_count + more.event_count,
                incomplete=known.incomplete or more.incomplete,
            )
        self._found[more.key] = more

    def by_amount(self) -> list[SpendGroup]:
        """By currency, then descending by amount, then by name."""
        return sorted(self._found.values(), key=lambda each: (each.key.currency, -each.amount, each.key))
