"""Webhooks of a running engine: by RPC and command line, through kills, and nowhere private without leave."""

import contextlib
import json
import threading
import time
from pathlib import Path

import grpc
import pytest

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.webhooks_pb2 import (
    CreateWebhookEndpointRequest,
    ListWebhookDeliveriesRequest,
    ListWebhookEndpointsRequest,
    UpdateWebhookEndpointRequest,
)
from meterline.v1.webhooks_pb2_grpc import WebhookServiceStub
from tests.support.command_processes import run_command
from tests.support.outbox.receiver import receiving

ROOT = Path(__file__).parents[2]
ALLOWED = "--webhook-allow-private-networks"
PATIENCE_S = 60


@pytest.fixture
def receiver():
    with receiving() as opened:
        yield opened


def until(is_so):
    give_up_at = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < give_up_at, "it did not happen in time"
        time.sleep(0.02)


def customers(engine, *names):
    text = json.dumps({"customers": [{"id": each, "name": each} for each in names]})
    with open_channel(engine.target, api_key=engine.api_key) as channel:
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=text), timeout=60)


def command(engine, *arguments, code=0):
    done = run_command("webhooks", *arguments, "--target", engine.target)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_an_engine_that_is_killed_between_post_and_mark_posts_again(tmp_path, receiver):
    """SIGKILL while the receiver has the message: the next engine repeats it with the same id, and loses none."""
    with EngineProcess(tmp_path / "data", ALLOWED) as engine:
        with open_channel(engine.target, api_key=engine.api_key) as channel:
            wanted = CreateWebhookEndpointRequest(url=receiver.url, event_types=["customer.*"])
            WebhookServiceStub(channel).CreateWebhookEndpoint(wanted, timeout=60)
        killed = threading.Event()

        def kill(_heard):
            engine.kill()
            killed.set()

        receiver.before = kill
        # The message may be out before the caller has its answer.
        with contextlib.suppress(grpc.RpcError):
            customers(engine, "acme")
        assert killed.wait(PATIENCE_S)
        receiver.before = lambda _: None
        engine.start()
        customers(engine, "bee")
        until(
            lambda: (
                {each.object_id for each in receiver.heard} == {"acme", "bee"} and len(receiver.heard) >= 3
            )
        )
    of_acme = [each for each in receiver.heard if each.object_id == "acme"]
    assert len(of_acme) == 2
    assert len({(each.id, each.body) for each in of_acme}) == 1


def test_webhooks_from_the_command_line(tmp_path, receiver):
    """Made, tried, listed, changed, rotated, replayed, deleted; the secret is shown once and is in no log."""
    with EngineProcess(tmp_path / "data", ALLOWED) as engine:
        secret = command(engine, "create", receiver.url, "--type", "customer.*").strip()
        assert secret.startswith("whsec_")
        (listed,) = [json.loads(each) for each in command(engine, "list", "--json").splitlines()]
        assert secret not in json.dumps(listed)
        endpoint_id = listed["endpoint_id"]
        assert "delivered: status 204" in command(engine, "test", endpoint_id)
        assert receiver.heard[0].message["type"] == "webhook_endpoint.test"
        customers(engine, "acme")
        until(lambda: len(receiver.heard) == 2)
        until(lambda: "delivered" in command(engine, "deliveries", endpoint_id))
        (delivery,) = map(json.loads, command(engine, "deliveries", endpoint_id, "--json").splitlines())
        assert delivery["message_id"] == receiver.heard[1].id
        command(engine, "replay", endpoint_id, str(delivery["number"]))
        until(lambda: len(receiver.heard) == 3)
        assert receiver.heard[2].id == receiver.heard[1].id
        assert command(engine, "rotate", endpoint_id).strip() not in ("", secret)
        assert "disabled: by hand" in command(engine, "update", endpoint_id, "--disabled")
        command(engine, "delete", endpoint_id)
        assert "no webhook endpoint" in command(engine, "deliveries", endpoint_id, code=2)
    assert "whsec_" not in "\n".join(engine.log)


def test_an_engine_refuses_private_addresses_unless_its_operator_allows_them(tmp_path):
    """At creation and at a change, with the field; states and pages that there are not are refused as well."""
    with (
        EngineProcess(tmp_path / "data") as engine,
        open_channel(engine.target, api_key=engine.api_key) as channel,
    ):
        stub = WebhookServiceStub(channel)
        for url in ("http://127.0.0.1/", "http://169.254.169.254/latest/meta-data", "http://localhost:9/"):
            with pytest.raises(grpc.RpcError, match="not on the public Internet"):
                stub.CreateWebhookEndpoint(
                    CreateWebhookEndpointRequest(url=url, event_types=["*"]), timeout=60
                )
        made = stub.CreateWebhookEndpoint(
            CreateWebhookEndpointRequest(url="https://8.8.8.8/", event_types=["*"]), timeout=60
        )
        endpoint_id = made.endpoint.endpoint_id
        for request, call in (
            (
                UpdateWebhookEndpointRequest(endpoint_id=endpoint_id, url="http://10.0.0.1/"),
                stub.UpdateWebhookEndpoint,
            ),
            (UpdateWebhookEndpointRequest(endpoint_id=endpoint_id, state=9), stub.UpdateWebhookEndpoint),
            (
                ListWebhookDeliveriesRequest(endpoint_id=endpoint_id, page_token="x"),
                stub.ListWebhookDeliveries,
            ),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                call(request, timeout=60)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        (kept,) = stub.ListWebhookEndpoints(ListWebhookEndpointsRequest(), timeout=60).endpoints
        assert kept.url == "https://8.8.8.8/"
