"""EventService: events as they are stored, in pages that share one snapshot."""

from collections.abc import Callable
from dataclasses import astuple, dataclass, replace

from engine.api.event_requests import EventQuestion, MeterQuestion, check_group, read_event_question
from engine.api.messages import fitting
from engine.api.operation import Call
from engine.api.page_tokens import bad_token, opened, sealed
from engine.api.services.turns import Turns
from engine.billing.meter_usage import find_meter, measure_of
from engine.catalog.store import CatalogStore
from engine.cluster.watermarks import read_watermark_us
from engine.errors import NotFoundError
from engine.times import to_timestamp
from engine.usage.facts.listed_events import FIRST, EventChoice, EventPlace, MeterGroup
from engine.usage.query.event_list import EventList, ListedEvent
from ingest import IngestOrder
from meterline.v1.events_pb2 import (
    EventVoiding,
    ExpiredEvents,
    ListEventsRequest,
    ListEventsResponse,
    RecordedEvent,
)


@dataclass(frozen=True, slots=True)
class EventParts:
    """What events are read from."""

    catalog: CatalogStore
    events: EventList
    clock: IngestOrder


@dataclass(frozen=True, slots=True)
class _Start:
    """The snapshot that all pages share, and the place behind which one begins. The revision is None for the newest."""

    as_of_us: int
    revision: int | None
    place: EventPlace


class EventService:
    """Lists events, a few listings at a time."""

    def __init__(self, parts: EventParts, now_us: Callable[[], int], turns: Turns) -> None:
        self._parts = parts
        self._now_us = now_us
        self._turns = turns

    def list_events(self, request: ListEventsRequest, call: Call) -> ListEventsResponse:
        question = read_event_question(request)
        start = self._start(question)
        choice, revision = self._choice(call.tenant, question, start)
        with self._turns.turn(call.tenant):
            if choice.correction_id and not self._parts.events.has_correction(choice):
                raise NotFoundError(
                    f"correction {choice.correction_id!r} was never recorded, or has no events of these customers"
                )
            page = self._parts.events.page(choice, start.place, question.page_size)
        messages = fitting(map(_event_message, page.events))
        following = (
            page.following if len(messages) == len(page.events) else page.events[len(messages) - 1].place
        )
        return ListEventsResponse(
            events=messages,
            as_of=to_timestamp(start.as_of_us),
            catalog_revision=revision,
            next_page_token=sealed(question.digest, start.as_of_us, revision, *astuple(following))
            if following
            else "",
            expired=[
                ExpiredEvents(
                    event_type=each.event_type,
                    expired_before=to_timestamp(each.before_us),
                    customer_count=each.customers,
                )
                for each in page.expired
            ],
        )

    def _start(self, question: EventQuestion) -> _Start:
        clock, now_us = self._parts.clock, self._now_us()
        if not question.page_token:
            revision = None if question.meter is None else question.meter.revision
            return _Start(read_watermark_us(clock, now_us, question.as_of_us), revision, FIRST)
        parts = opened(question.page_token, question.digest, int, int, int, str, str, str, int)
        as_of_us, revision_then, time_us, event_id, customer_id, event_type, content_hash = parts
        if int(as_of_us) > clock.watermark(now_us) or int(content_hash) >= 2**32:
            raise bad_token()
        place = EventPlace(int(time_us), str(event_id), str(customer_id), str(event_type), int(content_hash))
        return _Start(int(as_of_us), int(revision_then), place)

    def _choice(self, tenant: str, question: EventQuestion, start: _Start) -> tuple[EventChoice, int]:
        """Which events are meant, and the revision of the catalog that says so; 0 if none does."""
        event_type, meter, revision = question.event_type, None, 0
        question, revision = self._with_aliases(tenant, question, start)
        start = replace(start, revision=revision or start.revision)
        if question.meter is not None:
            meter, revision = self._meter(tenant, question, question.meter, start)
            event_type = meter.usage.event_type
        choice = EventChoice(
            tenant=tenant,
            as_of_us=start.as_of_us,
            customer_ids=question.customer_ids,
            event_type=event_type,
            event_ids=question.event_ids,
            start_us=question.start_us,
            end_us=question.end_us,
            meter=meter,
            correction_id=question.correction_id,
            with_void=question.with_void,
        )
        return choice, revision

    def _with_aliases(self, tenant: str, question: EventQuestion, start: _Start) -> tuple[EventQuestion, int]:
        """Of the customers that are asked for also what is recorded under their aliases, and by which revision of the catalog
        those are theirs; 0 if none has any.
        """
        goes_on_without = start.place is not FIRST and not start.revision
        if not question.customer_ids or goes_on_without:
            return question, 0
        catalog = self._parts.catalog.snapshot(tenant, start.revision)
        ids = catalog.customers.with_aliases(question.customer_ids)
        if ids == question.customer_ids:
            return question, 0
        return replace(question, customer_ids=ids), catalog.revision

    def _meter(
        self, tenant: str, question: EventQuestion, asked: MeterQuestion, start: _Start
    ) -> tuple[MeterGroup, int]:
        catalog = self._parts.catalog.snapshot(tenant, start.revision)
        meter = find_meter(catalog, asked.meter_id).resource
        if asked.group is not None:
            check_group(asked.group, tuple(meter.group_by), meter.id)
        if question.start_us is None or question.end_us is None:
            raise ValueError("a meter counts in a period")
        usage = measure_of(tenant, meter).asked(
            question.customer_ids or None, (question.start_us, question.end_us), start.as_of_us
        )
        return MeterGroup(usage, asked.group), catalog.revision


def _event_message(event: ListedEvent) -> RecordedEvent:
    message = RecordedEvent(
        event_id=event.place.event_id,
        event_type=event.place.event_type,
        customer_id=event.place.customer_id,
        event_time=to_timestamp(event.place.event_time_us),
        ingested_at=to_timestamp(event.ingested_at_us),
        properties=event.properties,
    )
    if event.voided_at_us is not None:
        voiding = EventVoiding(correction_id=event.voided_by, voided_at=to_timestamp(event.voided_at_us))
        message.voided.CopyFrom(voiding)
    return message
