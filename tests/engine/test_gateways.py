"""Several gateways on one ClickHouse server, and everything that can go wrong between them.

The server is chDB behind HTTP (tests/support/usage/clickhouse_front.py); the gateways are real processes. They share
a data directory besides, on one machine, or else a PostgreSQL and no directory at all.
"""

import contextlib
import dataclasses
import os
import random
import re
import signal
import threading
import time
import urllib.request
from pathlib import Path

import grpc
import pytest

from engine.api.grpc.server import check_address
from engine.errors import StartupError
from engine.usage.store.backends.server_address import read_server_address
from engine.usage.store.usage_store import UsageStore
from examples.engine_process import EngineProcess
from meterline.v1.events_pb2 import ListProblemsRequest
from meterline.v1.events_pb2_grpc import EventServiceStub
from meterline.v1.usage_pb2 import VERDICT_REJECTED, RecordUsageRequest, RecordUsageResponse, UsageEvent
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.command_processes import run_command
from tests.support.usage.clickhouse_process import ClickHouseProcess
from tests.support.usage.gateway_drive import PATIENCE, Books, apply_catalog, channel_to

ROOT = Path(__file__).parents[2]


def _gateway(shared, clickhouse, *options, target=None, database="metering"):
    made = EngineProcess(
        shared.data,
        *(*clickhouse.option(database, **PATIENCE), "--event-age-max-days", "36525"),
        *shared.options,
        *options,
    )
    if target is not None:
        made.target = target
    return made


@dataclasses.dataclass(frozen=True)
class Shared:
    """What gateways share besides the usage store."""

    data: Path | None
    options: tuple[str, ...] = ()


@pytest.fixture(scope="module", params=["directory", "postgresql"])
def new_shared(request, tmp_path_factory):
    """Gives gateways something to share that nobody has used."""
    if request.param == "directory":
        return lambda: Shared(tmp_path_factory.mktemp("shared") / "data")
    server = request.getfixturevalue("postgres_server")
    return lambda: Shared(None, ("--catalog-store", server.new_url()))


