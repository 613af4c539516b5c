"""Requests to correct usage, checked: messages of the wire contract to what is asked of the engine.

Rules:
1. A request is refused with every field that is wrong with it, before anything is read.
2. What an amendment puts into an event must be what admission would have taken: in form, in time, and as a quantity
   where a meter reads one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from engine.api.mistakes import raise_all, text_mistakes
from engine.errors import CorrectionRefusedError, FieldMistake, InvalidRequestError
from engine.times import optional_us, rfc3339_us, us_datetime
from engine.usage.corrections.correction import (
    CUSTOMERS_MAX,
    EVENT_IDS_MAX,
    FILTERS_MAX,
    VALUES_MAX,
    Amendment,
    Chosen,
    Correction,
    EventRef,
    EventRefs,
    PropertyFilter,
    Selection,
    Signature,
    Undone,
)
from engine.usage.corrections.voids import Kind, Void
from ingest import Limits, is_quantity
from meterline.v1 import correction_pb2
from meterline.v1.correction_pb2 import AmendUsage, CorrectUsageRequest, UndoCorrectionRequest, UsageSelection

# A sentence or two, which every fact of the correction carries.
_REASON_BYTES_MAX = 1_024
_NAME_BYTES_MAX = 128
# Of a correction that is tried: nobody will see it.
_DRY_RUN = Signature("dry run", "", "")
_KINDS = {"void": Kind.VOID, "amend": Kind.AMEND, "restore": Kind.RESTORE}


@dataclass(frozen=True, slots=True)
class Rules:
    """What an amended event must keep to, as admission has it now."""

    limits: Limits
    quantities: Mapping[str, frozenset[str]]
    now_us: int


def read_correction(request: CorrectUsageRequest, rules: Rules) -> tuple[Correction, Signature]:
    """What is asked for.

    Raises:
        InvalidRequestError: names the fields.
    """
    what = request.WhichOneof("correction")
    if what is None:
        raise _mistake("correction", "is not set: say void, amend or restore")
    chosen = _chosen(request)
    if not isinstance(chosen, EventRefs) and what == "restore":
        raise _mistake("selection", "can't be restored: name the events in event_refs")
    amendment = _amendment(request.amend, chosen, rules) if what == "amend" else None
    return Correction(_KINDS[what], chosen, amendment), _signature(request)


def read_undoing(request: UndoCorrectionRequest) -> tuple[Correction, Signature]:
    """What is asked for.

    Raises:
        InvalidRequestError: names the fields.
    """
    raise_all(text_mistakes("correction_id", request.correction_id, _NAME_BYTES_MAX))
    return Correction(Kind.UNDO, Undone(request.correction_id)), _signature(request)


def _signature(request: CorrectUsageRequest | UndoCorrectionRequest) -> Signature:
    if request.dry_run:
        return _DRY_RUN
    given = request.signature
    mistakes = [
        *text_mistakes("signature.correction_id", given.correction_id, _NAME_BYTES_MAX),
        *text_mistakes("signature.recorded_by", given.recorded_by, _NAME_BYTES_MAX),
        *text_mistakes("signature.reason", given.reason, _REASON_BYTES_MAX),
    ]
    raise_all(mistakes)
    return Signature(given.correction_id, given.recorded_by, given.reason)


def _chosen(request: CorrectUsageRequest) -> Chosen:
    match request.WhichOneof("events"):
        case "event_refs":
            return _refs(request.event_refs)
        case "selection":
            return _selection(request.selection)
    raise _mistake("events", "is not set: name events in event_refs, or select them")


def _refs(message: correction_pb2.EventRefs) -> EventRefs:
    if not 1 <= len(message.events) <= EVENT_IDS_MAX:
        raise _mistake("event_refs.events", f"has {len(message.events)}: name 1 to {EVENT_IDS_MAX}")
    refs = []
    for i, each in enumerate(message.events):
        if not each.event_id:
            raise _mistake(f"event_refs.events[{i}].event_id", "is empty")
        refs.append(
            EventRef(
                each.event_id,
                each.customer_id or None,
                each.event_type or None,
                optional_us(each, "event_time"),
                optional_us(each, "ingested_at"),
            )
        )
    return EventRefs(tuple(dict.fromkeys(refs)))


def _selection(message: UsageSelection) -> Selection:
    start_us, end_us = optional_us(message, "start"), optional_us(message, "end")
    if start_us is None or end_us is None:
        missing = "start" if start_us is None else "end"
        raise _mistake(f"selection.{missing}", "is not set: name the period of event_time")
    if end_us <= start_us:
        raise _mistake("selection.end", "must be later than start")
    bounds = (
        ("customer_ids", len(message.customer_ids), CUSTOMERS_MAX),
        ("filters", len(message.filters), FILTERS_MAX),
        *((f"filters[{i}].any_of", len(each.any_of), VALUES_MAX) for i, each in enumerate(message.filters)),
    )
    for name, count, count_max in bounds:
        if count > count_max:
            raise _mistake(f"selection.{name}", f"has {count}: at most {count_max}")
    for i, each in enumerate(message.filters):
        if not each.any_of and not each.HasField("exists"):
            raise _mistake(f"selection.filters[{i}]", "says nothing: set any_of or exists")
    filters = (
        PropertyFilter(
            each.property, tuple(sorted(set(each.any_of))), each.exists if each.HasField("exists") else None
        )
        for each in message.filters
    )
    return Selection(
        start_us,
        end_us,
        tuple(sorted(set(message.customer_ids))),
        message.event_type or None,
        tuple(filters),
    )


def _amendment(message: AmendUsage, chosen: Chosen, rules: Rules) -> Amendment:
    event_time_us = optional_us(message, "event_time")
    raise_all(_amendment_mistakes(message, chosen, rules, event_time_us))
    return Amendment(
        tuple(sorted(message.set_properties.items())),
        tuple(sorted(set(message.remove_properties))),
        message.customer_id or None,
        event_time_us,
    )


def _amendment_mistakes(
    message: AmendUsage, chosen: Chosen, rules: Rules, event_time_us: int | None
) -> Iterator[FieldMistake]:
    limits = rules.limits
    if event_time_us is not None and event_time_us > rules.now_us + limits.event_ahead_max_s * 1_000_000:
        yield FieldMistake("amend.event_time", "is in the future")
    if len(message.customer_id.encode()) > limits.id_bytes_max:
        yield FieldMistake("amend.customer_id", f"is longer than {limits.id_bytes_max} bytes")
    moves = message.customer_id or event_time_us is not None
    if moves and not isinstance(chosen, EventRefs):
        yield FieldMistake("amend", "moves events to another customer or time: name them in event_refs")
    if not moves and not message.set_properties and not message.remove_properties:
        yield FieldMistake("amend", "changes nothing: set or remove a property, or move the event")
    for name, text in sorted(message.set_properties.items()):
        yield from text_mistakes("amend.set_properties", name, limits.property_key_bytes_max)
        field = f"amend.set_properties.{name}"
        if len(text.encode()) > limits.property_value_bytes_max:
            yield FieldMistake(field, f"is longer than {limits.property_value_bytes_max} bytes")
        if name in message.remove_properties:
            yield FieldMistake(field, "is set and removed")


def check_not_expired(correction: Correction, facts: Iterable[Void], expired_before_us: int) -> None:
    """What has expired is kept as it was.

    Raises:
        CorrectionRefusedError: events of that time are selected, or one of them would be corrected.
    """
    before = us_datetime(expired_before_us).date()
    if isinstance(correction.chosen, Selection) and correction.chosen.start_us < expired_before_us:
        raise CorrectionRefusedError(
            f"usage before {before} has expired and can't be corrected: ask for a period from then on"
        )
    for fact in facts:
        if fact.event.event_time_us < expired_before_us:
            raise CorrectionRefusedError(
                f"event {fact.event.event_id!r} is of {rfc3339_us(fact.event.event_time_us)}: usage "
                f"before {before} has expired and can't be corrected; correct it in a later period"
            )


def check_amended(facts: Iterable[Void], amendment: Amendment, rules: Rules) -> None:
    """The facts of an amendment against what admission asks of an event.

    Raises:
        InvalidRequestError: names the first event that would not have been taken.
    """
    for fact in facts:
        if fact.replacement is None:
            continue
        event_id, count = fact.event.event_id, len(fact.replacement.properties)
        if count > rules.limits.properties_max:
            raise _mistake(
                "amend.set_properties",
                f"gives event {event_id!r} {count} properties; at most {rules.limits.properties_max}",
            )
        quantities = rules.quantities.get(fact.event.event_type, frozenset())
        for name, text in amendment.set_properties:
            if name in quantities and not is_quantity(text):
                raise _mistake(
                    f"amend.set_properties.{name}",
                    f"{text[:64]!r} is not a decimal number of at most 26 integer and 12 fractional digits, and a "
                    f"meter reads it as a quantity of {fact.event.event_type!r}",
                )


def _mistake(field: str, message: str) -> InvalidRequestError:
    return InvalidRequestError(FieldMistake(field, message))
