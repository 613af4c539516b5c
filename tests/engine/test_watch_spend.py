"""WatchSpend of a running engine: over gRPC, as server-sent events, in the client and at the command line."""

import asyncio
import contextlib
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from engine.api.operation import WATCHES
from examples.engine_process import EngineProcess
from meterline import AccessDeniedError, AsyncClient, Client, NotFoundError, open_channel
from meterline.v1.access_pb2 import CreateApiKeyRequest, RevokeApiKeyRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.correction_pb2 import CorrectUsageRequest
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest, WatchSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from tests.support.engine.api_world import AT, CATALOG, api_event, record, refusal, spend_of

KEY = os.environ["METERLINE_API_KEY"]
JUNE_10 = datetime(2025, 6, 10, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    options = ("--event-age-max-days", "36525", "--http-listen", "127.0.0.1:0")
    with EngineProcess(tmp_path_factory.mktemp("engine") / "data", *options) as running:
        yield running


@pytest.fixture(scope="module")
def channel(engine):
    with open_channel(engine.target) as opened:
        yield opened


@pytest.fixture
def name(request, channel):
    name = request.node.originalname.removeprefix("test_")[:40]
    document = CATALOG.replace("NAME", name)
    CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=document), timeout=120)
    return name


@contextlib.contextmanager
def watching(channel, customer, **fields):
    call = SpendServiceStub(channel).WatchSpend(
        WatchSpendRequest(customer_id=customer, at=AT, **fields), timeout=60
    )
    try:
        yield call
    finally:
        call.cancel()


def until(call, amount):
    """The first answer with this amount."""
    for answer in call:
        if [each.amount for each in answer.spend.spends] == [amount]:
            return answer.spend
    raise AssertionError("the watch ended")


