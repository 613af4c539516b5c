"""A resource as JSON in the fields of the catalog document: one text for each value.

Fields that aren't given are left out, instants are RFC 3339 in UTC, decimals are text; so two resources are
equal if and only if their texts are, and `read_resource` gives the resource back.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from engine.catalog.read import read_resource
from engine.catalog.resources import Customer, Kind, Meter, Plan, PlanPrice, Resource, Subscription
from engine.meters.filters import filters_fields
from engine.meters.value import MeterValue, ValueExpression

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"


def fields_of(resource: Resource) -> dict[str, Json]:
    match resource:
        case Meter():
            fields = _meter_fields(resource)
        case Plan():
            fields = {
                "id": resource.id,
                "name": resource.name,
                "currency": resource.currency,
                "billing_period": resource.billing_period,
                "prices": [_price_fields(price) for price in resource.prices],
            }
        case Customer():
            fields = {"id": resource.id, "name": resource.name, "metadata": dict(resource.metadata) or None}
        case Subscription():
            fields = {
                "id": resource.id,
                "customer": resource.customer,
                "plan": resource.plan,
                "start": _rfc3339(resource.start),
                "end": _rfc3339(resource.end) if resource.end else None,
            }
    return {name: value for name, value in fields.items() if value is not None}


def _meter_fields(meter: Meter) -> dict[str, Json]:
    return {
        "id": meter.id,
        "event_type": meter.event_type,
        "aggregation": meter.aggregation,
        "value": _value_fields(meter.value),
        "percentile": _decimal(meter.percentile),
        "carries_over": meter.carries_over or None,
        "filters": filters_fields(meter.filters) or None,
        "group_by": list(meter.group_by) or None,
        "conversion": None if meter.conversion is None else meter.conversion.to_fields(),
        "unit": meter.unit,
    }


def _value_fields(value: MeterValue | None) -> Json:
    return value.to_fields() if isinstance(value, ValueExpression) else value


def _price_fields(price: PlanPrice) -> Json:
    fields: dict[str, Json] = {"id": price.id, **price.price.to_fields()}
    del fields["currency"]
    if price.meter is not None:
        fields["meter"] = price.meter
    return fields


def definition(resource: Resource) -> str:
    """The canonical JSON text."""
    return json_text(fields_of(resource))


def read_definition(kind: Kind, text: str) -> Resource:
    """The resource of a definition. Raises ResourceError if this version of Meterline can't read it."""
    fields: Mapping[str, object] = json.loads(text)
    return read_resource(kind, fields)


def json_text(value: Json) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _decimal(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def _rfc3339(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
