"""AlertService: lists the thresholds that customers have reached."""

from typing import Final

from engine.api.messages import fitting
from engine.api.mistakes import raise_all, stored_text_mistakes
from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened, question_digest, sealed
from engine.catalog.kinds.alert import AlertMeasure
from engine.catalog.limits import ID_BYTES_MAX
from engine.spend.alerts.crossings import CrossingState
from engine.spend.alerts.store import CrossingStore, ToldCrossing
from engine.times import to_timestamp
from fields import decimal_text
from meterline.v1 import alerts_pb2 as pb

_PAGE_SIZES: Final = (250, 1_000)


class AlertService:
    """Who has reached what."""

    def __init__(self, crossings: CrossingStore) -> None:
        self._crossings = crossings

    def list_alert_crossings(
        self, request: pb.ListAlertCrossingsRequest, call: Call
    ) -> pb.ListAlertCrossingsResponse:
        size = checked_size(request.page_size, *_PAGE_SIZES)
        raise_all(
            [
                *stored_text_mistakes("customer_id", request.customer_id, ID_BYTES_MAX, may_be_empty=True),
                *stored_text_mistakes("alert_id", request.alert_id, ID_BYTES_MAX, may_be_empty=True),
            ]
        )
        listing = question_digest(request)
        found = self._crossings.told(
            call.tenant,
            customer_id=request.customer_id,
            alert_id=request.alert_id,
            reached_only=request.reached_only,
            before=int(opened(request.page_token, listing, int)[0]) if request.page_token else 0,
            # One more says whether there is another page.
            count=size + 1,
        )
        messages = fitting(map(alert_crossing_message, found[:size]))
        response = pb.ListAlertCrossingsResponse(alert_crossings=messages)
        if len(found) > len(messages):
            response.next_page_token = sealed(listing, found[len(messages) - 1].number)
        return response


def alert_crossing_message(told: ToldCrossing) -> pb.AlertCrossing:
    crossing, key = told.crossing, told.crossing.key
    is_usage = told.measure is AlertMeasure.USAGE
    is_recovered = crossing.state is CrossingState.RECOVERED
    return pb.AlertCrossing(
        alert_id=key.alert_id,
        customer_id=key.customer_id,
        state=pb.ALERT_CROSSING_STATE_RECOVERED if is_recovered else pb.ALERT_CROSSING_STATE_REACHED,
        measure=told.measure.value,
        currency="" if is_usage else told.subject,
        meter_id=told.subject if is_usage else "",
        threshold=key.threshold,
        budget=told.budget,
        value=decimal_text(crossing.value),
        period_start=to_timestamp(key.epoch_start_us),
        period_end=to_timestamp(crossing.epoch_end_us),
        as_of=to_timestamp(told.as_of_us),
        reached_at=to_timestamp(told.reached_at_us),
        recovered_at=None if told.recovered_at_us is None else to_timestamp(told.recovered_at_us),
    )
