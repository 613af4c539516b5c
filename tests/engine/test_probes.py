"""Probes of a running engine over HTTP and gRPC: while it starts, serves, loses its usage store, and stops."""

import json
import socket
import threading
import time
import urllib.error
import urllib.request

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.usage_pb2 import StreamUsageRequest, UsageEvent
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.usage.clickhouse_process import ClickHouseProcess

_PATIENCE = {"connect_timeout_s": 1, "answer_margin_s": 1}
_SOON_S = 60


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory):
    with ClickHouseProcess(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(clickhouse, tmp_path_factory):
    data = tmp_path_factory.mktemp("gateway") / "data"
    with EngineProcess(data, *clickhouse.option("probes", **_PATIENCE)) as running:
        yield running


def _probe(port, path):
    """The status code and the reasons."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            code, body = answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        code, body = error.code, json.load(error)
    assert body["ok"] == (code == 200)
    return code, body["reasons"]


def _health(engine):
    with open_channel(engine.target) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def _until(found, expected):
    give_up_at = time.monotonic() + _SOON_S
    while (last := found()) != expected:
        assert time.monotonic() < give_up_at, last
        time.sleep(0.2)


def test_a_running_engine_is_started_alive_and_ready(engine):
    """By all three paths, and by gRPC's health service."""
    for path in ("/startupz", "/livez", "/readyz"):
        assert _probe(engine.metrics_port, path) == (200, [])
    assert _health(engine) == "SERVING"


@pytest.mark.parametrize("trouble", ["gone", "hangs"])
def test_a_usage_store_that_does_not_answer_makes_the_engine_unready_and_not_dead(
    clickhouse, gateway, trouble
):
    """Each probe answers at once all the same. When the store is back, so is the engine."""
    port, before = gateway.metrics_port, len(gateway.log)
    _until(lambda: _probe(port, "/readyz"), (200, []))
    if trouble == "gone":
        clickhouse.outage()
    else:
        clickhouse.fault("freeze", "read")
    try:
        _until(lambda: _probe(port, "/readyz")[0], 503)
        (reason,) = _probe(port, "/readyz")[1]
        assert reason.startswith(("the usage store does not answer", "the usage store has not answered"))
        assert _probe(port, "/livez") == (200, [])
        assert _probe(port, "/startupz") == (200, [])
        assert _health(gateway) == "NOT_SERVING"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        assert 'meterline_store_up{store="usage"} 0.0' in lines
        assert 'meterline_store_up{store="catalog"} 1.0' in lines
    finally:
        clickhouse.clear()
        clickhouse.resume()
    _until(lambda: _probe(port, "/readyz"), (200, []))
    assert _health(gateway) == "SERVING"
    if trouble == "gone":
        said = [json.loads(line) for line in gateway.log[before:] if "a store does not answer" in line]
        assert [(each["store"], each["level"]) for each in said] == [("usage", "warning")]


def test_a_watch_hears_that_the_engine_is_not_ready(clickhouse, gateway):
    """A client that watches gRPC's health goes elsewhere meanwhile."""
    with open_channel(gateway.target) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=_SOON_S)
        while next(watch).status != health_pb2.HealthCheckResponse.SERVING:
            pass
        clickhouse.outage()
        try:
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        finally:
            clickhouse.resume()
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()


def test_a_start_that_waits_for_its_store_is_told_of(clickhouse, tmp_path):
    """The port of probes is there from the first moment: alive, not started, not ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = clickhouse.option(f"probes_{tmp_path.name}", **_PATIENCE)
    engine = EngineProcess(tmp_path / "data", *store, "--metrics-listen", f"127.0.0.1:{port}")
    clickhouse.fault("slow", seconds=3)
    starting = threading.Thread(target=engine.start)
    starting.start()
    try:

        def startup():
            try:
                return _probe(port, "/startupz")
            except urllib.error.URLError:
                return None

        reasons = ["the engine is starting: its stores are being opened"]
        _until(startup, (503, reasons))
        assert _probe(port, "/readyz") == (503, reasons)
        assert _probe(port, "/livez") == (200, [])
    finally:
        clickhouse.clear()
        starting.join()
        engine.stop()


def test_an_engine_that_drains_is_alive_and_not_ready(tmp_path):
    """As long as a call that it has taken goes on."""
    done, seen = threading.Event(), []

    def requests():
        yield StreamUsageRequest(sequence=1, events=[UsageEvent()])
        done.wait(_SOON_S)

    with EngineProcess(tmp_path / "data") as engine, open_channel(engine.target) as channel:
        answers = UsageServiceStub(channel).StreamUsage(requests(), timeout=_SOON_S)
        assert next(answers).sequence == 1
        stopping = threading.Thread(target=engine.stop)
        stopping.start()

        def probes():
            seen.append((_probe(engine.metrics_port, "/readyz"), _probe(engine.metrics_port, "/livez")))
            return seen[-1]

        draining = ["the engine is stopping: it finishes what it has taken"]
        _until(probes, ((503, draining), (200, [])))
        done.set()
        stopping.join()
