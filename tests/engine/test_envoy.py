"""Behind a real Envoy: TLS on both sides, gRPC and HTTP through one port, by the configuration that the docs show."""

import json
import os
import re
import socket
import ssl
import subprocess
import sysconfig
import threading
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
import trustme

from examples.engine_process import EngineProcess
from meterline import Client, open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.spend_pb2 import ListSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.usage_pb2 import RecordUsageRequest, StreamUsageRequest
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.engine.api_world import CATALOG, api_event, spend_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
CONFIGURATION = re.search(r"## Behind a proxy\n.*?```yaml\n(.*?)```", PAGE, re.DOTALL).group(1)


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return bound.getsockname()[1]


class World:
    """An authority's files, the ports, and who calls."""

    def __init__(self, directory):
        self.directory = directory
        self.authority = trustme.CA()
        self.ca = directory / "ca.crt"
        self.authority.cert_pem.write_to_path(self.ca)
        self.issue("engine")
        self.issue("envoy")
        self.issue("caller")
        self.port, self.grpc_port, self.http_port = _free_port(), _free_port(), _free_port()

    def issue(self, name):
        """A new certificate and key in place of the ones before."""
        made = self.authority.issue_cert("localhost", "127.0.0.1")
        chain = b"".join(each.bytes() for each in made.cert_chain_pems)
        for suffix, pem in (("key", made.private_key_pem.bytes()), ("crt", chain)):
            fresh = self.directory / "fresh"
            fresh.write_bytes(pem)
            fresh.replace(self.directory / f"{name}.{suffix}")

    def configuration(self):
        """The page's own, with this world's names in it."""
        text = CONFIGURATION
        for old, new in (
            ("0.0.0.0, port_value: 8443", f"127.0.0.1, port_value: {self.port}"),
            (
                "address: engine.internal, port_value: 7070",
                f"address: 127.0.0.1, port_value: {self.grpc_port}",
            ),
            (
                "address: engine.internal, port_value: 7080",
                f"address: 127.0.0.1, port_value: {self.http_port}",
            ),
            ("engine.internal", "localhost"),
            ("max_connection_duration: 3600s", "max_connection_duration: 0.2s"),
            ("/etc/envoy/callers-ca.crt", str(self.ca)),
            ("/etc/envoy/engine-ca.crt", str(self.ca)),
            ("/etc/envoy/tls.", f"{self.directory}/envoy."),
        ):
            assert old in text, old
            text = text.replace(old, new)
        return text

    @property
    def target(self):
        return f"127.0.0.1:{self.port}"

    @property
    def caller(self):
        return grpc.ssl_channel_credentials(
            self.ca.read_bytes(),
            (self.directory / "caller.key").read_bytes(),
            (self.directory / "caller.crt").read_bytes(),
        )

    def ask(self, path, body=None, **headers):
        """The answer of the HTTP face through Envoy."""
        context = ssl.create_default_context(cafile=self.ca)
        context.load_cert_chain(self.directory / "caller.crt", self.directory / "caller.key")
        request = urllib.request.Request(f"https://{self.target}{path}", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=120, context=context) as response:
            return json.loads(response.read())


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("envoy"))


@pytest.fixture(scope="module")
def engine(world):
    options = (
        "--tls-cert",
        str(world.directory / "engine.crt"),
        "--tls-key",
        str(world.directory / "engine.key"),
    )
    options += ("--tls-client-ca", str(world.ca), "--event-age-max-days", "36525")
    options += ("--http-listen", f"127.0.0.1:{world.http_port}")
    engine = EngineProcess(world.directory / "data", *options)
    engine.target = f"127.0.0.1:{world.grpc_port}"
    with engine:
        yield engine


@pytest.fixture(scope="module")
def envoy(world, engine):
    file, log = world.directory / "envoy.yaml", world.directory / "envoy.log"
    file.write_text(world.configuration())
    command = [
        str(Path(sysconfig.get_path("scripts")) / "envoy"),
        "--config-path",
        str(file),
        "--concurrency",
        "1",
    ]
    command += ["--disable-hot-restart", "--log-level", "warning"]
    with log.open("wb") as written:
        process = subprocess.Popen(command, stdout=written, stderr=written)
    try:
        with open_channel(world.target, credentials=world.caller) as channel:
            try:
                SpendServiceStub(channel).ListSpend(ListSpendRequest(), timeout=60, wait_for_ready=True)
            except grpc.RpcError as error:
                pytest.fail(f"{error}\n{log.read_text()[-3000:]}")
        yield process
        assert process.poll() is None, log.read_text()[-3000:]
    finally:
        process.terminate()
        process.wait(timeout=120)


@pytest.fixture
def channel(world, envoy):
    with open_channel(world.target, credentials=world.caller) as opened:
        yield opened


