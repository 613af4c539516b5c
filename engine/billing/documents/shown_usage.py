"""Usage by day in a language: the texts of an invoice's annex. Pure."""

from typing import Any

from engine.billing.documents.languages import Language
from engine.billing.documents.local_format import LocalFormat
from engine.billing.documents.usage_behind import Relation, UsageBehind


def shown_usage(usage: UsageBehind, said: Language, local: LocalFormat) -> dict[str, Any]:
    """Of one meter and group."""
    dimensions = (f"{said.label(name)}: {said.label(value)}" for name, value in usage.dimensions.items())
    return {
        "name": said.label(usage.meter_id),
        "dimensions": ", ".join(dimensions),
        "lines": said.text("usage_lines", lines=", ".join(map(str, usage.line_numbers))),
        "period": local.period(usage.service, usage.zone),
        "days": [
            {"day": local.short_day(each.start_us, usage.zone), "quantity": local.number(each.quantity)}
            for each in usage.days
        ],
        "note": _note(usage, said, local),
    }


def _note(usage: UsageBehind, said: Language, local: LocalFormat) -> str:
    quantity = f"{local.number(usage.quantity)} {said.label(usage.unit) if usage.unit else ''}".rstrip()
    if usage.days_sum is None:
        how = "carried" if usage.carries_over else usage.aggregation
        return f"{said.text('usage_not_additive', quantity=quantity)} {said.text(f'usage_{how}')}"
    total = local.number(usage.days_sum)
    match usage.relation:
        case Relation.ADDS_UP:
            return said.text("usage_adds_up", quantity=quantity)
        case Relation.CONVERTED:
            return said.text("usage_converted", sum=total, quantity=quantity)
        case _:
            return said.text("usage_differs", sum=total, quantity=quantity)
