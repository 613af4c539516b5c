"""What the single fields of a meter may hold."""

from decimal import Decimal
from typing import Annotated, Final

from engine.meters import limits
from fields import FieldKind, ListOf, Schema, Text, shown
from ingest import is_quantity

AGGREGATIONS: Final = (
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "latest",
    "unique_count",
    "time_weighted",
    "percentile",
)
# These read their value as a decimal.
NUMERIC_AGGREGATIONS: Final = frozenset(AGGREGATIONS) - {"count", "unique_count"}
# What events before the period mean to the others is another aggregation, or nothing.
CARRIED_OVER_AGGREGATIONS: Final = ("sum", "latest", "time_weighted")

LABEL: Final = Text(limits.LABEL_BYTES_MAX)
"""An event type or the name of a property: any text that an event can carry."""
Label = Annotated[str, LABEL]


class AcceptedValues(ListOf):
    """Values that a property may have, the empty text among them; one by itself is a list of one. Kept in order."""

    def __init__(self) -> None:
        value = Text(limits.PROPERTY_VALUE_BYTES_MAX, free=True)
        super().__init__(value, 1, limits.METER_FILTER_VALUES_MAX, distinct=True)

    def read(self, given: object) -> tuple[str, ...]:
        if given is None or given == []:
            raise ValueError("needs a value, or a list of values")
        return tuple(sorted(super().read([given] if isinstance(given, str) else given)))

    def schema(self, definitions: Schema) -> Schema:
        return {"anyOf": [self.item.schema(definitions), super().schema(definitions)]}


class Quantity(FieldKind):
    """A decimal that an event's property could hold, without zeros that say nothing."""

    python = Decimal
    _wanted = "must be a decimal of at most 26 integer and 12 fractional digits"

    def read(self, given: object) -> Decimal:
        text = format(given, "f") if isinstance(given, Decimal) else given
        if not isinstance(text, str) or not is_quantity(text):
            raise ValueError(f"{self._wanted}, is {shown(given)}")
        whole, _, fraction = text.lstrip("+-").partition(".")
        whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
        # Made from its digits: arithmetic would round to the digits of a context.
        value = Decimal(f"{whole}.{fraction}" if fraction else whole)
        return value.copy_negate() if text.startswith("-") and value else value

    def written(self, value: Decimal) -> str:
        return format(value, "f")

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - holds no record
        return {"type": ["string", "number"], "pattern": r"^[+-]?\d{1,26}(\.\d{1,12})?$"}


class Percentile(Quantity):
    """Which one: above 0, at most 100, in thousandths."""

    def read(self, given: object) -> Decimal:
        value = super().read(given)
        if not (0 < value <= 100 and value == round(value, 3)):
            raise ValueError(
                f"must be greater than 0, at most 100, and have at most 3 fractional digits, is {value:f}"
            )
        return value

    def schema(self, definitions: Schema) -> Schema:
        found = {"exclusiveMinimum": 0, "maximum": 100, "pattern": r"^\+?\d+(\.\d{1,3}0*)?$"}
        return super().schema(definitions) | found
