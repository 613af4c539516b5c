"""What customers' rated lines come to, as alerts measure it. Pure.

Amounts are those that GetSpend shows of the same lines. A share of a commitment is rounded down, to as many digits as a threshold
may have, so that it reaches a threshold if and only if the exact share does.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from decimal import ROUND_DOWN, Context, Decimal
from typing import Final, TypeAlias

import numpy as np

from engine.billing.periods import Instants
from engine.billing.rated import Rated
from engine.billing.segments import Index
from engine.billing.terms.places import CustomerNumbers
from engine.billing.terms.settled import Settled
from engine.catalog.kinds.alert import AlertMeasure
from engine.spend.alerts.crossings import Epoch, Measured
from engine.spend.applied_terms import minor_decimal
from engine.spend.spend import sums_of

_SHARE: Final = Context(prec=60, rounding=ROUND_DOWN)
_SHARE_STEP: Final = Decimal("1e-12")
_Found: TypeAlias = dict[int, dict[tuple[AlertMeasure, str], Decimal]]


def measured_customers(
    rated: Rated, terms: Settled | None, meters: Collection[str], at_us: int
) -> Iterator[Measured]:
    """Each of the customers with a billing period, in order. `terms`: what their lines were settled to, with their history.

    meters: those that some alert measures. at_us: the instant of the billing periods.
    """
    periods = rated.charges.periods
    customers = CustomerNumbers.of(periods)
    count = len(customers)
    if not count:
        return
    number = customers.numbers(periods.row)
    start_us = np.full(count, np.iinfo(np.int64).min)
    since_us = np.full(count, np.iinfo(np.int64).max)
    end_us = since_us.copy()
    np.maximum.at(start_us, number, periods.period_start_us)
    np.minimum.at(since_us, number, periods.period_start_us)
    np.minimum.at(end_us, number, periods.period_end_us)
    rows, ended_us = _ended(rated, customers, at_us)
    np.maximum.at(start_us, customers.numbers(rows), ended_us)
    found: _Found = defaultdict(dict)
    _add_sums(found, rated, terms, customers)
    _add_usage(found, rated, customers, meters)
    if terms is not None:
        _add_balances(found, terms, at_us)
        _add_commitments(found, terms, customers)
    ids = periods.catalog.subscription_columns.customer_id
    for customer, row in enumerate(customers.first_row.tolist()):
        epoch = Epoch(int(start_us[customer]), int(end_us[customer]), int(since_us[customer]))
        yield Measured(str(ids[row].as_py()), epoch, found[customer])


def _ended(rated: Rated, customers: CustomerNumbers, at_us: int) -> tuple[Index, Instants]:
    """The customers' subscriptions that had ended by an instant and have no billing period that contains it, and when they ended: an
    epoch begins there.
    """
    periods = rated.charges.periods
    rows = customers.rows(np.arange(len(customers)))
    ended_us = periods.catalog.subscription_columns.end_us[rows]
    has_ended = (ended_us <= at_us) & ~np.isin(rows, periods.row)
    return rows[has_ended], ended_us[has_ended]


def _add_sums(found: _Found, rated: Rated, terms: Settled | None, customers: CustomerNumbers) -> None:
    sums = sums_of(rated, terms)
    for place, customer in enumerate(customers.numbers(sums.row).tolist()):
        spend = sums.spend(place, None)
        found[customer][AlertMeasure.SPEND, spend.currency] = spend.settled.after_discounts
        found[customer][AlertMeasure.DUE, spend.currency] = spend.settled.due


def _add_usage(found: _Found, rated: Rated, customers: CustomerNumbers, meters: Collection[str]) -> None:
    """Of each meter the subscription and price with the largest quantity: prices of one meter bill the same usage."""
    charges = rated.charges
    meter_of = [
        each.meter.resource.id if each.meter is not None and each.meter.resource.id in meters else None
        for each in charges.prices
    ]
    names = {each.price.id: place for place, each in enumerate(charges.prices)}
    is_wanted = np.array([each is not None for each in meter_of], dtype=np.bool_)
    price = charges.price[rated.charge]
    lines = np.flatnonzero(is_wanted[price]) if meter_of else np.zeros(0, dtype=np.int64)
    if not len(lines):
        return
    price = price[lines]
    price_name = np.array([names[each.price.id] for each in charges.prices], dtype=np.int64)[price]
    key = charges.row[rated.charge[lines]] * len(charges.prices) + price_name
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    quantity = rated.quantity.take(lines).sum_by_group(group, len(first))
    owner = customers.numbers(charges.row[rated.charge[lines[first]]])
    for place, (customer, of_price) in enumerate(zip(owner.tolist(), price[first].tolist(), strict=True)):
        subject = AlertMeasure.USAGE, str(meter_of[of_price])
        known = found[customer].get(subject, Decimal(0))
        found[customer][subject] = max(known, quantity.decimal(place))


def _add_balances(found: _Found, terms: Settled, at_us: int) -> None:
    balance = terms.settlement.credits.balance_minor
    for row, each in enumerate(terms.grants):
        if each.effective_us <= at_us < each.expires_us:
            subject = AlertMeasure.CREDIT_BALANCE, each.grant.currency
            left = minor_decimal(int(balance.mantissa[row]), each.grant.currency)
            found[each.customer][subject] = found[each.customer].get(subject, Decimal(0)) + left


def _add_commitments(found: _Found, terms: Settled, customers: CustomerNumbers) -> None:
    result, places = terms.settlement.commitments, terms.invoiced.places
    if result is None:
        return
    of = terms.commitments.place
    for row in np.flatnonzero(places.part[of] == 0).tolist():
        committed = int(result.committed_minor.mantissa[row])
        if committed <= 0:
            continue
        (customer,) = customers.numbers(places.row[of[row : row + 1]]).tolist()
        share = _share(int(result.spend_minor.mantissa[row]), committed)
        subject = AlertMeasure.COMMITMENT, ""
        found[customer][subject] = max(share, found[customer].get(subject, share))


def _share(spend_minor: int, committed_minor: int) -> Decimal:
    """In percent, rounded down."""
    share = _SHARE.divide(Decimal(100 * spend_minor), Decimal(committed_minor))
    return _SHARE.quantize(share, _SHARE_STEP)
