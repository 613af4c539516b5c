"""Corrections, their events and their effect as messages of the wire contract."""

from collections.abc import Iterable
from itertools import islice

from engine.api.messages import ANSWER_BYTES_MAX, decimal_text, money_text, unrateable_messages
from engine.billing.line_item import LineItem
from engine.spend.correction_effect import Effect, LineChange
from engine.times import datetime_us, to_timestamp
from engine.usage.corrections.conflict_list import Version
from engine.usage.corrections.correction import Plan, RecordedCorrection
from engine.usage.corrections.correction_list import CorrectedEvent
from engine.usage.corrections.voids import Kind
from meterline.v1 import correction_pb2
from meterline.v1.correction_pb2 import CorrectionEffect, CorrectionKind, EventVersion, Signature, SpendChange

# What a person reads; the rest is counted, and in the totals.
_LINE_CHANGES_MAX = 100
_KINDS: dict[Kind, CorrectionKind] = {
    Kind.VOID: CorrectionKind.CORRECTION_KIND_VOID,
    Kind.AMEND: CorrectionKind.CORRECTION_KIND_AMEND,
    Kind.RESTORE: CorrectionKind.CORRECTION_KIND_RESTORE,
    Kind.UNDO: CorrectionKind.CORRECTION_KIND_UNDO,
}


def correction_message(correction: RecordedCorrection) -> correction_pb2.Correction:
    return correction_pb2.Correction(
        signature=Signature(
            correction_id=correction.correction_id,
            recorded_by=correction.recorded_by,
            reason=correction.reason,
        ),
        kind=_KINDS[correction.kind],
        recorded_at=to_timestamp(correction.recorded_at_us),
        event_count=correction.event_count,
        undoes_correction_id=correction.undoes,
        undone_by_correction_id=correction.undone_by,
        in_effect=correction.in_effect,
    )


def version_message(version: Version) -> EventVersion:
    return EventVersion(
        customer_id=version.key.customer_id,
        event_type=version.key.event_type,
        event_time=to_timestamp(version.key.event_time_us),
        properties=version.properties,
        ingested_at=None if version.ingested_at_us is None else to_timestamp(version.ingested_at_us),
    )


def fitting_events(events: Iterable[CorrectedEvent]) -> list[correction_pb2.CorrectedEvent]:
    """The first that fit in one answer, and at least one."""
    messages: list[correction_pb2.CorrectedEvent] = []
    size_bytes = 0
    for event in events:
        either = event.before or event.after
        message = correction_pb2.CorrectedEvent(
            event_id=either.key.event_id if either is not None else "",
            before=version_message(event.before) if event.before is not None else None,
            after=version_message(event.after) if event.after is not None else None,
        )
        size_bytes += message.ByteSize()
        if messages and size_bytes > ANSWER_BYTES_MAX:
            break
        messages.append(message)
    return messages


def effect_message(plan: Plan, effect: Effect) -> CorrectionEffect:
    return CorrectionEffect(
        event_count=plan.event_count,
        unchanged_event_count=plan.unchanged_count,
        line_changes=map(_line_change, islice(effect.changes, _LINE_CHANGES_MAX)),
        line_change_count=len(effect.changes),
        totals=[
            SpendChange(currency=currency, amount_before=money_text(before), amount_after=money_text(after))
            for currency, (before, after) in effect.totals.items()
        ],
        unrateable_customers=unrateable_messages(
            dict(islice(sorted(effect.unrateable.items()), _LINE_CHANGES_MAX))
        ),
        periods_left_out=effect.periods_left_out,
        catalog_revision=effect.catalog_revision,
    )


def _line_change(change: LineChange) -> correction_pb2.LineChange:
    line, before, after = change.line, change.before, change.after
    charge = line.charge
    return correction_pb2.LineChange(
        customer_id=charge.subscription.customer,
        subscription_id=charge.subscription.id,
        price_id=charge.price.id,
        meter_id=charge.meter.resource.id if charge.meter is not None else "",
        dimensions=line.dimensions,
        period_start=to_timestamp(datetime_us(charge.period.start)),
        period_end=to_timestamp(datetime_us(charge.period.end)),
        quantity_before=_quantity(before),
        quantity_after=_quantity(after),
        event_count_before=before.event_count if before is not None else 0,
        event_count_after=after.event_count if after is not None else 0,
        amount_before=_amount(before, line),
        amount_after=_amount(after, line),
        currency=line.rated.currency,
    )


def _quantity(line: LineItem | None) -> str:
    return "0" if line is None else decimal_text(line.rated.quantity)


def _amount(line: LineItem | None, other: LineItem) -> str:
    """Of no line zero, with the digits of the other one."""
    return money_text(other.rated.amount * 0 if line is None else line.rated.amount)
