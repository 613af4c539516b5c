"""What a customer has spent: SpendService's answer as frozen values with exact Decimals."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from meterline.v1 import billing_pb2, spend_pb2


@dataclass(frozen=True, slots=True)
class TierAmount:
    """What one tier of a price adds. `up_to` is None for the open last tier."""

    index: int
    up_to: Decimal | None
    quantity: Decimal
    unit_amount: Decimal
    flat_amount: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class LineItem:
    """One charge over the billing period `[period_start, period_end)`.

    `exact_amount` is the amount before rounding, `amount` the one to pay, in `currency` (ISO 4217).
    """

    line_item_id: str
    subscription_id: str
    plan_id: str
    price_id: str
    model: str
    meter_id: str
    dimensions: Mapping[str, str]
    period_start: datetime
    period_end: datetime
    quantity: Decimal
    exact_amount: Decimal
    amount: Decimal
    currency: str
    tiers: tuple[TierAmount, ...]
    formula: str
    event_count: int


@dataclass(frozen=True, slots=True)
class CurrencySpend:
    """The sum of a customer's line items in one currency."""

    currency: str
    amount: Decimal
    line_item_count: int
    event_count: int


@dataclass(frozen=True, slots=True)
class Spend:
    """A customer's spend in the current or asked billing period.

    It holds exactly the events that had been ingested at `as_of`, rated with revision `catalog_revision`
    of the catalog. Most customers have one currency: `amount` and `currency` are then at hand.
    """

    customer_id: str
    totals: tuple[CurrencySpend, ...]
    line_items: tuple[LineItem, ...]
    as_of: datetime
    catalog_revision: int

    @property
    def amount(self) -> Decimal:
        """The amount, for a customer with one currency. Raises ValueError otherwise."""
        return self._only_total().amount

    @property
    def currency(self) -> str:
        """The currency, for a customer with one. Raises ValueError otherwise."""
        return self._only_total().currency

    def _only_total(self) -> CurrencySpend:
        if len(self.totals) != 1:
            currencies = ", ".join(total.currency for total in self.totals) or "none"
            raise ValueError(
                f"customer {self.customer_id} has {len(self.totals)} currencies ({currencies}): read `totals`"
            )
        return self.totals[0]


def spend_request(customer_id: str, at_us: int | None, as_of_us: int | None) -> bytes:
    """A serialized GetSpendRequest; times are microseconds since 1970."""
    request = spend_pb2.GetSpendRequest(customer_id=customer_id)
    if at_us is not None:
        request.at.FromMicroseconds(at_us)
    if as_of_us is not None:
        request.as_of.FromMicroseconds(as_of_us)
    return request.SerializeToString()


def read_spend(customer_id: str, response: spend_pb2.GetSpendResponse) -> Spend:
    """The answer as values, exact."""
    return Spend(
        customer_id=customer_id,
        totals=tuple(
            CurrencySpend(total.currency, Decimal(total.amount), total.line_item_count, total.event_count)
            for total in response.spends
        ),
        line_items=tuple(map(_line_item, response.line_items)),
        as_of=response.as_of.ToDatetime(tzinfo=UTC),
        catalog_revision=response.catalog_revision,
    )


def _line_item(line: billing_pb2.LineItem) -> LineItem:
    return LineItem(
        line_item_id=line.line_item_id,
        subscription_id=line.subscription_id,
        plan_id=line.plan_id,
        price_id=line.price_id,
        model=line.model,
        meter_id=line.meter_id,
        dimensions=dict(line.dimensions),
        period_start=line.period_start.ToDatetime(tzinfo=UTC),
        period_end=line.period_end.ToDatetime(tzinfo=UTC),
        quantity=_decimal(line.quantity),
        exact_amount=_decimal(line.exact_amount),
        amount=_decimal(line.amount),
        currency=line.currency,
        tiers=tuple(map(_tier, line.tiers)),
        formula=line.formula,
        event_count=line.event_count,
    )


def _tier(tier: billing_pb2.TierAmount) -> TierAmount:
    return TierAmount(
        index=tier.index,
        up_to=Decimal(tier.up_to) if tier.up_to else None,
        quantity=_decimal(tier.quantity),
        unit_amount=_decimal(tier.unit_amount),
        flat_amount=_decimal(tier.flat_amount),
        amount=_decimal(tier.amount),
    )


def _decimal(text: str) -> Decimal:
    """A decimal string, exact; a field that does not apply is empty and means zero."""
    return Decimal(text) if text else Decimal(0)