@contextlib.contextmanager
def sse(engine, body, key=KEY):
    connection = http.client.HTTPConnection("127.0.0.1", engine.http_port, timeout=60)
    connection.request(
        "POST",
        "/meterline.v1.SpendService/WatchSpend",
        json.dumps(body),
        {"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def next_data(response):
    while line := response.readline():
        if line.startswith(b"data: "):
            return json.loads(line[6:])
    raise AssertionError("the stream ended")


def test_a_push_is_what_get_spend_gives_at_its_watermark_to_the_byte(channel, name):
    """At once, and after each commit. 20.00 for the plan; 1,000 units at 0.01 and 500 at 0.0025 more are 11.25."""
    stub = SpendServiceStub(channel)
    with watching(channel, f"{name}_acme") as call:
        assert [each.amount for each in next(call).spend.spends] == ["20.00"]
        record(channel, api_event(name, "1", "1500"))
        pushed = until(call, "31.25")
    request = GetSpendRequest(
        customer_id=f"{name}_acme", at=AT, as_of=pushed.as_of, catalog_revision=pushed.catalog_revision
    )
    read = stub.GetSpend(request, timeout=120)
    assert pushed.SerializeToString(deterministic=True) == read.SerializeToString(deterministic=True)


def test_pushes_follow_their_acks_at_once(channel, name):
    """A quarter of a second, and the few reads that a push is made of, as long as they take on this machine now. Who only looked for
    changes now and then would push after a second. The medians of twenty: a busy machine may make a single one wait.
    """
    waited, read = [], []
    with watching(channel, f"{name}_acme") as call:
        next(call)
        for number in range(20):
            record(channel, api_event(name, str(number), "10"))
            acked_s = time.monotonic()
            until(call, f"{20 + (number + 1) / 10:.2f}")
            waited.append(time.monotonic() - acked_s)
            began_s = time.monotonic()
            spend_of(channel, name)
            read.append(time.monotonic() - began_s)
    print("push after ack, ms:", [round(1_000 * each) for each in sorted(waited)])
    assert sorted(waited)[10] < 0.25 + 3 * sorted(read)[10]


def test_corrections_and_catalogs_are_pushed_too(channel, name):
    """Of a void what is left, and of another price what it makes."""
    record(channel, api_event(name, "1", "1000"))
    with watching(channel, f"{name}_acme") as call:
        until(call, "30.00")
        request = CorrectUsageRequest()
        request.signature.correction_id = f"{name}-c"
        request.signature.reason, request.signature.recorded_by = "sent twice", "tests"
        request.event_refs.events.add().event_id = f"{name}-1"
        request.void.SetInParent()
        CorrectionServiceStub(channel).CorrectUsage(request, timeout=120)
        until(call, "20.00")
        document = f"customers:\n  - {{id: {name}_acme, name: Acme, tax_region: {name}}}\n"
        regions = f"tax_regions:\n  - {{id: {name}, name: Home, rates: [{{id: vat, percent: 10}}]}}\n"
        CatalogServiceStub(channel).ApplyCatalog(
            ApplyCatalogRequest(document=regions + document), timeout=120
        )
        assert any(answer.spend.taxes for answer in call)


def test_events_over_http_are_the_same_pushes(engine, channel, name):
    """As server-sent events, whose data is the message in JSON."""
    with sse(engine, {"customer_id": f"{name}_acme", "at": "2025-06-10T00:00:00Z"}) as response:
        assert (response.status, response.headers["content-type"]) == (200, "text/event-stream")
        assert next_data(response)["spend"]["spends"][0]["amount"] == "20.00"
        record(channel, api_event(name, "1", "1500"))
        assert next_data(response)["spend"]["spends"][0]["amount"] == "31.25"


def test_a_key_of_a_customer_watches_that_one_alone_and_its_end_ends_the_watch(engine, channel, name):
    """Over gRPC and HTTP alike; a revoked key is told nothing more."""
    access = AccessServiceStub(channel)
    made = access.CreateApiKey(
        CreateApiKeyRequest(name="portal", scopes=["SCOPE_READ"], customer_id=f"{name}_acme"), timeout=120
    )
    with open_channel(engine.target, api_key=made.key_text) as portal:
        with watching(portal, f"{name}_bolt") as call:
            code, _, _ = refusal(lambda: next(call))
            assert code is grpc.StatusCode.PERMISSION_DENIED
        with sse(engine, {"customer_id": f"{name}_bolt"}, made.key_text) as response:
            assert response.status == 403
        with (
            watching(portal, f"{name}_acme") as call,
            sse(
                engine, {"customer_id": f"{name}_acme", "at": "2025-06-10T00:00:00Z"}, made.key_text
            ) as response,
        ):
            assert not next(call).spend.shares
            next_data(response)
            access.RevokeApiKey(RevokeApiKeyRequest(key_id=made.api_key.key_id), timeout=120)
            record(channel, api_event(name, "1"))
            assert refusal(lambda: list(call))[0] is grpc.StatusCode.UNAUTHENTICATED
            assert next_data(response)["error"]["code"] == 16


def test_an_unknown_customer_and_an_empty_request_are_refused_in_words(engine, channel):
    """With the field at fault."""
    with watching(channel, "nobody-at-all") as call:
        assert refusal(lambda: next(call))[0] is grpc.StatusCode.NOT_FOUND
    with watching(channel, "") as call:
        assert "customer_id" in refusal(lambda: next(call))[1]
    with sse(engine, {}) as response:
        assert (response.status, b"customer_id" in response.read()) == (400, True)


def test_more_watches_than_there_are_places_are_refused_in_words(engine, name):
    """Over HTTP, where they hold no thread; the others go on."""
    with contextlib.ExitStack() as stack:
        body = {"customer_id": f"{name}_acme", "at": "2025-06-10T00:00:00Z"}
        opened = [stack.enter_context(sse(engine, body)) for _ in range(WATCHES.places)]
        assert {each.status for each in opened} == {200}
        refused = stack.enter_context(sse(engine, body))
        assert refused.status == 429
        assert "spend watches over HTTP are open" in json.loads(refused.read())["message"]
        assert next_data(opened[-1])["spend"]["spends"][0]["amount"] == "20.00"


def test_the_client_watches_and_asyncio_does_too(engine, channel, name):
    """Both give exact Spend values, until they are closed; errors are the client's own."""
    with Client(engine.target) as client, client.watch_spend(f"{name}_acme", at=JUNE_10) as watch:
        assert str(next(watch).amount) == "20.00"
        record(channel, api_event(name, "1", "1500"))
        assert str(next(watch).amount) == "31.25"
        watch.close()
        assert list(watch) == []
        with pytest.raises(NotFoundError), client.watch_spend("nobody-at-all") as other:
            next(other)

    async def first():
        async with (
            AsyncClient(engine.target) as client,
            client.watch_spend(f"{name}_acme", at=JUNE_10) as watch,
        ):
            spend = await anext(watch)
            waiting = asyncio.ensure_future(anext(watch))
            await asyncio.sleep(0.1)
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
            return spend

    assert str(asyncio.run(first()).amount) == "31.25"
    unknown = f"mlk_{secrets.token_hex(6)}_{secrets.token_hex(24)}"
    with Client(engine.target, api_key=unknown) as client, pytest.raises(AccessDeniedError):
        next(client.watch_spend(f"{name}_acme"))


def test_the_command_line_prints_a_line_for_each_change(engine, channel, name):
    """Until it is interrupted."""
    command = [sys.executable, "-m", "engine", "spend", "--customer", f"{name}_acme", "--watch"]
    command += ["--at", "2025-06-10", "--target", engine.target]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline().endswith("Z  20.00 USD, due 20.00\n")
        record(channel, api_event(name, "1", "1500"))
        assert running.stdout.readline().endswith("Z  31.25 USD, due 31.25\n")
        running.send_signal(signal.SIGINT)
        running.wait(30)


def test_an_engine_that_ends_ends_its_watches_at_once_and_a_client_comes_again(tmp_path):
    """It doesn't wait for them; the client's watch goes on with the engine that starts in its place."""
    options = ("--event-age-max-days", "36525", "--http-listen", "127.0.0.1:0")
    with EngineProcess(tmp_path / "data", *options) as engine:
        with open_channel(engine.target) as channel:
            CatalogServiceStub(channel).ApplyCatalog(
                ApplyCatalogRequest(document=CATALOG.replace("NAME", "end")), timeout=120
            )
        with Client(engine.target) as client, client.watch_spend("end_acme", at=JUNE_10) as watch:
            assert str(next(watch).amount) == "20.00"
            with sse(engine, {"customer_id": "end_acme"}) as response:
                next_data(response)
                began_s = time.monotonic()
                assert engine.stop() == 0
                assert time.monotonic() - began_s < 9
                assert b"shutting down" in response.read()
            engine.start()
            with open_channel(engine.target) as channel:
                record(channel, api_event("end", "1", "1500"))
            assert any(str(spend.amount) == "31.25" for spend in watch)
