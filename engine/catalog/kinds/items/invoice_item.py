"""Invoice items: an amount that a customer is charged once, or given back once, whatever it uses.

Rules:
1. An item belongs to one billing period, [period_start, period_end), and is a line of the customer's invoice of that period in its
   currency. Who creates an item by the API is not asked for the period (engine.billing.items.item_periods finds it).
2. Lines name an item as they name a subscription and its plan: by `item_name`, which no id of either can be.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final

from engine.catalog import limits
from engine.catalog.kinds.coupon import INSTANT
from engine.catalog.kinds.resource import ID, Name, Reference, Resource
from fields import DecimalNumber, Problem, rule
from rating import CurrencyCode, whole_minor_units

# No id has a slash.
ITEM_PREFIX: Final = "item/"
_DAY: Final = timedelta(days=1)
AMOUNT: Final = DecimalNumber(
    at_least=-(10**limits.INVOICE_ITEM_DIGITS_MAX), integer_digits=limits.INVOICE_ITEM_DIGITS_MAX
)


@dataclass(frozen=True, kw_only=True)
class InvoiceItem(
    Resource, section="invoice_items", count_max=limits.INVOICE_ITEMS_MAX, called="invoice_item"
):
    """An amount in whole minor units; below 0 it is given back.

    description: what the invoice says. product: a label, as that of a price.
    taxed: whether it is taxed as the customer's other lines are.
    service_start, service_end: over which time it was rendered, [start, end); a day without an end.
    """

    customer: Annotated[str, Reference(to="customer")]
    description: Name
    currency: Annotated[str, CurrencyCode()]
    amount: Annotated[Decimal, AMOUNT]
    product: Annotated[str | None, ID] = None
    taxed: bool = True
    service_start: Annotated[datetime, INSTANT]
    service_end: Annotated[datetime | None, INSTANT] = None
    period_start: Annotated[datetime, INSTANT]
    period_end: Annotated[datetime, INSTANT]

    @property
    def service(self) -> tuple[datetime, datetime]:
        """[start, end)."""
        return self.service_start, self.service_end or self.service_start + _DAY

    @rule("amount", "currency")
    def _is_whole_minor_units(self) -> Iterator[Problem]:
        if not self.amount:
            yield Problem(("amount",), "must not be 0: nothing would be billed")
        yield from whole_minor_units("amount", self.amount, self.currency)

    @rule("service_start", "service_end")
    def _service_ends_after_it_begins(self) -> Iterator[Problem]:
        if self.service_end is not None and self.service_end <= self.service_start:
            yield Problem(("service_end",), "must be after service_start")

    @rule("period_start", "period_end")
    def _period_ends_after_it_begins(self) -> Iterator[Problem]:
        if self.period_end <= self.period_start:
            yield Problem(("period_end",), "must be after period_start")


def item_name(item_id: str) -> str:
    """What stands for an item in place of a subscription, and of a plan."""
    return f"{ITEM_PREFIX}{item_id}"


def named_item(name: str) -> str | None:
    """The item that a name is of; None for a subscription's or a plan's."""
    return name.removeprefix(ITEM_PREFIX) if name.startswith(ITEM_PREFIX) else None
