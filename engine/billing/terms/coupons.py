"""Which coupons are off which invoices. Pure.

Rules:
1. A coupon that a customer has is off each of its invoices, one that a subscription has off the subscription's lines.
2. It begins with the billing period that contains the redemption's start, and lasts so many periods of the
   subscription (of an invoice: the first that is on it), or for ever. They are counted from that start, whether there
   was usage or not, so that a subscription that comes later doesn't have them anew.
3. On an invoice percentages come first, then amounts; each by when it was redeemed, the customer's before the
   subscriptions' (rating.settlement.discounts has the rest).
4. No coupon is off an invoice item, whatever it is for.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.billing.segments import Index, period_starts_before, spread
from engine.billing.terms.invoices import Flags, InvoicedLines
from engine.billing.terms.places import CustomerNumbers
from engine.billing.terms.price_names import PriceNames
from engine.catalog.kinds.coupon import Coupon
from engine.catalog.snapshots.redemption_columns import RedemptionColumns
from engine.catalog.snapshots.snapshot import Catalog
from rating import Discount, Discounts


@dataclass(frozen=True, eq=False, slots=True)
class Redeemed:
    """m redemptions of some customers.

    Attributes:
        customer: int64[m], numbers of customers.
        row: int64[m], the subscription by its row in the catalog's columns; -1 for the customer's own.
        coupon: int64[m], a place in `coupons`.
        start_us: int64[m].
    """

    customer: Index
    row: Index
    coupon: Index
    coupons: tuple[Coupon, ...]
    start_us: Index

    def __len__(self) -> int:
        return len(self.customer)


@dataclass(frozen=True, eq=False, slots=True)
class CouponsOff:
    """What is off the invoices; `coupon_ids`: of each discount."""

    discounts: Discounts
    coupon_ids: Sequence[str]


def redeemed(catalog: Catalog, customers: CustomerNumbers, rows: Index) -> Redeemed:
    """The redemptions of some customers and of `rows`, their subscriptions."""
    columns = catalog.subscription_columns
    ids = columns.customer_id.take(pa.array(customers.first_row))
    found: list[tuple[Index, Index, pa.Array, Index]] = []
    for redemptions in (catalog.customers.redemptions, catalog.subscriptions.redemptions):
        own = _within(redemptions, ids)
        customer = pc.fill_null(pc.index_in(redemptions.customer[own], value_set=ids), -1).to_numpy()
        subscription = redemptions.subscription[own]
        row = np.full(len(customer), -1, dtype=np.int64)
        if redemptions is catalog.subscriptions.redemptions and len(row):
            place = pc.index_in(subscription, value_set=columns.subscription_id.take(pa.array(rows)))
            row = np.append(rows, -1)[pc.fill_null(place, len(rows)).to_numpy()]
            customer = np.where(row < 0, -1, customer)
        known = np.flatnonzero(customer >= 0)
        coupons = redemptions.coupon[own].take(pa.array(known))
        found.append(
            (customer[known].astype(np.int64), row[known], coupons, redemptions.start_us[own][known])
        )
    encoded = pc.dictionary_encode(pa.concat_arrays([each[2] for each in found]))
    return Redeemed(
        customer=np.concatenate([each[0] for each in found]),
        row=np.concatenate([each[1] for each in found]),
        coupon=encoded.indices.to_numpy().astype(np.int64),
        coupons=tuple(catalog.coupons[each].resource for each in encoded.dictionary.to_pylist()),
        start_us=np.concatenate([each[3] for each in found]),
    )


def coupons_off(catalog: Catalog, redemptions: Redeemed, invoiced: InvoicedLines) -> CouponsOff:
    """The discounts of invoices that these redemptions come to."""
    invoices = invoiced.invoices
    own_customer = redemptions.row < 0
    first = np.searchsorted(invoices.customer, redemptions.customer)
    behind = np.searchsorted(invoices.customer, redemptions.customer, side="right")
    of_all = _expanded(np.flatnonzero(own_customer), first, behind)
    # The pairs of place and invoice, by the subscription.
    by_row = np.argsort(invoiced.places.row[invoiced.pair_place], kind="stable")
    pair_row = invoiced.places.row[invoiced.pair_place][by_row]
    first, behind = (np.searchsorted(pair_row, redemptions.row, side=side) for side in ("left", "right"))
    of_one = _expanded(np.flatnonzero(~own_customer), first, behind)
    pair = by_row[of_one[1]]
    redemption = np.concatenate([of_all[0], of_one[0]])
    invoice = np.concatenate([of_all[1], invoiced.pair_invoice[pair]])
    place = np.concatenate([np.full(len(of_all[1]), -1), invoiced.pair_place[pair]])
    row = np.where(place < 0, invoices.row[invoice], invoiced.places.row[place])
    applies = np.flatnonzero(_applies(catalog, redemptions, redemption, invoices.start_us[invoice], row))
    applies = applies[redemptions.start_us[redemption[applies]] < invoices.end_us[invoice[applies]]]
    order = applies[np.lexsort((place[applies], redemptions.start_us[redemption[applies]], invoice[applies]))]
    return _discounts(redemptions, redemption[order], invoice[order], place[order], invoiced.lines.price_ids)


def _applies(
    catalog: Catalog, redemptions: Redeemed, redemption: Index, start_us: Index, row: Index
) -> Flags:
    """Whether the period of each redemption's subscription is not behind its last one."""
    periods = np.array([each.periods or 0 for each in redemptions.coupons], dtype=np.int64)
    counts = periods[redemptions.coupon[redemption]]
    earliest_us = period_starts_before(catalog, row, start_us, np.maximum(counts - 1, 0))
    applies: Flags = (counts == 0) | (redemptions.start_us[redemption] >= earliest_us)
    return applies


