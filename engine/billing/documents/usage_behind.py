"""Usage by day behind lines of an invoice, as plain values: how it comes to what the lines bill. Pure.

Rules:
1. Days are those of the wall clock of the subscription, within the service period of the line. A day without usage has none.
2. The days of a meter that counts or sums come to the quantity of the line, or it is said how much they come to: a part of the period
   that an earlier invoice billed, or usage that is not kept any more.
3. Days are as they were measured. Where a meter converts, their sum converted is the quantity.
4. Of any other meter the days don't add up, which is said: the largest of a month is on one of its days.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from engine.billing.documents.document_parts import Span, added_up, plain
from engine.catalog.kinds.meter import Meter
from engine.times import rfc3339_us
from fields import Json
from rating import converted


class Relation(StrEnum):
    """Of the days to the quantity of the line."""

    ADDS_UP = "adds_up"
    CONVERTED = "converted"
    NOT_ADDITIVE = "not_additive"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class UsageDay:
    """[start_us, end_us), and what was measured in it."""

    start_us: int
    end_us: int
    quantity: Decimal

    def to_fields(self) -> dict[str, Json]:
        return {
            "start": rfc3339_us(self.start_us),
            "end": rfc3339_us(self.end_us),
            "quantity": plain(self.quantity),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageBehind:
    """line_numbers: of the lines that bill this usage, each of `quantity`. days_sum: None where days don't add up.

    unit: of `quantity`, for display; empty if the meter has none. carries_over: whether earlier periods count, too.
    """

    meter_id: str
    aggregation: str
    carries_over: bool
    unit: str
    dimensions: Mapping[str, str]
    service: Span
    zone: str
    line_numbers: Sequence[int]
    quantity: Decimal
    days: Sequence[UsageDay]
    relation: Relation
    days_sum: Decimal | None

    def to_fields(self) -> dict[str, Json]:
        found: dict[str, Json] = {
            "meter_id": self.meter_id,
            "aggregation": self.aggregation,
            "carries_over": self.carries_over,
            "unit": self.unit,
            "dimensions": dict(self.dimensions),
            "service_period": self.service.to_fields(),
            "time_zone": self.zone,
            "line_numbers": list(self.line_numbers),
            "quantity": plain(self.quantity),
            "relation": self.relation.value,
        }
        if self.days_sum is not None:
            found["days_sum"] = plain(self.days_sum)
        return found | {"days": [each.to_fields() for each in self.days]}


def relation_of(meter: Meter, quantity: Decimal, days: Sequence[UsageDay]) -> tuple[Relation, Decimal | None]:
    """How days come to the quantity of a line, and what they add up to."""
    if not meter.is_additive:
        return Relation.NOT_ADDITIVE, None
    total = added_up(each.quantity for each in days)
    if converted(total, meter.conversion) != quantity:
        return Relation.DIFFERS, total
    return (Relation.ADDS_UP if meter.conversion is None else Relation.CONVERTED), total
