"""The resources of a catalog: frozen values that are valid once constructed.

    Meter          events of a type, aggregated to a quantity
    Plan           prices in one currency, by billing period; each PlanPrice but a flat one rates a meter
    Customer       who pays
    Subscription   a customer on a plan over [start, end), in UTC

The constructors take untrusted fields by keyword and raise pydantic's ValidationError; `engine.catalog.read`
is the way in that also reads prices and reports every mistake with its path.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import core_schema

from engine.catalog import limits
from engine.catalog.rules import (
    frozen_metadata,
    instant_in_utc,
    one_currency,
    one_id,
    one_name,
    supported_billing_period,
)
from engine.meters import limits as meter_limits
from engine.meters.filter_checks import Filters
from engine.meters.filters import compared_properties, filtered_properties
from engine.meters.rules import (
    CARRIED_OVER_AGGREGATIONS,
    NUMERIC_AGGREGATIONS,
    one_label,
    one_percentile,
    supported_aggregation,
    true_or_false,
    without_repetition,
)
from engine.meters.value import MeterValue, Value, ValueExpression, properties_of_value
from rating import Conversion, Model, Price

Kind: TypeAlias = Literal["meter", "plan", "customer", "subscription"]
Aggregation: TypeAlias = Literal[
    "count", "sum", "min", "max", "avg", "latest", "unique_count", "time_weighted", "percentile"
]

Id = Annotated[str, AfterValidator(one_id)]
Label = Annotated[str, AfterValidator(one_label)]
Name = Annotated[str, AfterValidator(one_name)]
GroupBy = Annotated[
    tuple[Label, ...],
    Field(max_length=meter_limits.METER_GROUP_BY_MAX),
    AfterValidator(without_repetition),
]
Metadata = Annotated[
    Mapping[Label, str],
    Field(max_length=limits.METADATA_ENTRIES_MAX),
    AfterValidator(frozen_metadata),
]
Instant = Annotated[datetime, BeforeValidator(instant_in_utc)]
# A Price and a Conversion of rating are valid once there are any: pydantic must neither
# look inside nor rebuild it.
RatingPrice = Annotated[
    Price, GetPydanticSchema(lambda _source, _handler: core_schema.is_instance_schema(Price))
]
RatingConversion = Annotated[
    Conversion, GetPydanticSchema(lambda _source, _handler: core_schema.is_instance_schema(Conversion))
]


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Meter(_Value):
    """Aggregates the events of `event_type` whose properties pass `filters`, for each group of `group_by`.

    value: the property that is aggregated, or an expression over several; None for a count, and only then.
    percentile: of a percentile and only then; in (0, 100], at most 3 fractional digits.
    carries_over: whether events before the billing period count as well; for sum, latest and time_weighted.
    filters: property -> accepted values, sorted, or Conditions; any, all, not -> FilterGroup; an event must pass every one.
    group_by: properties, in the order of the dimensions of a line item.
    conversion: of the quantity of a group, before it is priced.
    unit: of the quantity after the conversion; for display only.
    """

    kind: ClassVar[Kind] = "meter"
    id: Id
    event_type: Label
    aggregation: Annotated[Aggregation, BeforeValidator(supported_aggregation)]
    value: Value | None = Field(default=None, validate_default=True)
    percentile: Annotated[Decimal, BeforeValidator(one_percentile)] | None = Field(
        default=None, validate_default=True
    )
    carries_over: Annotated[bool, BeforeValidator(true_or_false)] = False
    filters: Filters = Field(default_factory=_nothing)
    group_by: GroupBy = ()
    conversion: RatingConversion | None = None
    unit: Name | None = None

    @field_validator("value")
    @classmethod
    def _value_fits_aggregation(cls, value: MeterValue | None, info: ValidationInfo) -> MeterValue | None:
        aggregation = info.data.get("aggregation")
        if aggregation == "count" and value is not None:
            raise ValueError("does not belong to a count, which counts events: remove it")
        if aggregation not in (None, "count") and value is None:
            raise ValueError(f"is missing: name the property to aggregate by {aggregation}")
        if aggregation == "unique_count" and isinstance(value, ValueExpression):
            raise ValueError(
                "can't be an expression: unique_count compares the texts of one property, name it"
            )
        return value

    @field_validator("percentile")
    @classmethod
    def _percentile_fits_aggregation(cls, percentile: Decimal | None, info: ValidationInfo) -> Decimal | None:
        aggregation = info.data.get("aggregation")
        if aggregation == "percentile" and percentile is None:
            raise ValueError("is missing: say which one, such as 95")
        if aggregation not in (None, "percentile") and percentile is not None:
            raise ValueError(f"does not belong to {aggregation}: remove it, or aggregate by percentile")
        return percentile

    @field_validator("carries_over")
    @classmethod
    def _carries_over_fits_aggregation(cls, carries_over: bool, info: ValidationInfo) -> bool:
        aggregation = info.data.get("aggregation")
        if carries_over and aggregation is not None and aggregation not in CARRIED_OVER_AGGREGATIONS:
            able = ", ".join(CARRIED_OVER_AGGREGATIONS)
            raise ValueError(f"does not belong to {aggregation}: only {able} carry over")
        return carries_over

    @property
    def properties(self) -> frozenset[str]:
        """The properties that it reads."""
        return frozenset(
            [*properties_of_value(self.value), *filtered_properties(self.filters), *self.group_by]
        )

    @property
    def decimal_properties(self) -> frozenset[str]:
        """The properties that must be decimals if an event has them: aggregated, or compared in a filter."""
        aggregated = properties_of_value(self.value) if self.aggregation in NUMERIC_AGGREGATIONS else ()
        return frozenset([*aggregated, *compared_properties(self.filters)])


class PlanPrice(_Value):
    """One price of a plan; `id` is unique in the plan, `meter` is None for a flat price only."""

    id: Id
    price: RatingPrice
    meter: Id | None = Field(default=None, validate_default=True)

    @field_validator("price")
    @classmethod
    def _usage_can_be_fed(cls, price: Price) -> Price:
        if problem := usage_problem(price):
            raise ValueError(problem)
        return price

    @field_validator("meter")
    @classmethod
    def _meter_fits_model(cls, meter: str | None, info: ValidationInfo) -> str | None:
        price = info.data.get("price")
        if isinstance(price, Price) and (problem := meter_problem(str(price.model), meter)):
            raise ValueError(problem)
        return meter


class Plan(_Value):
    """Prices in one currency (ISO 4217), in the order in which their line items are listed."""

    kind: ClassVar[Kind] = "plan"
    id: Id
    name: Name
    currency: Annotated[str, AfterValidator(one_currency)]
    billing_period: Annotated[Literal["month"], BeforeValidator(supported_billing_period)] = "month"
    prices: Annotated[tuple[PlanPrice, ...], Field(max_length=limits.PLAN_PRICES_MAX)]

    @field_validator("prices")
    @classmethod
    def _price_ids_differ(cls, prices: tuple[PlanPrice, ...]) -> tuple[PlanPrice, ...]:
        without_repetition(tuple(price.id for price in prices))
        return prices


class Customer(_Value):
    """Who pays. `metadata` is the user's own, for joins with other systems."""

    kind: ClassVar[Kind] = "customer"
    id: Id
    name: Name
    metadata: Metadata = Field(default_factory=_nothing)


