"""Meters: events of a type, aggregated to a quantity."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated

from engine.catalog import limits
from engine.catalog.kinds.resource import Name, Resource
from engine.meters import limits as meter_limits
from engine.meters.filter_checks import MeterFilters
from engine.meters.filters import Filter, compared_properties, filtered_properties
from engine.meters.kinds import (
    AGGREGATIONS,
    CARRIED_OVER_AGGREGATIONS,
    LABEL,
    NUMERIC_AGGREGATIONS,
    Label,
    Percentile,
)
from engine.meters.value import MeterValue, Value, ValueExpression, properties_of_value
from fields import Choice, ListOf, Problem, rule
from rating import Conversion


@dataclass(frozen=True, kw_only=True)
class Meter(Resource, section="meters", count_max=limits.METERS_MAX):
    """Aggregates the events of `event_type` whose properties pass `filters`, for each group of `group_by`.

    value: the property that is aggregated, or an expression over several; None for a count, and only then.
    percentile: of a percentile and only then; in (0, 100], at most 3 fractional digits.
    carries_over: whether events before the billing period count as well; for sum, latest and time_weighted.
    filters: property -> accepted values, or Conditions; any, all, not -> FilterGroup; an event must pass every one.
    group_by: properties, in the order of the dimensions of a line item.
    conversion: of the quantity of a group, before it is priced.
    unit: of the quantity after the conversion; for display only.
    """

    event_type: Label
    aggregation: Annotated[str, Choice(AGGREGATIONS)]
    value: Annotated[MeterValue | None, Value()] = None
    percentile: Annotated[Decimal | None, Percentile()] = None
    carries_over: bool = False
    filters: Annotated[Mapping[str, Filter], MeterFilters()] = field(
        default_factory=lambda: MappingProxyType({})
    )
    group_by: Annotated[
        tuple[str, ...], ListOf(LABEL, 0, meter_limits.METER_GROUP_BY_MAX, distinct=True)
    ] = ()
    conversion: Conversion | None = None
    unit: Name | None = None

    @rule("aggregation", "value")
    def _value_fits_aggregation(self) -> Iterator[Problem]:
        if self.aggregation == "count" and self.value is not None:
            yield Problem(("value",), "does not belong to a count, which counts events: remove it")
        if self.aggregation != "count" and self.value is None:
            yield Problem(("value",), f"is missing: name the property to aggregate by {self.aggregation}")
        if self.aggregation == "unique_count" and isinstance(self.value, ValueExpression):
            message = "can't be an expression: unique_count compares the texts of one property, name it"
            yield Problem(("value",), message)

    @rule("aggregation", "percentile")
    def _percentile_fits_aggregation(self) -> Iterator[Problem]:
        if self.aggregation == "percentile" and self.percentile is None:
            yield Problem(("percentile",), "is missing: say which one, such as 95")
        if self.aggregation != "percentile" and self.percentile is not None:
            message = f"does not belong to {self.aggregation}: remove it, or aggregate by percentile"
            yield Problem(("percentile",), message)

    @rule("aggregation", "carries_over")
    def _carries_over_fits_aggregation(self) -> Iterator[Problem]:
        if self.carries_over and self.aggregation not in CARRIED_OVER_AGGREGATIONS:
            able = ", ".join(CARRIED_OVER_AGGREGATIONS)
            yield Problem(("carries_over",), f"does not belong to {self.aggregation}: only {able} carry over")

    @property
    def is_additive(self) -> bool:
        """Whether the quantities of the parts of a period sum up to that of the period."""
        return self.aggregation in ("count", "sum") and not self.carries_over

    @property
    def gives_event_amounts(self) -> bool:
        """Whether its quantity is the sum of values that events of the period itself have, each an amount of its own."""
        return self.aggregation == "sum" and not self.carries_over

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
