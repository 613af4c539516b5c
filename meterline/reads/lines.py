"""Line items: what a customer owes for one charge, as frozen values with exact Decimals, and the listing of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from meterline.arguments import asked_text, epoch_us, set_snapshot
from meterline.errors import InvalidArgumentError
from meterline.reads.paging import AsyncListing, Listing, Pages
from meterline.v1 import billing_pb2
from meterline.v1.billing_pb2 import ListLineItemsRequest, ListLineItemsResponse

_PAGE_LINES = 1_000  # the engine's most: a listing is read to its end as a rule


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
    """The amount after one stage of the calculation: "price", "percent_off", "maximum_amount", ..., "proration".

    `term` is the price's term for it: 10 of "percent_off", an amount of the others; None for "price" and "proration".
    """

    stage: str
    amount: Decimal
    term: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a price changes the meter's unit to its own: times `factor`, or divided by `divisor`; the other is None."""

    factor: Decimal | None
    divisor: Decimal | None


@dataclass(frozen=True, slots=True)
class Rounding:
    """How the amount was rounded, once: to `digits` fractional digits, per `scope` ("line" or "tier").

    The groups of one charge are rounded together: `group_count` of them, whose exact amounts sum up to
    `charge_exact_amount`, which is rounded to `charge_amount` and shared out among them. 0, None and None for a
    line that is rounded by itself.
    """

    mode: str
    scope: str
    digits: int
    group_count: int = 0
    charge_exact_amount: Decimal | None = None
    charge_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class LineItem:
    """One charge over the billing period `[period_start, period_end)`.

    `exact_amount` is the amount before rounding, `amount` the one to pay, in `currency` (ISO 4217).
    `quantity` is 0 and `meter_id` empty for a price without usage. `event_digest` identifies the set of
    the `event_count` events that the meter selected. Of these, `missing_value_event_count` lack the property that the
    meter reads and `unreadable_event_count` have one that can't be read: they add nothing to the quantity.

    `billable_quantity` is what the price counts: the quantity after the price's own `conversion`, less its
    `allowance`. `free_amount` of a percentage price costs nothing. The quantity of a tier counts packages or blocks
    where `package_size` or `block_size` says so. Each is None where the price has no such part.

    A line that its price can't rate says why in `unrateable_reason`, which is empty for every other. Its `exact_amount`,
    `amount` and `billable_quantity` are None: they are owed and not known yet, and in no total.
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
    missing_value_event_count: int
    unrateable_reason: str
    billable_quantity: Decimal | None
    conversion: Conversion | None
    allowance: Decimal | None
    free_amount: Decimal | None
    package_size: Decimal | None
    block_size: Decimal | None


@dataclass(frozen=True, slots=True)
class UnrateableCustomer:
    """A customer with a line that its price can't rate: bill them when the reason is mended, not in part.

    `message` says of the first such line which subscription and price it is of, and why.
    """

    customer_id: str
    message: str


def lines_request(
    customer_id: str | None, at: datetime | None, as_of: datetime | None, catalog_revision: int | None
) -> ListLineItemsRequest:
    """The request for the first page, of all customers if None. Raises InvalidArgumentError."""
    request = ListLineItemsRequest(page_size=_PAGE_LINES)
    if customer_id is not None:
        request.customer_id = asked_text("customer_id", customer_id)
        if not customer_id:
            raise InvalidArgumentError("customer_id is empty: leave it out for all customers")
    if at is not None:
        request.at.FromMicroseconds(epoch_us(at, "at"))
    set_snapshot(request, as_of, catalog_revision)
    return request


class LinePages(Pages[ListLineItemsResponse, LineItem]):
    """What `LineItems` and `AsyncLineItems` know of the pages that they have read."""

    def __init__(self, request: ListLineItemsRequest) -> None:
        super().__init__(request)
        self._unrateable: dict[str, UnrateableCustomer] = {}

    @property
    def unrateable_customers(self) -> tuple[UnrateableCustomer, ...]:
        """Customers of the pages read so far with a line that can't be rated: all of them after the last line."""
        return tuple(self._unrateable.values())

    def _values_of(self, page: ListLineItemsResponse) -> Iterator[LineItem]:
        for each in page.unrateable_customers:
            self._unrateable.setdefault(each.customer_id, UnrateableCustomer(each.customer_id, each.message))
        return map(line_item, page.line_items)


class LineItems(Listing[ListLineItemsResponse, LineItem], LinePages):
    """Iterates over the line items of `Client.lines`, by customer, subscription, price and dimensions."""


class AsyncLineItems(AsyncListing[ListLineItemsResponse, LineItem], LinePages):
    """Iterates over the line items of `AsyncClient.lines`, by customer, subscription, price and dimensions."""


def line_item(line: billing_pb2.LineItem) -> LineItem:
    """The message as a value, exact."""
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
        rounding=_rounding(line.rounding),
        tiers=tuple(map(_tier, line.tiers)),
        stages=tuple(
            StageAmount(stage.stage, Decimal(stage.amount), _decimal(stage.term)) for stage in line.stages
        ),
        formula=line.formula,
        event_count=line.event_count,
        event_digest=line.event_digest,
        unreadable_event_count=line.unreadable_event_count,
        negative_quantity=line.negative_quantity,
        missing_value_event_count=line.missing_value_event_count,
        unrateable_reason=line.unrateable_reason,
        billable_quantity=_decimal(line.billable_quantity),
        conversion=_conversion(line.conversion) if line.HasField("conversion") else None,
        allowance=_decimal(line.allowance),
        free_amount=_decimal(line.free_amount),
        package_size=_decimal(line.package_size),
        block_size=_decimal(line.block_size),
    )


def _rounding(rounding: billing_pb2.Rounding) -> Rounding:
    return Rounding(
        mode=rounding.mode,
        scope=rounding.scope,
        digits=rounding.digits,
        group_count=rounding.group_count,
        charge_exact_amount=_decimal(rounding.charge_exact_amount),
        charge_amount=_decimal(rounding.charge_amount),
    )


def _conversion(conversion: billing_pb2.Conversion) -> Conversion:
    return Conversion(_decimal(conversion.factor), _decimal(conversion.divisor))


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
