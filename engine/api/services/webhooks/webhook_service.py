"""WebhookService: endpoints of the caller's tenant, and how their deliveries went."""

from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from engine.api.mistakes import raise_all, text_mistakes
from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened, question_digest, sealed
from engine.errors import FieldMistake
from engine.outbox.webhooks.deliverer import Deliverer
from engine.outbox.webhooks.deliveries import DeliveryState, WebhookDelivery
from engine.outbox.webhooks.endpoints import EndpointState, WebhookEndpoint, WebhookEndpoints
from engine.times import to_timestamp
from meterline.v1 import webhooks_pb2
from meterline.v1.webhooks_pb2 import (
    CreateWebhookEndpointRequest,
    CreateWebhookEndpointResponse,
    DeleteWebhookEndpointRequest,
    DeleteWebhookEndpointResponse,
    GetWebhookEndpointRequest,
    GetWebhookEndpointResponse,
    ListWebhookDeliveriesRequest,
    ListWebhookDeliveriesResponse,
    ListWebhookEndpointsRequest,
    ListWebhookEndpointsResponse,
    ReplayWebhookDeliveryRequest,
    ReplayWebhookDeliveryResponse,
    RotateWebhookSecretRequest,
    RotateWebhookSecretResponse,
    SendTestWebhookRequest,
    SendTestWebhookResponse,
    UpdateWebhookEndpointRequest,
    UpdateWebhookEndpointResponse,
)

_DESCRIPTION_BYTES_MAX: Final = 256
_OVERLAP_DEFAULT_S: Final = 86_400
_OVERLAP_MAX_S: Final = 30 * 86_400
_PAGE_SIZE_DEFAULT: Final = 100
_PAGE_SIZE_MAX: Final = 1_000
_ENDPOINT_STATES: Final = {
    webhooks_pb2.WEBHOOK_ENDPOINT_STATE_ACTIVE: EndpointState.ACTIVE,
    webhooks_pb2.WEBHOOK_ENDPOINT_STATE_DISABLED: EndpointState.DISABLED,
}
_ENDPOINT_NUMBERS: Final = {state: number for number, state in _ENDPOINT_STATES.items()}
_DELIVERY_STATES: Final = {
    webhooks_pb2.WEBHOOK_DELIVERY_STATE_PENDING: DeliveryState.PENDING,
    webhooks_pb2.WEBHOOK_DELIVERY_STATE_DELIVERED: DeliveryState.DELIVERED,
    webhooks_pb2.WEBHOOK_DELIVERY_STATE_DEAD: DeliveryState.DEAD,
}
_DELIVERY_NUMBERS: Final = {state: number for number, state in _DELIVERY_STATES.items()}


