"""An explanation for people: the sentences, the working, and what it was made from. Nothing is computed."""

from collections.abc import Iterable, Iterator

import click

from engine.cli.billing.line_tables import price_name
from engine.cli.invoices.invoice_tables import state_text
from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import counted, day, footer, grouped, instant, visible
from meterline.v1.billing_pb2 import LineItem
from meterline.v1.explanations_pb2 import (
    ExplainLineItemResponse,
    LineAdjustment,
    LineAmounts,
    LineReplay,
    LineStep,
    MeteredBy,
)

_AMOUNTS = {
    "amount": "amount",
    "discount": "discounts",
    "credit": "credits",
    "included_tax": "tax in prices",
    "tax": "tax",
    "due": "due",
}


def show_explanation(found: ExplainLineItemResponse) -> None:
    for each in _head(found):
        click.echo(visible(each))
    click.echo()
    for each in found.sentences:
        click.echo(visible(each))
    if found.steps:
        click.echo()
        _steps(found.steps).show()
    if found.HasField("amounts") or found.HasField("adjustment"):
        click.echo()
        _amounts(found).show()
    click.echo()
    for each in _made_of(found):
        click.echo(visible(each))
    click.echo(footer(found.as_of, found.catalog_revision))


def show_replay(replay: LineReplay) -> None:
    """What comes of stored events, beside what was booked."""
    if replay.is_same:
        click.echo("replayed from stored events: the same events, quantity and amounts, to the cent")
        return
    if replay.differences:
        click.echo()
        table = TextTable("booked otherwise", *map(NumberColumn, ("booked", "replayed")))
        for each in replay.differences:
            table.add(each.field, each.booked, each.replayed)
        table.show()


def _head(found: ExplainLineItemResponse) -> Iterator[str]:
    if found.invoice_number:
        line = found.invoice_line
        yield f"{found.invoice_number}, {state_text(found.invoice_state)}: line {line.line_number}, {line.kind} of {line.subscription_id}"
    if not found.HasField("line_item"):
        return
    item = found.line_item
    period = f"{day(item.period_start)} to {day(item.period_end)}"
    yield (
        f"{price_name(item.price_id, item.dimensions)}: {item.customer_id}, subscription {item.subscription_id}, {period}"
    )
    if (item.service_start, item.service_end) != (item.period_start, item.period_end):
        yield f"for {day(item.service_start)} to {day(item.service_end)} of it{_share(item)}"
    yield (
        f"plan {item.plan_id} (version {item.plan_version}), price {item.price_id} (version {item.price_version}), "
        f"{item.model}"
    )
    if found.HasField("metered_by"):
        yield _meter(found.metered_by)


def _share(item: LineItem) -> str:
    if not item.HasField("proration"):
        return ""
    part = item.proration
    return f": {part.end - part.start:,} of {part.total:,} {part.unit}s"


def _meter(meter: MeteredBy) -> str:
    of = f" of {meter.value}" if meter.value else ""
    where = f" where {meter.filters}" if meter.filters else ""
    by = f" by {', '.join(meter.group_by)}" if meter.group_by else ""
    over = ", with what was before the period" if meter.carries_over else ""
    unit = ""
    if meter.HasField("conversion"):
        unit = (
            f" × {meter.conversion.factor}" if meter.conversion.factor else f" ÷ {meter.conversion.divisor}"
        )
    which = f"{meter.aggregation} {meter.percentile}" if meter.percentile else meter.aggregation
    return f"meter {meter.meter_id} (version {meter.version}): {which}{of} of events {meter.event_type}{where}{by}{unit}{over}"


def _steps(steps: Iterable[LineStep]) -> TextTable:
    table = TextTable("step", *map(NumberColumn, ("term", "quantity", "amount")))
    for each in steps:
        table.add(_step(each), grouped(each.term), grouped(each.quantity), grouped(each.amount))
    return table


def _step(step: LineStep) -> str:
    """A tier with its bounds, and what it costs besides."""
    if step.step != "tier":
        return step.step
    bounds = f" above {grouped(step.from_quantity)}" if step.from_quantity not in ("", "0") else ""
    bounds += f" to {grouped(step.up_to)}" if step.up_to else ""
    flat = f", and {grouped(step.flat_amount)}" if step.flat_amount not in ("", "0") else ""
    return f"tier{bounds}{flat}"


def _amounts(found: ExplainLineItemResponse) -> TextTable:
    """What the line comes to; of one that corrects before, now, and the difference."""
    rows: list[tuple[str, LineAmounts]] = []
    if found.HasField("adjustment"):
        before, now = found.adjustment.before, found.adjustment.now
        line = found.invoice_line
        own = LineAmounts(**{name: getattr(line, name) for name in _AMOUNTS})
        on = ", ".join(found.adjustment.booked_on) or "nothing"
        rows += [(f"booked before, on {on}", before), ("this line", own), ("now", now)]
    else:
        rows.append(("the line", found.amounts))
    names = [
        name
        for name in _AMOUNTS
        if name in ("amount", "due") or any(set(getattr(each, name)) - set("0.-") for _, each in rows)
    ]
    table = TextTable("", *(NumberColumn(_AMOUNTS[name]) for name in names))
    for label, each in rows:
        table.add(label, *(grouped(getattr(each, name)) for name in names))
    return table


def _made_of(found: ExplainLineItemResponse) -> Iterator[str]:
    item = found.line_item
    if item.formula:
        yield f"formula: {item.formula}"
    if item.unrateable_reason:
        yield f"not rated: {item.unrateable_reason}"
    if item.meter_id:
        yield f"{counted(item.event_count, 'event')}, digest {item.event_digest}"
    if found.HasField("adjustment"):
        yield from _since(found.adjustment)


def _since(found: LineAdjustment) -> Iterator[str]:
    if not found.HasField("changed_after"):
        return
    counts = {
        "late": found.late_event_count,
        "voided": found.voided_event_count,
        "amended": found.amended_event_count,
        "brought back": found.restored_event_count,
        "with an id that was used before": found.reused_id_count,
    }
    said = [f"{count:,} {name}" for name, count in counts.items() if count]
    yield f"since {instant(found.changed_after)}, catalog revision {found.catalog_revision_before}: " + (
        f"events {', '.join(said)}" if said else "no event of its own"
    )
