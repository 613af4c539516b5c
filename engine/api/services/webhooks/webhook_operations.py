"""The rows of WebhookService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL
from engine.api.operation import Operation
from engine.api.services.webhooks.webhook_service import WebhookService
from meterline.v1 import webhooks_pb2


def webhook_operations(webhooks: WebhookService) -> tuple[Operation[Any], ...]:
    admin = Scope.ADMIN
    return (
        Operation(
            "WebhookService.CreateWebhookEndpoint",
            webhooks_pb2.CreateWebhookEndpointRequest,
            webhooks.create_webhook_endpoint,
            admin,
            CALL,
            # A URL may have a secret of its own: the service says the id.
            audit=lambda _request: "",
        ),
        Operation(
            "WebhookService.ListWebhookEndpoints",
            webhooks_pb2.ListWebhookEndpointsRequest,
            webhooks.list_webhook_endpoints,
            admin,
            CALL,
        ),
        Operation(
            "WebhookService.GetWebhookEndpoint",
            webhooks_pb2.GetWebhookEndpointRequest,
            webhooks.get_webhook_endpoint,
            admin,
            CALL,
        ),
        Operation(
            "WebhookService.UpdateWebhookEndpoint",
            webhooks_pb2.UpdateWebhookEndpointRequest,
            webhooks.update_webhook_endpoint,
            admin,
            CALL,
            audit=_endpoint,
        ),
        Operation(
            "WebhookService.DeleteWebhookEndpoint",
            webhooks_pb2.DeleteWebhookEndpointRequest,
            webhooks.delete_webhook_endpoint,
            admin,
            CALL,
            audit=_endpoint,
        ),
        Operation(
            "WebhookService.RotateWebhookSecret",
            webhooks_pb2.RotateWebhookSecretRequest,
            webhooks.rotate_webhook_secret,
            admin,
            CALL,
            audit=_endpoint,
        ),
        Operation(
            "WebhookService.ListWebhookDeliveries",
            webhooks_pb2.ListWebhookDeliveriesRequest,
            webhooks.list_webhook_deliveries,
            admin,
            CALL,
        ),
        Operation(
            "WebhookService.ReplayWebhookDelivery",
            webhooks_pb2.ReplayWebhookDeliveryRequest,
            webhooks.replay_webhook_delivery,
            admin,
            CALL,
            audit=lambda request: f"{request.endpoint_id} {request.number}",
        ),
        Operation(
            "WebhookService.SendTestWebhook",
            webhooks_pb2.SendTestWebhookRequest,
            webhooks.send_test_webhook,
            admin,
            CALL,
            audit=_endpoint,
        ),
    )


def _endpoint(
    request: webhooks_pb2.UpdateWebhookEndpointRequest
    | webhooks_pb2.DeleteWebhookEndpointRequest
    | webhooks_pb2.RotateWebhookSecretRequest
    | webhooks_pb2.SendTestWebhookRequest,
) -> str:
    return request.endpoint_id
