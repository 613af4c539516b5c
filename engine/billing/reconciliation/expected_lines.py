"""What the lines of one billing period should be, from the catalog's definitions. Pure.

A subscription is judged if it is simple: no phases, add-ons or overrides, and its period is whole. Of each of its plan's prices
there is a line, one for each group of its meter's usage; without usage one at zero. A matrix without a minimum has none then.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from engine.billing.reconciliation.billing_calendar import period_at
from engine.catalog.kinds.customer import Customer
from engine.catalog.kinds.items.billed_item import item_plan
from engine.catalog.kinds.items.invoice_item import item_name
from engine.catalog.kinds.meter import Meter
from engine.catalog.kinds.plan import Plan, PlanPrice
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.snapshots.snapshot import Catalog
from engine.times import datetime_us, us_datetime
from rating import Model, Timing


class BillingPeriodKey(NamedTuple):
    """Whose lines in which currency of which billing period."""

    customer_id: str
    currency: str
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class ExpectedCharge:
    """A price of a subscription that has a line, or several. `meter`: None for one by a quantity, which is `quantity`."""

    subscription_id: str
    price: PlanPrice
    meter: Meter | None
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class ExpectedPeriod:
    """`charges`: of the subscriptions that are judged, `judged`. `reasons`: of every other of the customer why it isn't."""

    charges: Sequence[ExpectedCharge]
    judged: frozenset[str]
    reasons: Mapping[str, str]


def expected_period(catalog: Catalog, key: BillingPeriodKey) -> ExpectedPeriod:
    """What subscriptions and invoice items have in a period that is over."""
    charges: list[ExpectedCharge] = []
    judged: set[str] = set()
    reasons: dict[str, str] = {}
    for versioned in catalog.subscriptions_of(key.customer_id):
        of = versioned.resource
        if reason := _not_simple(of):
            reasons[of.id] = reason
            continue
        customer = catalog.customers[of.customer].resource if of.customer in catalog.customers else None
        plan = plan_of(catalog, of, customer)
        if plan is None:
            reasons[of.id] = "a plan that the catalog doesn't have, or not in the currency"
            continue
        period = period_at(of, plan, _zone(of, customer), us_datetime(key.end_us - 1))
        is_here = period is not None and (datetime_us(period.start), datetime_us(period.end)) == key[2:]
        if period is not None and is_here and not period.is_whole:
            reasons[of.id] = "a part of a billing period"
            continue
        judged.add(of.id)
        if is_here and plan.currency == key.currency:
            charges += _charges(catalog, of, plan, key)
    for item in catalog.invoice_items_of.get(key.customer_id, ()):
        judged.add(item_name(item.id))
        if (datetime_us(item.period_start), datetime_us(item.period_end)) == key[
            2:
        ] and item.currency == key.currency:
            (price,) = item_plan(item).prices
            charges.append(ExpectedCharge(item_name(item.id), price, None, Decimal(0)))
    return ExpectedPeriod(charges, frozenset(judged), reasons)


def plan_of(catalog: Catalog, of: Subscription, customer: Customer | None) -> Plan | None:
    """The version that a subscription names, or the one that is effective at its start (of those the last; before any the first), in
    the currency that the subscription is billed in.
    """
    versions = catalog.plan_versions.get(of.plan)
    if versions is None:
        return None
    found = None
    for place, each in enumerate(versions.versions):
        since, first = each.resource.effective_from, versions.versions[0].resource.effective_from
        if of.plan_version is not None:
            found = place if each.version == of.plan_version else found
        elif since is None or since <= of.start or since == first:
            found = place
    currency = of.currency or (None if customer is None else customer.currency)
    return None if found is None else versions.offered(found, currency)


def _not_simple(of: Subscription) -> str:
    if of.phases:
        return "a subscription with phases"
    if of.add_ons:
        return "a subscription with add-ons"
    return "a subscription with overrides" if of.overrides else ""


def _zone(of: Subscription, customer: Customer | None) -> str:
    return of.time_zone or (customer.time_zone if customer is not None else None) or "UTC"


def _charges(
    catalog: Catalog, of: Subscription, plan: Plan, key: BillingPeriodKey
) -> Iterator[ExpectedCharge]:
    for price in plan.prices:
        if price.price.timing is Timing.ONCE and datetime_us(of.start) != key.start_us:
            continue
        quantity = (of.quantities or {}).get(price.id, price.quantity) if price.quantity is not None else None
        meter = None if price.meter is None else catalog.meters[price.meter].resource
        yield ExpectedCharge(of.id, price, meter, quantity or Decimal(0))


def has_line_without_usage(charge: ExpectedCharge) -> bool:
    """Whether there is a line although nothing was used."""
    return charge.price.price.model is not Model.MATRIX
