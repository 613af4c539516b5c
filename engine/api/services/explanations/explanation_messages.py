"""Explanations as messages of the wire contract."""

from collections.abc import Mapping

import pyarrow as pa

from engine.api.messages import commitment_message, decimal_text, line_item_message, money_text
from engine.api.services.invoices.invoice_messages import line_messages, state_number
from engine.billing.closing.booked_lines import INVOICE_LINE_ROWS
from engine.billing.explaining.explanation import (
    Adjustment,
    Amounts,
    InvoiceRow,
    LineExplanation,
    LineStep,
    LineTerm,
)
from engine.billing.explaining.line_steps import line_steps
from engine.billing.explaining.replay import Replay
from engine.billing.explaining.sentences import sentences
from engine.billing.line_item import LineItem
from engine.catalog.kinds import json_text
from engine.catalog.kinds.meter import Meter
from engine.catalog.snapshots.versions import Versioned
from engine.times import datetime_us, to_timestamp
from meterline.v1 import explanations_pb2 as pb
from meterline.v1.billing_pb2 import Conversion
from meterline.v1.events_pb2 import EventGroup, ListEventsRequest, MeterEvents
from meterline.v1.invoices_pb2 import InvoiceLine


def explanation_message(of: LineExplanation, corrected: Mapping[str, int]) -> pb.ExplainLineItemResponse:
    """`corrected`: the numbers of the invoices that the line corrects, by their ids."""
    message = pb.ExplainLineItemResponse(
        sentences=sentences(of),
        as_of=to_timestamp(of.as_of_us),
        catalog_revision=of.revision,
        unexplained_reason=of.unexplained,
    )
    if (item := of.item) is not None:
        message.line_item.CopyFrom(line_item_message(item))
        message.steps.extend(map(_step, line_steps(item)))
        if (meter := item.charge.billed.meter) is not None:
            message.metered_by.CopyFrom(_metered_by(meter))
            message.events.CopyFrom(_events(of, item, meter.resource.id))
    if of.booked is not None:
        message.invoice_line.CopyFrom(_invoice_line(of.booked, corrected))
        message.invoice_number = of.booked.invoice.name
        message.invoice_state = state_number(of.booked.invoice.state)
    if of.settled is not None:
        message.amounts.CopyFrom(_amounts(of.settled.amounts))
        message.terms.extend(map(_term, of.settled.terms))
        if of.settled.commitment is not None:
            message.commitment.CopyFrom(commitment_message(of.settled.commitment))
    if of.adjustment is not None:
        message.adjustment.CopyFrom(_adjustment(of.adjustment))
    return message


def replay_message(replay: Replay) -> pb.LineReplay:
    return pb.LineReplay(
        is_same=replay.is_same,
        differences=[
            pb.ReplayDifference(field=each.field, booked=each.booked, replayed=each.replayed)
            for each in replay.differences
        ],
        impossible_reason=replay.impossible,
    )


def _step(step: LineStep) -> pb.LineStep:
    is_rounding = step.step == "rounding" and step.amount is not None
    return pb.LineStep(
        step=step.step,
        term=decimal_text(step.term),
        quantity=decimal_text(step.quantity),
        from_quantity=decimal_text(step.from_quantity),
        up_to=decimal_text(step.up_to),
        flat_amount=decimal_text(step.flat_amount),
        amount=money_text(step.amount)
        if is_rounding and step.amount is not None
        else decimal_text(step.amount),
    )


def _metered_by(meter: Versioned[Meter]) -> pb.MeteredBy:
    of = meter.resource
    fields = of.to_fields()
    value = fields.get("value", "")
    message = pb.MeteredBy(
        meter_id=of.id,
        version=meter.version,
        event_type=of.event_type,
        aggregation=of.aggregation,
        value=value if isinstance(value, str) else json_text(value),
        percentile=decimal_text(of.percentile),
        carries_over=of.carries_over,
        filters=json_text(fields["filters"]) if of.filters else "",
        group_by=of.group_by,
        unit=of.unit or "",
    )
    if of.conversion is not None:
        by = of.conversion
        message.conversion.CopyFrom(
            Conversion(factor=decimal_text(by.factor), divisor=decimal_text(by.divisor))
        )
    return message


def _events(of: LineExplanation, item: LineItem, meter_id: str) -> ListEventsRequest:
    service = item.charge.service
    return ListEventsRequest(
        customer_ids=[of.customer_id],
        start=to_timestamp(datetime_us(service.start)),
        end=to_timestamp(datetime_us(service.end)),
        as_of=to_timestamp(of.as_of_us),
        meter=MeterEvents(
            meter_id=meter_id, catalog_revision=of.revision, group=EventGroup(dimensions=item.dimensions)
        ),
    )


def _invoice_line(booked: InvoiceRow, corrected: Mapping[str, int]) -> InvoiceLine:
    rows = pa.Table.from_pylist([dict(booked.row)], INVOICE_LINE_ROWS)
    return next(iter(line_messages(booked.invoice, rows, corrected)))


def _amounts(of: Amounts) -> pb.LineAmounts:
    return pb.LineAmounts(**{name: money_text(each) for name, each in of.items()})


def _term(term: LineTerm) -> pb.LineTerm:
    return pb.LineTerm(
        kind=term.kind,
        id=term.id,
        amount=money_text(term.amount),
        percent=decimal_text(term.percent),
        included=term.included,
        reverse_charge=term.reverse_charge,
    )


def _adjustment(found: Adjustment) -> pb.LineAdjustment:
    message = pb.LineAdjustment(
        quantity_before=decimal_text(found.before.quantity),
        event_count_before=found.before.event_count,
        before=_amounts(found.before.amounts),
        booked_on=found.before.on,
        quantity_now=decimal_text(found.now.quantity),
        event_count_now=found.now.event_count,
        now=_amounts(found.now.amounts),
        late_event_count=found.facts.late_events,
        voided_event_count=found.facts.voided,
        amended_event_count=found.facts.amended,
        restored_event_count=found.facts.restored,
        reused_id_count=found.facts.reused_ids,
        catalog_revision_before=found.revision_before,
    )
    if found.changed_after_us:
        message.changed_after.CopyFrom(to_timestamp(found.changed_after_us))
    return message
