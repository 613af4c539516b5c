"""Which charges a catalog makes at one instant, as columns. Pure."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engine.billing.periods import Instants, Period, month_periods
from engine.catalog.kinds.meter import Meter
from engine.catalog.kinds.plan import Plan, PlanPrice
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import Versioned
from engine.times import us_datetime

Index = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BilledPrice:
    """A price of a plan with what a line item says of both. No meter: a flat price."""

    plan: Plan
    plan_version: int
    price: PlanPrice
    price_version: int
    meter: Versioned[Meter] | None


@dataclass(frozen=True, slots=True)
class Charge:
    """One price of a subscription over one billing period."""

    subscription: Subscription
    billed: BilledPrice
    period: Period


@dataclass(frozen=True, eq=False, slots=True)
class BillingPeriods:
    """n subscriptions over one billing period each, by customer and subscription.

    Attributes:
        row: int64[n], the subscription's row in the catalog's columns; rising.
        start_us, end_us: int64[n]; the period is [start, end).
    """

    catalog: Catalog
    row: Index
    start_us: Instants
    end_us: Instants
    # Those that lines were shown of, by their places: each has several.
    _shown: dict[int, Subscription] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.row)

    def customer_id(self, place: int) -> str:
        """Whose the period at a place is."""
        return str(self.catalog.subscription_columns.customer_id[int(self.row[place])].as_py())

    def subscription(self, place: int) -> Subscription:
        if place not in self._shown:
            ids = self.catalog.subscription_columns.subscription_id
            self._shown[place] = self.catalog.subscriptions[ids[int(self.row[place])].as_py()].resource
        return self._shown[place]

    def period(self, place: int) -> Period:
        return Period(us_datetime(int(self.start_us[place])), us_datetime(int(self.end_us[place])))


@dataclass(frozen=True, eq=False, slots=True)
class ChargeColumns:
    """n charges, by customer, subscription, and the plan's order of prices; so are the line items.

    Attributes:
        place: int64[n], whose and when: a place in `periods`; rising.
        price: int64[n], a place in `prices`.
    """

    periods: BillingPeriods
    prices: tuple[BilledPrice, ...]
    place: Index
    price: Index

    def __len__(self) -> int:
        return len(self.place)

    def charge(self, number: int) -> Charge:
        """One of them, for a line that is shown."""
        place = int(self.place[number])
        return Charge(
            self.periods.subscription(place), self.prices[int(self.price[number])], self.periods.period(place)
        )


def charges_at(catalog: Catalog, rows: Index, at_us: int) -> ChargeColumns:
    """The charges of these subscriptions' billing periods that contain an instant. `rows` rise."""
    columns = catalog.subscription_columns
    start_us, end_us, exists = month_periods(columns.start_us[rows], columns.end_us[rows], at_us)
    found = np.flatnonzero(exists)
    row = rows[found]
    plan = columns.plan_index[row]
    prices: list[BilledPrice] = []
    first, count = np.zeros((2, len(columns.plan_ids)), dtype=np.int64)
    for used in np.unique(plan).tolist():
        of_plan = _billed_prices(catalog, columns.plan_ids[used])
        first[used], count[used] = len(prices), len(of_plan)
        prices += of_plan
    counts = count[plan]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return ChargeColumns(
        periods=BillingPeriods(catalog, row, start_us[found], end_us[found]),
        prices=tuple(prices),
        place=np.repeat(np.arange(len(row)), counts),
        price=np.repeat(first[plan], counts) + within,
    )


def _billed_prices(catalog: Catalog, plan_id: str) -> list[BilledPrice]:
    plan = catalog.plans[plan_id]
    return [
        BilledPrice(
            plan=plan.resource,
            plan_version=plan.version,
            price=price,
            price_version=catalog.price_version(plan_id, price.id),
            meter=catalog.meters[price.meter] if price.meter is not None else None,
        )
        for price in plan.resource.prices
    ]
