"""An invoice item as what is rated: a plan of one flat price that is billed once, and a subscription to it over the item's period.

So everything that bills subscriptions bills items, and nothing is said twice.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final

from engine.catalog import limits
from engine.catalog.kinds.items.invoice_item import AMOUNT, InvoiceItem, item_name
from engine.catalog.kinds.plan import BillingPeriod, Plan, PlanPrice
from engine.catalog.kinds.subscription import Subscription
from fields import Text
from rating import Model, Price, Timing

NO_ITEM: Final = item_name("")
"""The plan of an item that is no more: it has no price, so that what was billed of it is given back."""
# Longer than any billing period, so that an item's own is never cut by it.
_PERIOD_YEARS: Final = 1_000
_NAME: Final = Text(limits.ID_BYTES_MAX + len(NO_ITEM))


@dataclass(frozen=True, kw_only=True)
class _SignedPrice(Price, called="price"):
    """A flat price whose amount may be below 0."""

    flat_amount: Annotated[Decimal, AMOUNT]


@dataclass(frozen=True, kw_only=True)
class ItemPlan(Plan, section=Plan.section, count_max=Plan.count_max, called=Plan.called):
    """Called by `item_name`; `taxed`: the item's."""

    id: Annotated[str, _NAME]
    taxed: bool = True


@dataclass(frozen=True, kw_only=True)
class ItemSubscription(
    Subscription, section=Subscription.section, count_max=Subscription.count_max, called=Subscription.called
):
    """Called by `item_name`."""

    id: Annotated[str, _NAME]
    plan: Annotated[str, _NAME]


def item_plan(item: InvoiceItem) -> ItemPlan:
    """Its one price is called by the item's id."""
    price = _SignedPrice(
        currency=item.currency, model=Model.FLAT, flat_amount=item.amount, timing=Timing.ONCE
    )
    return ItemPlan(
        id=item_name(item.id),
        name=item.description,
        currency=item.currency,
        billing_period=BillingPeriod.YEAR,
        billing_period_count=_PERIOD_YEARS,
        prices=(PlanPrice(id=item.id, price=price, product=item.product),),
        taxed=item.taxed,
    )


def no_item_plan(currency: str) -> ItemPlan:
    """Of NO_ITEM."""
    return ItemPlan(id=NO_ITEM, name=NO_ITEM, currency=currency, prices=())


def item_subscription(item: InvoiceItem) -> ItemSubscription:
    """Over the item's period."""
    name = item_name(item.id)
    return ItemSubscription(
        id=name, customer=item.customer, plan=name, start=item.period_start, end=item.period_end
    )
