"""Reused ids settled in a store that several gateways share, over HTTP."""

import functools
import itertools
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine.cluster.locks import FileLocks
from engine.cluster.upkeep_loop import Pace, UpkeepLoop
from engine.errors import StoreUnavailableError
from engine.metrics import METRICS
from engine.usage.corrections.conflict_list import list_conflicts
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.corrections.voids import record_voids
from engine.usage.query.usage_reader import UsageReader
from engine.usage.rollups.coverage import Coverages
from engine.usage.rollups.rollups import Rollups
from engine.usage.store.backends.server_address import read_server_address
from engine.usage.store.tables.newest_rows import latest_stamp_query
from engine.usage.store.usage_store import UsageStore
from ingest import IngestClock
from tests.support.usage.clickhouse_process import ClickHouseProcess
from tests.support.usage.meter_reads import deliver
from tests.support.usage.reused_ids import COUNT, IDS, decision, event_of, read
from tests.support.usage.rollup_questions import asked
from tests.support.usage.rollup_world import WORTHS


@pytest.fixture
def stores(tmp_path: Path):
    """Of two gateways."""
    with ClickHouseProcess(tmp_path / "server") as server:
        address = read_server_address(server.url())
        opened = [UsageStore.open_server(address) for _ in range(2)]
        yield opened
        for each in opened:
            each.close()


def test_gateways_settle_the_ids_of_one_server(stores):
    """Whatever characters the ids have; the other gateway finds nothing left, and lists what was voided."""
    deliver(stores[0], [event_of(each, "1", ingested_us=1) for each in IDS])
    deliver(stores[1], [event_of(each, "2", ingested_us=2) for each in IDS])
    clock, ticks = IngestClock(10, lambda _: None), itertools.count(20)
    one, other = (Reconciler(each, clock, ticks.__next__) for each in stores)
    assert one.next_pass().voided == len(IDS)
    assert other.next_pass().events == 0
    assert other.reconcile("t1", 0, 2**52).voided == 0
    as_of_us = clock.watermark(next(ticks))
    found = list_conflicts(stores[1], "t1", "", as_of_us, (0, 100))
    assert sorted(each.voided.key.event_id for each in found) == sorted(IDS)
    assert {each.voided.properties["value"] for each in found} == {"2"}
    assert read(stores[1], COUNT, as_of_us)["acme", ()].quantity == len(IDS)


def test_a_void_that_was_called_off_is_never_stored(stores):
    """Its stamp is fenced like that of any group."""
    event = event_of("a", "1", ingested_us=1)
    deliver(stores[0], [event])
    stores[1].call_off([(50, 60)])
    with pytest.raises(Exception, match="refused an insert"):
        record_voids([decision(event, voided=True)], stores[0], IngestClock(50, lambda _: None), lambda: 55)
    assert read(stores[1], COUNT, 100)["acme", ()].quantity == 1


def test_a_pass_may_take_longer_than_any_read(tmp_path):
    """A log of many events is looked through in minutes: the reconciler has a bound of its own, reads keep theirs."""
    short = {"connect_timeout_s": 1, "read_timeout_s": 1, "answer_margin_s": 1, "reconcile_timeout_s": 30}
    with (
        ClickHouseProcess(tmp_path / "server") as server,
        closing(UsageStore.open_server(read_server_address(server.url(**short)))) as store,
    ):
        deliver(store, [event_of("a", value, ingested_us=int(value)) for value in "12"])
        reconciler = Reconciler(store, IngestClock(10, lambda _: None), itertools.count(20).__next__)
        server.fault("slow", only="read", seconds=3)
        with pytest.raises(StoreUnavailableError, match="no answer in time"):
            store.query(latest_stamp_query())
        server.clear()
        server.fault("slow", only="read", seconds=3, times=1)
        assert reconciler.reconcile("t1", 0, 2**52).voided == 1


def _lock(directory):
    return functools.partial(FileLocks(directory).try_hold, "reconciler")


def test_a_pass_that_fails_is_counted_and_made_again(tmp_path):
    """By a metric that an operator can watch; and the engine's end waits only a moment for a pass that hangs."""
    short = {"connect_timeout_s": 1, "read_timeout_s": 1, "answer_margin_s": 1, "reconcile_timeout_s": 1}
    failed = METRICS.failed_upkeep_passes.labels("reconciler")._value.get
    before, deadline = failed(), time.monotonic() + 120
    with (
        ClickHouseProcess(tmp_path / "server") as server,
        closing(UsageStore.open_server(read_server_address(server.url(**short)))) as store,
    ):
        deliver(store, [event_of("a", value, ingested_us=int(value)) for value in "12"])
        reconciler = Reconciler(store, IngestClock(10, lambda _: None), itertools.count(20).__next__)
        loop = UpkeepLoop("reconciler", reconciler, _lock(tmp_path), lambda: 0, pace=Pace(0), stop_within_s=0)
        server.fault("disk_full", only="read")
        loop.start()
        while failed() == before:
            assert time.monotonic() < deadline
        server.clear()
        while not list_conflicts(store, "t1", "", 2**52, (0, 1)):
            assert time.monotonic() < deadline
        server.fault("slow", only="read", seconds=60)
        began_s = time.monotonic()
        loop.stop()
        assert time.monotonic() - began_s < 30
        # The pass that was left behind would say in some other test that its server is gone.
        server.clear()
        loop._thread.join(60)
        assert not loop._thread.is_alive()


def test_what_an_earlier_pass_of_rollups_left_behind_is_called_off(stores):
    """A server that wakes up late must not cover a customer whose rows a later pass knows nothing of."""
    clock, ticks = IngestClock(0, lambda _: None), itertools.count(1).__next__
    request = asked(COUNT)
    meter = replace(request, customer_ids=["acme"])
    stamp_us = clock.begin(ticks())
    deliver(stores[0], [event_of(str(number), "1", ingested_us=stamp_us) for number in range(5)])
    clock.end(stamp_us)
    hung, execute = [], stores[0].execute

    def hanging(statement, stamp_us=None):
        if "rollup_customers" in statement.sql:
            hung.append((statement, stamp_us))
            raise StoreUnavailableError("no answer in time", retry_after_ms=1)
        execute(statement, stamp_us)

    one, other = (Rollups(each, clock, ticks, WORTHS[0]) for each in stores)
    stores[0].execute = hanging
    with pytest.raises(StoreUnavailableError):
        one.keep_up(meter)
    stores[0].execute = execute
    stamp_us = clock.begin(ticks())
    deliver(stores[0], [event_of("late", "1", ingested_us=stamp_us)])
    clock.end(stamp_us)
    look_through = stores[1].look_through

    def waking(query):
        # After the other's pass has begun, before it looks.
        for statement, stamp_us in hung:
            with pytest.raises(StoreUnavailableError):
                execute(statement, stamp_us)
        hung.clear()
        return look_through(query)

    stores[1].look_through = waking
    other.keep_up(meter)
    assert not hung
    now = replace(meter, as_of_us=clock.watermark(ticks()))
    reader = UsageReader(stores[1], Coverages(stores[1], lambda: 0, age_max_ns=0), days_for_customers_min=1)
    assert [each.quantity for each in reader.read(now, 10)] == [6]
    assert reader.read(now, 10) == reader.read(now, 10, raw_only=True)
