"""What one event adds to a meter that counts or sums, by the same SQL that reads meters from stored events. Pure."""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from engine.usage.facts.filter_sql import filter_conditions
from engine.usage.facts.usage_request import Measure
from engine.usage.facts.value_sql import value_sql
from engine.usage.store.query import Query


def amount_of_any_event(measure: Measure) -> Decimal | None:
    """What each event of the meter's type adds, where that is the same for all: a count without filters. None: ask the store."""
    return Decimal(1) if measure.aggregation == "count" and not measure.filters else None


def event_amount_query(measure: Measure, properties: Mapping[str, str]) -> Query:
    """For an event of the meter's type with these properties, which need not be stored: `read_event_amount`."""
    parameters: dict[str, object] = {
        "property_names": list(properties),
        "property_values": list(properties.values()),
    }
    where = filter_conditions(measure.filters, parameters)
    amount = "toDecimal256(1, 12)"
    if measure.aggregation != "count" and measure.value is not None:
        amount = f"ifNull({value_sql(measure.value, parameters).decimal}, toDecimal256(0, 12))"
    event = "CAST(({property_names:Array(String)}, {property_values:Array(String)}), 'Map(String, String)') AS properties"
    condition = f" WHERE {' AND '.join(where)}" if where else ""
    return Query(f"SELECT toString({amount}) FROM (SELECT {event}){condition}", parameters)


def read_event_amount(rows: Sequence[Sequence[Any]]) -> Decimal | None:
    """What the event adds; None where it doesn't pass the meter's filters."""
    return Decimal(str(rows[0][0])) if rows else None
