"""Which charges a catalog makes at one instant. Pure."""

from collections.abc import Iterator
from datetime import datetime

from engine.billing.line_item import Charge
from engine.billing.periods import month_period
from engine.catalog.snapshot import Catalog


def charges_at(catalog: Catalog, customer_ids: frozenset[str], at: datetime) -> Iterator[Charge]:
    """The charges of every billing period that contains `at`.

    By customer, subscription, and the plan's order of prices; so are the line items.
    """
    chosen = (each.resource for customer in customer_ids for each in catalog.subscriptions_of(customer))
    for subscription in sorted(chosen, key=lambda each: (each.customer, each.id)):
        period = month_period(subscription.start, subscription.end, at)
        if period is None:
            continue
        plan = catalog.plans[subscription.plan]
        for price in plan.resource.prices:
            yield Charge(
                subscription=subscription,
                plan=plan.resource,
                plan_version=plan.version,
                price=price,
                price_version=catalog.price_version(plan.resource.id, price.id),
                meter=catalog.meters[price.meter] if price.meter is not None else None,
                period=period,
            )
