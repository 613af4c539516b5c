"""`meterline webhooks`: endpoints, their secrets, and how deliveries went."""

import click

from engine.api.message_json import message_line
from engine.cli.terminal.connection import TIMEOUT_S, CommandError, connected, pages
from engine.cli.terminal.options import TextType, json_option, target_option
from engine.cli.terminal.tables import TextTable
from engine.cli.terminal.text import instant, visible
from meterline.v1 import webhooks_pb2
from meterline.v1.webhooks_pb2 import (
    CreateWebhookEndpointRequest,
    DeleteWebhookEndpointRequest,
    ListWebhookDeliveriesRequest,
    ListWebhookEndpointsRequest,
    ReplayWebhookDeliveryRequest,
    RotateWebhookSecretRequest,
    SendTestWebhookRequest,
    UpdateWebhookEndpointRequest,
    WebhookDelivery,
    WebhookEndpoint,
)
from meterline.v1.webhooks_pb2_grpc import WebhookServiceStub

_HOUR_S = 3_600
_OVERLAP_MAX_HOURS = 720
_PAGE_SIZE = 1_000
_KEEP_IT = "keep it, it can't be shown again"

_endpoint_argument = click.argument("endpoint_id", type=TextType("a webhook endpoint"), metavar="ENDPOINT_ID")


@click.group()
def webhooks() -> None:
    """Hear what happens: signed posts to your URLs, as Standard Webhooks says. Needs the scope admin.

    docs/webhooks.md has the types, and how a receiver checks a signature.
    """


@webhooks.command()
@click.argument("url", type=TextType("a URL"), metavar="URL")
@click.option(
    "--type",
    "event_types",
    multiple=True,
    default=("*",),
    type=TextType("a type"),
    metavar="TYPE",
    help="What it hears, such as subscription.canceled or subscription.*; again for each. Default: everything.",
)
@click.option("--description", default="", metavar="TEXT", help="For people.")
@json_option
@target_option
def create(url: str, *, event_types: tuple[str, ...], description: str, as_json: bool, target: str) -> None:
    """Make an endpoint and print its secret: this once, and nothing else on standard output."""
    request = CreateWebhookEndpointRequest(url=url, event_types=event_types, description=description)
    with connected(target) as channel:
        response = WebhookServiceStub(channel).CreateWebhookEndpoint(request, timeout=TIMEOUT_S)
    if as_json:
        click.echo(message_line(response))
        return
    click.echo(response.secret)
    click.echo(f"made endpoint {response.endpoint.endpoint_id}; this is its secret: {_KEEP_IT}", err=True)


@webhooks.command("list")
@json_option
@target_option
def list_(as_json: bool, target: str) -> None:
    """List the endpoints, without their secrets."""
    with connected(target) as channel:
        found = (
            WebhookServiceStub(channel)
            .ListWebhookEndpoints(ListWebhookEndpointsRequest(), timeout=TIMEOUT_S)
            .endpoints
        )
    if as_json:
        for each in found:
            click.echo(message_line(each))
        return
    table = TextTable("ENDPOINT", "URL", "TYPES", "STATE", "DESCRIPTION")
    for each in found:
        table.add(
            each.endpoint_id,
            each.url,
            " ".join(each.event_types),
            _endpoint_state(each),
            visible(each.description),
        )
    table.show()


@webhooks.command()
@_endpoint_argument
@click.option("--url", type=TextType("a URL"), metavar="URL", help="Where it is from now on.")
@click.option(
    "--type",
    "event_types",
    multiple=True,
    type=TextType("a type"),
    metavar="TYPE",
    help="In place of its types.",
)
@click.option("--description", metavar="TEXT", help="For people.")
@click.option("--active/--disabled", "active", default=None, help="Whether anything is posted to it.")
@json_option
@target_option
def update(
    endpoint_id: str,
    *,
    url: str | None,
    event_types: tuple[str, ...],
    description: str | None,
    active: bool | None,
    as_json: bool,
    target: str,
) -> None:
    """Change an endpoint: what is not given stays. One that is active again goes on where it was."""
    state = webhooks_pb2.WEBHOOK_ENDPOINT_STATE_UNSPECIFIED
    if active is not None:
        state = (
            webhooks_pb2.WEBHOOK_ENDPOINT_STATE_ACTIVE
            if active
            else webhooks_pb2.WEBHOOK_ENDPOINT_STATE_DISABLED
        )
    request = UpdateWebhookEndpointRequest(
        endpoint_id=endpoint_id, url=url, event_types=event_types, description=description, state=state
    )
    with connected(target) as channel:
        response = WebhookServiceStub(channel).UpdateWebhookEndpoint(request, timeout=TIMEOUT_S)
    click.echo(message_line(response) if as_json else f"{endpoint_id}: {_endpoint_state(response.endpoint)}")


