"""What a customer has spent: SpendService's answer as frozen values with exact Decimals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from meterline.errors import NoSingleCurrencyError
from meterline.v1 import billing_pb2, spend_pb2


@dataclass(frozen=True, slots=True)
class TierAmount:
    """What one tier of a price adds. None where the tier has no such part; the open last has no `up_to`."""

    index: int
    up_to: Decimal | None
    quantity: Decimal | None
    unit_amount: Decimal | None
    flat_amount: Decimal | None
    amount: Decimal


@dataclass(frozen=True, slots=True)
class StageAmount:
    """The amount after one stage of the calculation: "price", "percent_off", "maximum", ..."""

    stage: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Rounding:
    """How the amount was rounded, once: to `digits` fractional digits, per `scope` ("line" or "tier")."""

    mode: str
    scope: str
    digits: int


@dataclass(frozen=True, slots=True)
class LineItem:
    """One charge over the billing period `[period_start, period_end)`.

    `exact_amount` is the amount before rounding, `amount` the one to pay, in `currency` (ISO 4217).
    `quantity` is None and `meter_id` empty for a price without usage. `event_digest` identifies the set of
    the `event_count` events in the quantity; `unreadable_event_count` more had no readable quantity.

    A line that its price can't rate says why in `unrateable_reason`, which is empty for every other. Its `exact_amount`
    and `amount` are None: they are owed and not known yet, and in no total.
    """

    line_item_id: str
    customer_id: str
    subscription_id: str
    plan_id: str
    plan_version: int
    price_id: str
    price_version: int
    model: str
    meter_id: str
    meter_version: int
    dimensions: Mapping[str, str] = field(hash=False)
    period_start: datetime
    period_end: datetime
    quantity: Decimal | None
    exact_amount: Decimal | None
    amount: Decimal | None
    currency: str
    rounding: Rounding
    tiers: tuple[TierAmount, ...]
    stages: tuple[StageAmount, ...]
    formula: str
    event_count: int
    event_digest: str
    unreadable_event_count: int
    negative_quantity: bool
    unrateable_reason: str


@dataclass(frozen=True, slots=True)
class CurrencySpend:
    """The sum of a customer's line items in one currency; `incomplete` if some line can't be rated, and is not in it."""

    currency: str
    amount: Decimal
    line_item_count: int
    event_count: int
    incomplete: bool


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
        """The amount, for a customer with one currency. Raises NoSingleCurrencyError otherwise."""
        return self._only_total().amount

    @property
    def incomplete(self) -> bool:
        """Whether some line can't be rated, so that a total lacks it."""
        return any(total.incomplete for total in self.totals)

    @property
    def currency(self) -> str:
        """The currency, for a customer with one. Raises NoSingleCurrencyError otherwise."""
        return self._only_total().currency

    def _only_total(self) -> CurrencySpend:
        if not self.totals:
            raise NoSingleCurrencyError(
                f"customer {self.customer_id} has no line item in this period, so no currency and no amount: "
                "does a subscription cover it? `totals` is empty"
            )
        if len(self.totals) > 1:
            currencies = ", ".join(total.currency for total in self.totals)
            raise NoSingleCurrencyError(
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
            CurrencySpend(
                total.currency,
                Decimal(total.amount),
                total.line_item_count,
                total.event_count,
                total.incomplete,
            )
            for total in response.spends
        ),
        line_items=tuple(map(_line_item, response.line_items)),
        as_of=response.as_of.ToDatetime(tzinfo=UTC),
        catalog_revision=response.catalog_revision,
    )


def _line_item(line: billing_pb2.LineItem) -> LineItem:
    return LineItem(
        line_item_id=line.line_item_id,
        customer_id=line.customer_id,
        subscription_id=line.subscription_id,
        plan_id=line.plan_id,
        plan_version=line.plan_version,
        price_id=line.price_id,
        price_version=line.price_version,
        model=line.model,
        meter_id=line.meter_id,
        meter_version=line.meter_version,
        dimensions=dict(sorted(line.dimensions.items())),
        period_start=line.period_start.ToDatetime(tzinfo=UTC),
        period_end=line.period_end.ToDatetime(tzinfo=UTC),
        quantity=_decimal(line.quantity),
        exact_amount=_decimal(line.exact_amount),
        amount=_decimal(line.amount),
        currency=line.currency,
        rounding=Rounding(line.rounding.mode, line.rounding.scope, line.rounding.digits),
        tiers=tuple(map(_tier, line.tiers)),
        stages=tuple(StageAmount(stage.stage, Decimal(stage.amount)) for stage in line.stages),
        formula=line.formula,
        event_count=line.event_count,
        event_digest=line.event_digest,
        unreadable_event_count=line.unreadable_event_count,
        negative_quantity=line.negative_quantity,
        unrateable_reason=line.unrateable_reason,
    )


def _tier(tier: billing_pb2.TierAmount) -> TierAmount:
    return TierAmount(
        index=tier.index,
        up_to=_decimal(tier.up_to),
        quantity=_decimal(tier.quantity),
        unit_amount=_decimal(tier.unit_amount),
        flat_amount=_decimal(tier.flat_amount),
        amount=Decimal(tier.amount),
    )


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if text else None
