"""Which charges a catalog makes at one instant. Pure."""

from collections.abc import Iterator
from datetime import datetime

from engine.billing.line_item import Charge
from engine.billing.periods import month_period
from engine.catalog.store import Catalog


def charges_at(catalog: Catalog, customer_ids: frozenset[str], at: datetime) -> Iterator[Charge]:
    """The charges of every billing period that contains `at`.

    By customer, subscription, and the plan's order of prices; so are the line items.
    """
    subscriptions = [each for each in catalog.subscriptions.values() if each.customer in customer_ids]
    for subscription in sorted(subscriptions, key=lambda each: (each.customer, each.id)):
        period = month_period(subscription.start, subscription.end, at)
        if period is None:
            continue
        plan = catalog.plans[subscription.plan]
        for price in plan.prices:
            meter = catalog.meters[price.meter] if price.meter is not None else None
            yield Charge(
                subscription=subscription,
                plan=plan,
                plan_version=catalog.version("plan", plan.id),
                price=price,
                price_version=catalog.price_version(plan.id, price.id),
                meter=meter,
                meter_version=catalog.version("meter", meter.id) if meter is not None else 0,
                period=period,
            )