class Subscription(_Value):
    """A customer on a plan over [start, end), instants in UTC; open-ended without `end`.

    `id` is "<customer>:<plan>" if none is given.
    """

    kind: ClassVar[Kind] = "subscription"
    id: Id
    customer: Id
    plan: Id
    start: Instant
    end: Instant | None = None

    @model_validator(mode="before")
    @classmethod
    def _default_id(cls, fields: Any) -> Any:  # noqa: ANN401 - pydantic hands over whatever was given
        if isinstance(fields, Mapping) and fields.get("id") is None:
            default = default_subscription_id(fields)
            return fields if default is None else {**fields, "id": default}
        return fields

    @field_validator("end")
    @classmethod
    def _ends_after_start(cls, end: datetime | None, info: ValidationInfo) -> datetime | None:
        start = info.data.get("start")
        if end is not None and start is not None and end <= start:
            raise ValueError("must be after start")
        return end


Resource: TypeAlias = Meter | Plan | Customer | Subscription


def default_subscription_id(fields: Mapping[str, object]) -> str | None:
    """The id of a subscription that gives none; None if its customer or plan isn't given as text."""
    customer, plan = fields.get("customer"), fields.get("plan")
    if isinstance(customer, str) and isinstance(plan, str):
        return f"{customer}:{plan}"
    return None


def usage_problem(price: Price) -> str | None:
    """What is wrong with metering for this price: a meter gives one quantity a line."""
    if price.model is Model.CAPACITY:
        return "needs the quantities of several units, which a meter doesn't give yet"
    if price.needs_events:
        return "needs the amount of each event (for its terms per event), which a meter doesn't give yet"
    return None


def meter_problem(model: str, meter: object) -> str | None:
    """What is wrong with a price of this model having (or not having) this meter."""
    if model == "flat" and meter is not None:
        return "does not belong to a flat price, which has no usage: remove it"
    if model != "flat" and meter is None:
        return f"is missing: a {model} price rates the quantity of a meter"
    return None