class WebhookService:
    """Thread-safe."""

    def __init__(self, endpoints: WebhookEndpoints, deliverer: Deliverer) -> None:
        self._endpoints = endpoints
        self._deliverer = deliverer

    def create_webhook_endpoint(
        self, request: CreateWebhookEndpointRequest, call: Call
    ) -> CreateWebhookEndpointResponse:
        if request.description:
            raise_all(text_mistakes("description", request.description, _DESCRIPTION_BYTES_MAX))
        made = self._endpoints.create(
            call.tenant,
            request.url,
            tuple(request.event_types),
            request.description,
            call.caller.credential,
        )
        call.is_about(made.endpoint.endpoint_id)
        return CreateWebhookEndpointResponse(endpoint=_endpoint_message(made.endpoint), secret=made.secret)

    def list_webhook_endpoints(
        self, request: ListWebhookEndpointsRequest, call: Call
    ) -> ListWebhookEndpointsResponse:
        del request  # it asks for all
        return ListWebhookEndpointsResponse(
            endpoints=map(_endpoint_message, self._endpoints.of_tenant(call.tenant))
        )

    def get_webhook_endpoint(
        self, request: GetWebhookEndpointRequest, call: Call
    ) -> GetWebhookEndpointResponse:
        found = self._endpoints.get(call.tenant, request.endpoint_id)
        return GetWebhookEndpointResponse(endpoint=_endpoint_message(found))

    def update_webhook_endpoint(
        self, request: UpdateWebhookEndpointRequest, call: Call
    ) -> UpdateWebhookEndpointResponse:
        mistakes: list[FieldMistake] = []
        if request.description:
            mistakes += text_mistakes("description", request.description, _DESCRIPTION_BYTES_MAX)
        if request.state and request.state not in _ENDPOINT_STATES:
            mistakes.append(FieldMistake("state", f"is {request.state}, which is not a state"))
        raise_all(mistakes)
        changed = self._endpoints.change(
            call.tenant,
            request.endpoint_id,
            url=request.url if request.HasField("url") else None,
            fact_types=tuple(request.event_types) or None,
            description=request.description if request.HasField("description") else None,
            state=_ENDPOINT_STATES.get(request.state),
        )
        return UpdateWebhookEndpointResponse(endpoint=_endpoint_message(changed))

    def delete_webhook_endpoint(
        self, request: DeleteWebhookEndpointRequest, call: Call
    ) -> DeleteWebhookEndpointResponse:
        self._endpoints.delete(call.tenant, request.endpoint_id)
        return DeleteWebhookEndpointResponse()

    def rotate_webhook_secret(
        self, request: RotateWebhookSecretRequest, call: Call
    ) -> RotateWebhookSecretResponse:
        overlap_s = request.overlap_s if request.HasField("overlap_s") else _OVERLAP_DEFAULT_S
        mistakes: list[FieldMistake] = []
        if overlap_s > _OVERLAP_MAX_S:
            mistakes.append(FieldMistake("overlap_s", f"is {overlap_s}: it is at most {_OVERLAP_MAX_S}"))
        raise_all(mistakes)
        made = self._endpoints.rotate(call.tenant, request.endpoint_id, overlap_s * 1_000_000)
        return RotateWebhookSecretResponse(endpoint=_endpoint_message(made.endpoint), secret=made.secret)

    def list_webhook_deliveries(
        self, request: ListWebhookDeliveriesRequest, call: Call
    ) -> ListWebhookDeliveriesResponse:
        size = checked_size(request.page_size, _PAGE_SIZE_DEFAULT, _PAGE_SIZE_MAX)
        mistakes: list[FieldMistake] = []
        if request.state and request.state not in _DELIVERY_STATES:
            mistakes.append(FieldMistake("state", f"is {request.state}, which is not a state"))
        raise_all(mistakes)
        listing = question_digest(request)
        before = int(opened(request.page_token, listing, int)[0]) if request.page_token else None
        endpoint = self._endpoints.get(call.tenant, request.endpoint_id)
        state = _DELIVERY_STATES.get(request.state)
        found = self._deliverer.deliveries(endpoint, state, before, size + 1)
        response = ListWebhookDeliveriesResponse(deliveries=map(_delivery_message, found[:size]))
        if len(found) > size:
            response.next_page_token = sealed(listing, found[size - 1].number)
        return response

    def replay_webhook_delivery(
        self, request: ReplayWebhookDeliveryRequest, call: Call
    ) -> ReplayWebhookDeliveryResponse:
        endpoint = self._endpoints.get(call.tenant, request.endpoint_id)
        # What a database can't hold is the number of no fact.
        replayed = self._deliverer.replay(endpoint, min(request.number, 2**63 - 1))
        return ReplayWebhookDeliveryResponse(delivery=_delivery_message(replayed))

    def send_test_webhook(self, request: SendTestWebhookRequest, call: Call) -> SendTestWebhookResponse:
        endpoint = self._endpoints.get(call.tenant, request.endpoint_id)
        result = self._deliverer.send_test(endpoint)
        return SendTestWebhookResponse(
            delivered=result.is_delivered,
            status=result.status or 0,
            error=result.error,
            took_ms=result.took_ms,
        )


def _endpoint_message(endpoint: WebhookEndpoint) -> webhooks_pb2.WebhookEndpoint:
    return webhooks_pb2.WebhookEndpoint(
        endpoint_id=endpoint.endpoint_id,
        url=endpoint.url,
        event_types=endpoint.fact_types,
        description=endpoint.description,
        state=_ENDPOINT_NUMBERS[endpoint.state],
        disabled_reason=endpoint.disabled_reason,
        created_at=to_timestamp(endpoint.created_at_us),
        created_by=endpoint.created_by,
        failing_since=_optional(endpoint.failing_since_us),
        previous_secret_until=_optional(endpoint.previous_until_us),
    )


def _delivery_message(delivery: WebhookDelivery) -> webhooks_pb2.WebhookDelivery:
    is_pending = delivery.state is DeliveryState.PENDING
    return webhooks_pb2.WebhookDelivery(
        number=delivery.number,
        message_id=delivery.message_id,
        event_type=delivery.fact_type,
        object_kind=delivery.object_kind,
        object_id=delivery.object_id,
        state=_DELIVERY_NUMBERS[delivery.state],
        attempt_count=delivery.attempt_count,
        last_status=delivery.last_status or 0,
        last_error=delivery.last_error,
        recorded_at=to_timestamp(delivery.recorded_at_us),
        next_attempt_at=_optional(delivery.next_attempt_at_us if is_pending else None),
    )


def _optional(instant_us: int | None) -> Timestamp | None:
    return None if instant_us is None else to_timestamp(instant_us)