@webhooks.command()
@_endpoint_argument
@target_option
def delete(endpoint_id: str, *, target: str) -> None:
    """End an endpoint, with its deliveries."""
    with connected(target) as channel:
        request = DeleteWebhookEndpointRequest(endpoint_id=endpoint_id)
        WebhookServiceStub(channel).DeleteWebhookEndpoint(request, timeout=TIMEOUT_S)
    click.echo(f"deleted {endpoint_id}")


@webhooks.command()
@_endpoint_argument
@click.option(
    "--overlap-hours",
    type=click.IntRange(0, _OVERLAP_MAX_HOURS),
    default=24,
    show_default=True,
    help="How long the older secret signs as well.",
)
@json_option
@target_option
def rotate(endpoint_id: str, *, overlap_hours: int, as_json: bool, target: str) -> None:
    """Make a new secret and print it: this once, and nothing else on standard output."""
    request = RotateWebhookSecretRequest(endpoint_id=endpoint_id, overlap_s=overlap_hours * _HOUR_S)
    with connected(target) as channel:
        response = WebhookServiceStub(channel).RotateWebhookSecret(request, timeout=TIMEOUT_S)
    if as_json:
        click.echo(message_line(response))
        return
    click.echo(response.secret)
    until = instant(response.endpoint.previous_secret_until)
    click.echo(f"the older secret signs as well until {until}; the new one: {_KEEP_IT}", err=True)


@webhooks.command()
@_endpoint_argument
@click.option(
    "--state", type=click.Choice(["pending", "delivered", "dead"]), help="Only these. Default: all."
)
@json_option
@target_option
def deliveries(endpoint_id: str, *, state: str | None, as_json: bool, target: str) -> None:
    """List what an endpoint heard and is to hear, the newest first."""
    wanted = f"WEBHOOK_DELIVERY_STATE_{(state or 'unspecified').upper()}"
    request = ListWebhookDeliveriesRequest(
        endpoint_id=endpoint_id,
        state=wanted,
        page_size=_PAGE_SIZE,
    )
    with connected(target) as channel:
        answer = pages(WebhookServiceStub(channel).ListWebhookDeliveries, request)
        found = [each for page in answer for each in page.deliveries]
    if as_json:
        for each in found:
            click.echo(message_line(each))
        return
    table = TextTable("NUMBER", "TYPE", "OBJECT", "RECORDED", "STATE", "ATTEMPTS", "LAST ANSWER")
    for each in found:
        table.add(
            str(each.number),
            each.event_type,
            visible(each.object_id),
            instant(each.recorded_at),
            _delivery_state(each),
            str(each.attempt_count),
            visible(each.last_error) or str(each.last_status or ""),
        )
    table.show()


@webhooks.command()
@_endpoint_argument
@click.argument("number", type=click.IntRange(1, 2**63 - 1), metavar="NUMBER")
@target_option
def replay(endpoint_id: str, *, number: int, target: str) -> None:
    """Have a delivery posted again, whatever became of it."""
    with connected(target) as channel:
        request = ReplayWebhookDeliveryRequest(endpoint_id=endpoint_id, number=number)
        WebhookServiceStub(channel).ReplayWebhookDelivery(request, timeout=TIMEOUT_S)
    click.echo(f"{number} is posted again")


@webhooks.command("test")
@_endpoint_argument
@target_option
def send_test(endpoint_id: str, *, target: str) -> None:
    """Post a message of the type webhook_endpoint.test now, and say how it went."""
    with connected(target) as channel:
        request = SendTestWebhookRequest(endpoint_id=endpoint_id)
        response = WebhookServiceStub(channel).SendTestWebhook(request, timeout=TIMEOUT_S)
    if not response.delivered:
        raise CommandError(f"not delivered: {visible(response.error) or f'status {response.status}'}")
    click.echo(f"delivered: status {response.status} after {response.took_ms} ms")


def _endpoint_state(endpoint: WebhookEndpoint) -> str:
    name = webhooks_pb2.WebhookEndpointState.Name(endpoint.state)
    state = name.removeprefix("WEBHOOK_ENDPOINT_STATE_").lower()
    if endpoint.disabled_reason:
        return f"{state}: {endpoint.disabled_reason}"
    return f"failing since {instant(endpoint.failing_since)}" if endpoint.HasField("failing_since") else state


def _delivery_state(delivery: WebhookDelivery) -> str:
    name = webhooks_pb2.WebhookDeliveryState.Name(delivery.state)
    return name.removeprefix("WEBHOOK_DELIVERY_STATE_").lower()
