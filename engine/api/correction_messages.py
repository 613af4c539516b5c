"""Corrections, their events and their effect as messages of the wire contract."""

from decimal import Decimal

from engine.api.messages import decimal_text, money_text, unrateable_messages
from engine.billing.line_item import LineItem
from engine.spend.correction_effect import Effect
from engine.spend.line_changes import LineChange
from engine.times import datetime_us, to_timestamp
from engine.usage.corrections.conflict_list import Conflict, Version
from engine.usage.corrections.correction import CorrectionPlan, RecordedCorrection
from engine.usage.corrections.correction_list import CorrectedEvent
from engine.usage.corrections.voids import Kind
from meterline.v1 import correction_pb2
from meterline.v1.correction_pb2 import CorrectionEffect, CorrectionKind, EventVersion, Signature, SpendChange

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


def corrected_event_message(event: CorrectedEvent) -> correction_pb2.CorrectedEvent:
    either = event.before or event.after
    return correction_pb2.CorrectedEvent(
        event_id=either.key.event_id if either is not None else "",
        before=version_message(event.before) if event.before is not None else None,
        after=version_message(event.after) if event.after is not None else None,
    )


def conflict_message(conflict: Conflict) -> correction_pb2.Conflict:
    return correction_pb2.Conflict(
        event_id=conflict.voided.key.event_id,
        stands=version_message(conflict.stands),
        voided=version_message(conflict.voided),
        voided_at=to_timestamp(conflict.voided_at_us),
        restored=not conflict.void,
    )


def effect_message(plan: CorrectionPlan, effect: Effect) -> CorrectionEffect:
    return CorrectionEffect(
        event_count=plan.event_count,
        unchanged_event_count=plan.unchanged_count,
        line_changes=map(_line_change, effect.changes),
        line_change_count=effect.change_count,
        totals=[
            SpendChange(currency=currency, amount_before=money_text(before), amount_after=money_text(after))
            for currency, (before, after) in effect.totals.items()
        ],
        unrateable_customers=unrateable_messages(effect.unrateable),
        periods_left_out=effect.periods_left_out,
        catalog_revision=effect.catalog_revision,
    )


def _line_change(change: LineChange) -> correction_pb2.LineChange:
    line, before, after = change.line, change.before, change.after
    billed, period = line.charge.billed, line.charge.period
    return correction_pb2.LineChange(
        customer_id=line.charge.subscription.customer,
        subscription_id=line.charge.subscription.id,
        price_id=billed.price.id,
        meter_id=billed.meter.resource.id if billed.meter is not None else "",
        dimensions=line.dimensions,
        period_start=to_timestamp(datetime_us(period.start)),
        period_end=to_timestamp(datetime_us(period.end)),
        quantity_before=_quantity(before),
        quantity_after=_quantity(after),
        event_count_before=before.event_count if before is not None else 0,
        event_count_after=after.event_count if after is not None else 0,
        amount_before=_amount(before, billed.effective.digits),
        amount_after=_amount(after, billed.effective.digits),
        currency=billed.effective.currency,
    )


def _quantity(line: LineItem | None) -> str:
    return "0" if line is None else decimal_text(line.quantity)


def _amount(line: LineItem | None, digits: int) -> str:
    """Of no line zero; empty for one that its price can't rate."""
    if line is None:
        return money_text(Decimal(0).scaleb(-digits))
    return "" if line.rated is None else money_text(line.rated.amount)