@pytest.fixture
def name(request, channel):
    name = request.node.originalname.removeprefix("test_")[:40]
    document = CATALOG.replace("NAME", name)
    CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=document), timeout=120)
    return name


def test_calls_streams_and_reads_pass(channel, name):
    """Both ways of recording, and the spend that they come to."""
    usage = UsageServiceStub(channel)
    assert usage.RecordUsage(
        RecordUsageRequest(events=[api_event(name, "1", "400")]), timeout=120
    ).verdicts == [1]
    asked = (
        StreamUsageRequest(sequence=each, events=[api_event(name, f"s{each}", "100")]) for each in range(1, 6)
    )
    answers = list(usage.StreamUsage(asked, timeout=120))
    assert [(each.sequence, list(each.verdicts)) for each in answers] == [(each, [1]) for each in range(1, 6)]
    assert [each.amount for each in spend_of(channel, name).spends] == ["29.00"]


def test_the_http_face_passes_by_the_same_port(world, channel, name):
    """A CloudEvent and a read as JSON, by the API key in `authorization`."""
    event = {"specversion": "1.0", "id": f"{name}-1", "source": "/chat/1", "type": f"{name}.call"}
    event |= {
        "subject": f"{name}_acme",
        "time": "2025-06-10T00:00:00Z",
        "data": {"tokens": 1500, "model": "large"},
    }
    key = {"authorization": f"Bearer {os.environ['METERLINE_API_KEY']}"}
    structured = {"content-type": "application/cloudevents+json", **key}
    assert world.ask("/cloudevents", json.dumps(event).encode(), **structured)["verdicts"] == [
        "VERDICT_ACCEPTED"
    ]
    asked = json.dumps({"customer_id": f"{name}_acme", "at": "2025-06-10T00:00:00Z"}).encode()
    read = world.ask(
        "/meterline.v1.SpendService/GetSpend", asked, **{"content-type": "application/json"}, **key
    )
    assert [each["amount"] for each in read["spends"]] == ["31.25"]


def test_a_request_id_of_the_caller_arrives(channel, engine):
    """The engine's answer carries it back."""
    call = SpendServiceStub(channel).ListSpend.with_call
    _, answered = call(ListSpendRequest(), timeout=120, metadata=(("x-request-id", "batch-7"),))
    carried = (*answered.initial_metadata(), *answered.trailing_metadata())
    assert ("x-request-id", "batch-7") in [(each.key, each.value) for each in carried]


def test_whoever_shows_no_certificate_or_no_key_is_refused(world, envoy):
    """By Envoy without a certificate; by the engine without a key, since Envoy's certificate is nobody's."""
    for credentials, opened, code in (
        (grpc.ssl_channel_credentials(world.ca.read_bytes()), open_channel, grpc.StatusCode.UNAVAILABLE),
        (world.caller, _without_key, grpc.StatusCode.UNAUTHENTICATED),
    ):
        with opened(world.target, credentials=credentials) as channel:
            with pytest.raises(grpc.RpcError) as refused:
                SpendServiceStub(channel).ListSpend(ListSpendRequest(), timeout=120)
            assert refused.value.code() is code


def _without_key(target, *, credentials):
    return grpc.secure_channel(target, credentials)


def test_the_engines_certificate_is_rotated_under_load_without_a_failed_call(world, channel):
    """Calls and new connections go on through Envoy while the files are replaced."""
    failures, calls, stop = [], [0], threading.Event()

    def load():
        while not stop.is_set():
            try:
                SpendServiceStub(channel).ListSpend(ListSpendRequest(), timeout=120)
                world.ask("/openapi.json")
                calls[0] += 1
            except (grpc.RpcError, OSError) as error:
                failures.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for _ in range(3):
            world.issue("engine")
            before = calls[0]
            stop.wait(0.5)  # more than a connection's time
            while calls[0] < before + 5 and not failures:
                stop.wait(0.01)
    finally:
        stop.set()
        thread.join()
    assert failures == []


def test_a_restart_behind_envoy_loses_and_doubles_nothing(world, engine, channel, name):
    """While the engine is away calls are UNAVAILABLE; the client tries again: 100 events of 10 tokens are 1,000."""
    at = datetime(2025, 6, 10, tzinfo=UTC)
    with Client(world.target, credentials=world.caller) as client:
        for each in range(100):
            if each == 50:
                engine.kill()
                with pytest.raises(grpc.RpcError) as refused:
                    SpendServiceStub(channel).ListSpend(ListSpendRequest(), timeout=120)
                assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            properties = {"tokens": "10", "model": "large"}
            client.record(f"{name}_acme", f"{name}.call", properties, event_time=at)
        engine.start()
        delivery = client.flush(60)
        assert (delivery.pending, delivery.failed) == (0, 0), delivery
    assert [each.amount for each in spend_of(channel, name).spends] == ["30.00"]
