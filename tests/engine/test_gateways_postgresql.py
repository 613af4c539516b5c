"""Two gateways that share a ClickHouse server and a PostgreSQL, and nothing else, when the PostgreSQL is in trouble."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import grpc
import pytest

from engine.cluster.shared_clock import SharedClock, Surroundings
from engine.sql.database import open_database
from engine.sql.postgresql import Writers
from examples.engine_process import EngineProcess
from meterline.v1.spend_pb2 import WatchSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.usage_pb2 import PropertyValue, RecordUsageRequest, UsageEvent
from tests.support.command_processes import run_command
from tests.support.postgres import postgres
from tests.support.usage.clickhouse_process import ClickHouseProcess
from tests.support.usage.gateway_drive import AT, PATIENCE, Books, apply_catalog, channel_to

ROOT = Path(__file__).parents[2]

# Takes the turn of the writers of the order, and hangs with it.
HANGS = """
import sys, time
from engine.sql.database import open_database
from engine.sql.postgresql import Writers

with open_database(sys.argv[1]).beside(writers=Writers.INGEST_ORDER).writing():
    print("holds", flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def server():
    """One of their own: it crashes."""
    with postgres() as running:
        yield running


@pytest.fixture(scope="module")
def url(server):
    return server.new_url()


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory):
    with ClickHouseProcess(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture(scope="module")
def gateways(url, clickhouse):
    options = (*clickhouse.option(**PATIENCE), "--catalog-store", url, "--event-age-max-days", "36525")
    with EngineProcess(None, *options) as first, EngineProcess(None, *options) as second:
        yield first, second


def _send_until_stored(books, channel, moments):
    """The database may have been in trouble a moment ago."""
    give_up_at = time.monotonic() + 60
    ids, request = books.batch(moments)
    while not books.send(channel, ids, request):
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


@pytest.fixture
def books(request, gateways):
    name = re.sub(r"\W+", "_", request.node.name.removeprefix("test_"))[-40:].strip("_")
    return Books(name, [each.target for each in gateways], apply_catalog(gateways[0].target, name))


@pytest.mark.parametrize("trouble", ["sessions end", "crash"])
def test_a_postgresql_in_trouble_loses_and_doubles_nothing(books, server, url, clickhouse, trouble):
    """Every session is ended, or the server crashes and recovers: three times while usage comes in and is read."""

    def disturb():
        for _ in range(3):
            time.sleep(0.7)
            server.crash() if trouble == "crash" else server.end_sessions(url)

    books.run(seconds=1.5, disturb=disturb)
    books.check(clickhouse.url())


def test_callers_are_told_to_come_back_and_nothing_of_the_database(books, server, url):
    """Neither its address nor its own words."""
    with channel_to(books.targets[0]) as channel:
        _send_until_stored(books, channel, random.Random(1))
        _, request = books.batch(random.Random(4))
        record = channel.unary_unary("/meterline.v1.UsageService/RecordUsage")
        with server.refusing(url), pytest.raises(grpc.RpcError) as refused:
            record(request, timeout=120)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert refused.value.details() == "the catalog store does not answer: try again later"
        record(request, timeout=120)


def test_a_gateway_that_hangs_in_a_transaction_holds_others_up_for_seconds_only(books, url):
    """The server ends its session, and undoes what it began."""
    with subprocess.Popen(
        [sys.executable, "-c", HANGS, url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as hanging:
        try:
            assert hanging.stdout.readline() == "holds\n"
            os.kill(hanging.pid, signal.SIGSTOP)
            began_s = time.monotonic()
            with channel_to(books.targets[0]) as channel:
                _send_until_stored(books, channel, random.Random(3))
            assert time.monotonic() - began_s < 20
        finally:
            hanging.kill()
            hanging.wait(30)


def test_who_watches_at_one_gateway_is_told_of_what_another_commits(books):
    """Both ways, and twice: a token costs a dollar. The first spend is that of nothing."""
    customer = f"{books.name}_acme"
    for number, (there, here) in enumerate(zip(books.targets, reversed(books.targets), strict=True)):
        with channel_to(there) as watched, channel_to(here) as recorded:
            request = WatchSpendRequest(customer_id=customer, at=AT)
            call = SpendServiceStub(watched).WatchSpend(request, timeout=120, wait_for_ready=True)
            try:
                _until(call, 30 * number)
                for place, tokens in enumerate((10, 20)):
                    event = UsageEvent(
                        event_id=f"{books.name}-{number}-{place}",
                        event_type=f"{books.name}.call",
                        customer_id=customer,
                        event_time=AT,
                        properties={"tokens": PropertyValue(string_value=str(tokens))},
                    )
                    ids = [event.event_id]
                    give_up_at = time.monotonic() + 60
                    while not books.send(
                        recorded, ids, RecordUsageRequest(events=[event]).SerializeToString()
                    ):
                        assert time.monotonic() < give_up_at
                        time.sleep(0.05)
                    _until(call, 30 * number + (10, 30)[place])
            finally:
                call.cancel()


def _until(call, amount):
    """Until a spend of so many dollars is pushed; the call's own deadline ends it otherwise."""
    for answer in call:
        if answer.HasField("spend") and sum(Decimal(each.amount) for each in answer.spend.spends) == amount:
            return
    raise AssertionError("the watch ended")


def test_twenty_gateways_at_once_never_get_the_same_stamp(server):
    """Each stamps twenty groups; the order has all of them, one after the other."""
    url = server.new_url()
    open_database(url).close()
    together = threading.Barrier(20)

    def stamps(number):
        database = open_database(url)
        quick = database.beside(power_safe=False, writers=Writers.INGEST_ORDER)
        power_safe = database.beside(writers=Writers.INGEST_ORDER)
        world = Surroundings(lambda: time.time_ns() // 1000, lambda _: None, lambda _: None, lambda _: False)
        clock = SharedClock(quick, power_safe, f"g{number}", world, lease_us=60_000_000, wait_ms_max=1000)
        together.wait(60)
        clock.start(0, alone=False)
        found = []
        for _ in range(20):
            found.append(clock.begin(time.time_ns() // 1000))
            clock.end(found[-1])
        for each in (quick, power_safe, database):
            each.close()
        return found

    with ThreadPoolExecutor(20) as threads:
        found = list(threads.map(stamps, range(20)))
    assert all(each == sorted(each) for each in found)
    assert len({stamp for each in found for stamp in each}) == 400


def test_a_first_gateway_without_a_key_says_how_to_make_one(server, clickhouse):
    """There is no data directory to write one into."""
    command = ["serve", "--listen", "127.0.0.1:0", "--no-metrics"]
    command += [*clickhouse.option("nobody"), "--catalog-store", server.new_url()]
    environment = {name: value for name, value in os.environ.items() if name != "METERLINE_ADMIN_KEY_FILE"}
    done = run_command(*command, env=environment)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1] == (
        "meterline: there is no API key yet, and no data directory to write one into: make one with meterline keys "
        "generate > FILE, and name it with --admin-key-file FILE"
    )


def test_migrate_makes_the_tables_and_says_what_it_did(server):
    """Before any engine starts; a dry run changes nothing."""
    url = server.new_url()

    def migrated(*options):
        done = run_command("migrate", "--catalog-store", url, *options)
        done.check_returncode()
        return re.sub(r"^postgresql://.*?: the", "the", done.stdout.strip())

    assert re.fullmatch(
        r"the catalog store would be brought from nothing to schema \d{4}", migrated("--dry-run")
    )
    assert re.fullmatch(r"the catalog store was brought from nothing to schema \d{4}", migrated())
    assert re.fullmatch(r"the catalog store has schema \d{4} already", migrated())