def _discounts(
    redemptions: Redeemed, redemption: Index, invoice: Index, place: Index, price_ids: Sequence[str]
) -> CouponsOff:
    terms: dict[tuple[object, ...], int] = {}
    scopes: dict[tuple[str, ...], int] = {}
    names = PriceNames(price_ids)
    index, scope = np.full((2, len(redemptions.coupons)), -1, dtype=np.int64)
    coupon = redemptions.coupon[redemption]
    for number in np.unique(coupon).tolist():
        each = redemptions.coupons[number]
        index[number] = terms.setdefault((each.percent_off, each.amount_off, each.currency), len(terms))
        if each.plans or each.prices or names.have_items:
            scope[number] = scopes.setdefault(names.of(each.plans, each.prices), len(scopes))
    ids = [each.id for each in redemptions.coupons]
    return CouponsOff(
        Discounts(
            terms=tuple(
                Discount(percent_off=percent, amount_off=amount, currency=currency)  # type: ignore[arg-type]
                for percent, amount, currency in terms
            ),
            terms_index=index[coupon],
            invoice=invoice,
            subscription=place,
            scopes=tuple(scopes),
            scope=scope[coupon],
        ),
        [ids[number] for number in coupon.tolist()],
    )


def _within(redemptions: RedemptionColumns, customer_ids: pa.StringArray) -> slice:
    """Where the redemptions of these customers, which rise, are among all."""
    if not len(customer_ids) or not len(redemptions):
        return slice(0, 0)
    low, high = customer_ids[0].as_py(), customer_ids[len(customer_ids) - 1].as_py()
    place, of = range(len(redemptions)), redemptions.customer

    def key(row: int) -> str:
        return str(of[row].as_py())

    return slice(bisect_left(place, low, key=key), bisect_right(place, high, key=key))


def _expanded(owner: Index, first: Index, behind: Index) -> tuple[Index, Index]:
    """Each owner with each number from its `first` up to its `behind`."""
    own, within = spread((behind - first)[owner])
    return owner[own], first[owner[own]] + within
