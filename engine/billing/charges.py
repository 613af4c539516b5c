"""Which charges a catalog makes at one instant, as columns. Pure."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.billing.billed_prices import BilledPrice, BilledPrices
from engine.billing.parts import charge_parts, spans_of
from engine.billing.periods import Instants, Period
from engine.billing.segments import Index, segments_at
from engine.catalog.kinds.items.invoice_item import ITEM_PREFIX, named_item
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.snapshots.snapshot import Catalog
from engine.times import datetime_us, us_datetime


@dataclass(frozen=True, slots=True)
class Charge:
    """One price of a subscription over one billing period, or over the part of it, `service`, in which it holds."""

    subscription: Subscription
    billed: BilledPrice
    period: Period
    service: Period


@dataclass(frozen=True, eq=False, slots=True)
class BillingPeriods:
    """n stretches of subscriptions' billing periods, by customer, subscription and start: of what usage is read.

    Attributes:
        row: int64[n], the subscription's row in the catalog's columns; rising.
        start_us, end_us: int64[n]; the stretch is [start, end).
        period_start_us, period_end_us: int64[n], the billing period that it lies in.
    """

    catalog: Catalog
    row: Index
    start_us: Instants
    end_us: Instants
    period_start_us: Instants
    period_end_us: Instants
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
            self._shown[place] = self.catalog.billed_subscription(ids[int(self.row[place])].as_py())
        return self._shown[place]

    def period(self, place: int) -> Period:
        """The billing period."""
        return _period(self.period_start_us[place], self.period_end_us[place])

    def service(self, place: int) -> Period:
        """The stretch."""
        return _period(self.start_us[place], self.end_us[place])


def _period(start_us: np.int64, end_us: np.int64) -> Period:
    return Period(us_datetime(int(start_us)), us_datetime(int(end_us)))


@dataclass(frozen=True, eq=False, slots=True)
class ChargeColumns:
    """n charges, by customer, subscription, and the plan's order of prices; so are the line items.

    Attributes:
        place: int64[n], whose and when: a place in `periods`.
        price: int64[n], a place in `prices`.
        row: int64[n], the subscription's row in the catalog's columns; rising.
        whole: int64[n], rising; the same for the parts of one price in one billing period, which are rounded together.
    """

    periods: BillingPeriods
    prices: tuple[BilledPrice, ...]
    place: Index
    price: Index
    row: Index
    whole: Index

    def __len__(self) -> int:
        return len(self.place)

    def charge(self, number: int) -> Charge:
        """One of them, for a line that is shown."""
        place = int(self.place[number])
        periods = self.periods
        return Charge(
            periods.subscription(place),
            self.prices[int(self.price[number])],
            periods.period(place),
            periods.service(place),
        )


def charges_at(catalog: Catalog, rows: Index, at_us: int | Instants) -> ChargeColumns:
    """The charges of these subscriptions' billing periods that contain an instant, or each one of its own. `rows` rise."""
    segments = segments_at(catalog, rows, at_us)
    prices = BilledPrices(catalog, segments)
    parts = charge_parts(catalog, segments, prices)
    spans = spans_of(parts, segments)
    row = segments.row[spans.period]
    start_us, end_us = _of_services(catalog, row, spans.start_us, spans.end_us)
    periods = BillingPeriods(
        catalog,
        row,
        start_us,
        end_us,
        segments.periods.start_us[spans.period],
        segments.periods.end_us[spans.period],
    )
    of_charge = segments.row[parts.period]
    return ChargeColumns(periods, tuple(prices.prices), spans.of_charge, parts.price, of_charge, parts.whole)


def _of_services(
    catalog: Catalog, row: Index, start_us: Instants, end_us: Instants
) -> tuple[Instants, Instants]:
    """Of stretches of these subscriptions their starts and ends, those of invoice items as their services have them."""
    items = catalog.invoice_items
    if not items:
        return start_us, end_us
    names = catalog.subscription_columns.subscription_id.take(pa.array(row))
    start_us, end_us = start_us.copy(), end_us.copy()
    for place in np.flatnonzero(pc.starts_with(names, ITEM_PREFIX).to_numpy(zero_copy_only=False)).tolist():
        item = items.get(named_item(names[place].as_py()) or "")
        if item is not None:
            start_us[place], end_us[place] = map(datetime_us, item.resource.service)
    return start_us, end_us