@pytest.fixture(scope="module")
def clickhouse(new_shared, tmp_path_factory):
    """One for each way to share, since a database of the server belongs to what was shared first."""
    with ClickHouseProcess(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture(scope="module")
def gateways(clickhouse, new_shared):
    """Two, each on a port of its own."""
    shared = new_shared()
    with _gateway(shared, clickhouse) as first, _gateway(shared, clickhouse) as second:
        yield first, second


@pytest.fixture
def books(request, clickhouse, gateways):
    clickhouse.clear()
    name = re.sub(r"\W+", "_", request.node.name.removeprefix("test_"))[-40:].strip("_")
    revision = apply_catalog(gateways[0].target, name)
    yield Books(name, [each.target for each in gateways], revision)
    clickhouse.clear()
    clickhouse.resume()


def test_a_catalog_that_one_gateway_applied_is_known_to_the_other_at_once(books, gateways):
    """The second judges and rates by it in the next call, and the first read there has what the first acknowledged."""
    moments = random.Random(1)
    with channel_to(gateways[0].target) as first, channel_to(gateways[1].target) as second:
        for k in range(10):
            here, there = (first, second) if k % 2 else (second, first)
            assert books.send(here, *books.batch(moments))
            line = books.read(there)
            assert line.event_count == 15 * (k + 1)


def test_two_gateways_take_usage_and_answer_with_the_same_bytes(books, clickhouse):
    """Producers at both, readers at both, a fifth of the batches sent to both: each event counts once."""
    books.run(seconds=2)
    books.check(clickhouse.url())
    assert books.reads > 0


def test_what_one_gateway_rejected_is_listed_at_the_other(gateways):
    """Each writes its own down, and both list and count them all."""
    with channel_to(gateways[0].target) as first, channel_to(gateways[1].target) as second:
        for channel, event_id in ((first, "at-the-first"), (second, "at-the-second")):
            event = UsageEvent(event_id=event_id, event_type="nobody.reads", customer_id="nobody-knows")
            event.event_time.FromSeconds(1_749_513_600)
            answer = UsageServiceStub(channel).RecordUsage(RecordUsageRequest(events=[event]), timeout=120)
            assert list(answer.verdicts) == [VERDICT_REJECTED]
        for channel in (first, second):
            until_s, found = time.monotonic() + 60, []
            while len(found) < 2 and time.monotonic() < until_s:
                request = ListProblemsRequest(customer_id="nobody-knows")
                found = EventServiceStub(channel).ListProblems(request, timeout=120).problems
            assert [each.event_id for each in found] == ["at-the-second", "at-the-first"]


def test_what_is_sent_a_hundred_times_through_two_gateways_counts_once(books, clickhouse):
    """Twenty callers, ten batches, all at the same time, each batch a hundred times."""
    moments = random.Random(2)
    batches = [books.batch(moments) for _ in range(10)]
    failures = []

    def storm(number):
        with channel_to(books.targets[number % 2]) as channel:
            for _ in range(5):
                for ids, request in batches:
                    try:
                        while not books.send(channel, ids, request):
                            time.sleep(0.02)
                    except Exception as error:
                        failures.append(error)
                        raise

    threads = [threading.Thread(target=storm, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    books.check(clickhouse.url())


def _while(begin, end, seconds=1.5):
    def disturb():
        time.sleep(0.5)
        begin()
        time.sleep(seconds)
        end()

    return disturb


def test_a_store_that_is_gone_and_comes_back_loses_and_doubles_nothing(books, clickhouse):
    """While it refuses connections, usage and reads are refused for now; afterwards everything goes on by itself."""
    books.run(seconds=1, disturb=_while(clickhouse.outage, clickhouse.resume))
    books.check(clickhouse.url())
    assert books.refusals["UNAVAILABLE"] > 0
    assert books.refusals["read UNAVAILABLE"] > 0


def test_a_store_that_is_out_is_answered_with_when_to_come_back(books, clickhouse, gateways):
    """UNAVAILABLE, one line, RetryInfo; for usage and for reads."""
    clickhouse.outage()
    with channel_to(gateways[0].target) as channel:
        _, request = books.batch(random.Random(3))
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary("/meterline.v1.UsageService/RecordUsage")(request, timeout=20)
        clickhouse.resume()
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert refused.value.details() == "the usage store refused an insert: Connection refused"
        trailers = dict(refused.value.trailing_metadata())
        assert int(trailers["grpc-retry-pushback-ms"]) > 0
        answer = channel.unary_unary("/meterline.v1.UsageService/RecordUsage")(request, timeout=20)
        assert len(RecordUsageResponse.FromString(answer).verdicts) == 20


@pytest.mark.parametrize(
    ("kind", "only"),
    [
        ("slow", "any"),
        ("reset_before", "insert"),
        ("reset_after", "insert"),
        ("truncate", "read"),
        ("unavailable", "any"),
        ("disk_full", "insert"),
    ],
)
def test_a_store_in_trouble_loses_and_doubles_nothing(books, clickhouse, kind, only):
    """Slow answers, connections reset before and after the insert was executed, answers cut in half, 503, a full
    disk: for a second and a half, in the middle of the run.
    """
    options = {"seconds": 0.3} if kind == "slow" else {}
    met_before = clickhouse.seen().get(kind, 0)
    books.run(
        seconds=1,
        disturb=_while(lambda: clickhouse.fault(kind, only, **options), clickhouse.clear),
    )
    books.check(clickhouse.url())
    assert clickhouse.seen()[kind] > met_before


def test_an_insert_whose_answer_was_lost_is_known_when_it_is_sent_again(books, clickhouse):
    """Executed, then reset, three times in a row: not acknowledged, sent again, stored once."""
    clickhouse.fault("reset_after", "insert", times=3)
    with channel_to(books.targets[0]) as channel:
        ids, request = books.batch(random.Random(4))
        tries = 1
        while not books.send(channel, ids, request):
            tries += 1
    assert tries >= 2
    books.check(clickhouse.url())


@pytest.mark.parametrize("kind", ["hang", "freeze"])
def test_an_insert_that_hangs_is_called_off_and_never_lands_behind_a_snapshot(books, clickhouse, kind):
    """It hangs in the store, or unseen before it, and is given up; others go on, snapshots are read; then the
    store wakes up and executes it, far too late: the snapshots stay as they were.
    """
    moments = random.Random(5)
    with channel_to(books.targets[0]) as first, channel_to(books.targets[1]) as second:
        ids, request = books.batch(moments)
        clickhouse.fault(kind, "insert", times=1)
        assert not books.send(first, ids, request)
        for _ in range(3):
            assert books.send(second, *books.batch(moments))
            assert books.read(second) is not None
        clickhouse.clear()
        time.sleep(0.5)
        while not books.send(first, ids, request):
            time.sleep(0.05)
    books.check(clickhouse.url())


def test_a_gateway_that_hangs_holds_readers_up_for_its_lease_only(books, clickhouse, gateways):
    """SIGSTOP while its insert is under way: another gateway's reads are refused for now, then go on; when it wakes
    up, its group fails and is sent again.
    """
    moments = random.Random(6)
    with channel_to(gateways[0].target) as first, channel_to(gateways[1].target) as second:
        ids, request = books.batch(moments)
        slow_before = clickhouse.seen().get("slow", 0)
        clickhouse.fault("slow", "insert", times=1, seconds=1)
        call = first.unary_unary("/meterline.v1.UsageService/RecordUsage").future(request, timeout=60)
        give_up_at = time.monotonic() + 60
        while clickhouse.seen().get("slow", 0) == slow_before:
            assert time.monotonic() < give_up_at
            time.sleep(0.02)
        os.kill(gateways[0].pid, signal.SIGSTOP)
        try:
            assert books.send(second, *books.batch(moments))
            assert books.read(second) is None
            assert books.refusals == {"read UNAVAILABLE": 1}
            while books.read(second) is None:
                assert time.monotonic() < give_up_at
        finally:
            os.kill(gateways[0].pid, signal.SIGCONT)
        with pytest.raises(grpc.RpcError, match="called off"):
            call.result()
        while not books.send(first, ids, request):
            time.sleep(0.05)
    books.check(clickhouse.url())


@pytest.mark.parametrize("cycles", [3, pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_gateways_that_are_killed_lose_and_double_nothing(new_shared, tmp_path, cycles):
    """Two gateways on one port, killed in turn at random moments and started again, producers retrying."""
    shared = new_shared()
    moments = random.Random()
    with ClickHouseProcess(tmp_path / "clickhouse") as clickhouse:
        first = _gateway(shared, clickhouse, "--share-port").start()
        second = _gateway(shared, clickhouse, "--share-port", target=first.target).start()
        try:
            books = Books("kills", [first.target], apply_catalog(first.target, "kills"))

            def disturb():
                for cycle in range(cycles):
                    time.sleep(moments.uniform(0.05, 0.6))
                    victim = (first, second)[cycle % 2]
                    victim.kill()
                    victim.start()

            books.run(seconds=1, producers=3, disturb=disturb, pause_s=0.1)
            books.check(clickhouse.url())
        finally:
            first.kill()
            second.kill()


@pytest.mark.parametrize("cycles", [2, pytest.param(30, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_a_store_that_is_killed_loses_and_doubles_nothing(new_shared, tmp_path, cycles):
    """SIGKILL of the ClickHouse process at random moments, started again on its directory."""
    shared = new_shared()
    moments = random.Random()
    with (
        ClickHouseProcess(tmp_path / "clickhouse") as clickhouse,
        _gateway(shared, clickhouse) as first,
        _gateway(shared, clickhouse) as second,
    ):
        books = Books("storekills", [first.target, second.target], apply_catalog(first.target, "storekills"))

        def disturb():
            for _ in range(cycles):
                time.sleep(moments.uniform(0.3, 1.0))
                clickhouse.kill()
                time.sleep(moments.uniform(0, 0.3))
                clickhouse.start()

        books.run(seconds=1, disturb=disturb)
        books.check(clickhouse.url())


def test_gateways_that_share_a_port_both_get_calls(new_shared, tmp_path):
    """The kernel spreads connections; a third without --share-port is refused in one line."""
    shared = new_shared()
    with (
        ClickHouseProcess(tmp_path / "clickhouse") as clickhouse,
        _gateway(shared, clickhouse, "--share-port") as first,
        _gateway(shared, clickhouse, "--share-port", target=first.target) as second,
    ):
        books = Books("shared", [first.target], apply_catalog(first.target, "shared"))
        books.run(seconds=1.5, producers=24, pause_s=0.05)
        books.check(clickhouse.url())
        assert [_events(each) > 0 for each in (first, second)] == [True, True]
        with pytest.raises(StartupError, match=r"the port is taken: .* each with --share-port"):
            check_address(first.target)


def _events(gateway):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{gateway.metrics_port}/metrics", timeout=10) as page:
        lines = page.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("meterline_events_total"))


def _refused(data, *options, environment=None):
    """The one line, and the exit code 2, of an engine that can't start."""
    done = run_command(
        "serve", "--data", data, "--listen", "127.0.0.1:0", "--no-metrics", *options,
        env=os.environ | (environment or {}),
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_a_gateway_that_cannot_have_its_store_says_why_in_one_line(clickhouse):
    """Nobody there, wrong password; the password is never repeated."""
    url = clickhouse.url()
    with pytest.raises(StartupError) as nobody:
        UsageStore.open_server(read_server_address("http://u:s3cret@127.0.0.1:9/m"))
    assert str(nobody.value) == (
        "http://127.0.0.1:9/m: the usage store does not answer as a ClickHouse server: Connection refused. "
        "Is it running, and is this its HTTP port?"
    )
    wrong = read_server_address(url.replace("pass", "fail"))
    with pytest.raises(StartupError) as refused:
        UsageStore.open_server(wrong)
    assert str(refused.value).endswith("the usage store refuses user 'meterline': check user and password")
    for text in (str(nobody.value), str(refused.value), repr(wrong)):
        assert "s3cret" not in text


def test_a_database_belongs_to_one_data_directory(clickhouse, gateways, tmp_path):
    """Two directories would be two orders of ingestion in one store: the second is refused, and told what to do."""
    address = read_server_address(clickhouse.url())
    with contextlib.closing(UsageStore.open_server(address)) as store:
        with pytest.raises(
            StartupError, match="belongs to the gateways of another data directory"
        ) as refused:
            store.claim("some other directory")
        assert "name another database" in str(refused.value)
    with contextlib.closing(
        UsageStore.open_server(dataclasses.replace(address, database="second"))
    ) as second:
        for _ in range(2):
            second.claim("some other directory")


def test_the_environment_may_name_the_store(tmp_path):
    """METERLINE_USAGE_STORE, where the password is not in the list of processes; it is not repeated either."""
    env = os.environ | {"METERLINE_USAGE_STORE": "http://u:s3cret@127.0.0.1:9"}
    done = run_command("serve", "--data", tmp_path / "a", "--listen", "127.0.0.1:0", "--no-metrics", env=env)
    assert done.returncode == 2
    assert done.stderr.startswith("meterline: http://127.0.0.1:9/meterline: the usage store does not answer")
    assert done.stderr.count("\n") == 1
    assert "s3cret" not in done.stderr
