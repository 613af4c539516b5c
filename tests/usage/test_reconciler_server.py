"""Reused ids settled in a store that several gateways share, over HTTP."""

import itertools
from pathlib import Path

import pytest
from clickhouse_process import ClickHouseProcess
from meter_reads import deliver
from test_reconciler import COUNT, IDS, decision, event_of, read

from engine.usage.conflict_list import list_conflicts
from engine.usage.reconciler import Reconciler
from engine.usage.server_address import read_server_address
from engine.usage.store import UsageStore
from engine.usage.voids import record_voids
from ingest import IngestClock


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
