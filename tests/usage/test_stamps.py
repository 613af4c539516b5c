"""An event's stamp is kept once; a store in which it was kept twice is read and written on, embedded or at a server."""

from contextlib import closing

import clickhouse_connect
import pytest

import engine.usage.store.backends.embedded as store_module
from engine.errors import StartupError
from engine.usage.store.backends.server_address import read_server_address
from engine.usage.store.query import Query
from engine.usage.store.usage_store import UsageStore
from tests.support.usage.clickhouse_process import ClickHouseProcess
from tests.support.usage.form_2 import OF_FORM_2
from tests.support.usage.meter_reads import deliver
from tests.support.usage.reused_ids import COUNT, event_of, read
from tests.support.usage.usage_histories import PERIOD_US

# Form 3 has the columns of form 2.
OF_FORM_3 = OF_FORM_2
# Event a at 5, sent again at 7, and event b at 9; ingested in three inserts.
FILL = """
INSERT INTO meterline.events (tenant, customer_id, event_type, event_time, event_id, ingested_at, properties)
SELECT 't1', 'acme', 'call', fromUnixTimestamp64Micro(toInt64({time_us}), 'UTC'), '{event_id}',
    fromUnixTimestamp64Micro(toInt64({stamp_us}), 'UTC'), map('value', '1')
"""
STAMPS = Query("SELECT event_id, toUnixTimestamp64Micro(ingested_at) FROM events FINAL ORDER BY event_id", {})
ALTERS = 12


def _fill(command):
    command("SYSTEM STOP MERGES meterline.events")
    for event_id, stamp_us in (("a", 5), ("a", 7), ("b", 9)):
        command(FILL.format(event_id=event_id, stamp_us=stamp_us, time_us=PERIOD_US[0]))


@pytest.fixture
def of_form_3(tmp_path):
    """The path of a store of form 3 with events a and b."""
    client = clickhouse_connect.get_client(interface="chdb", path=str(tmp_path / "usage"))
    client.command("CREATE DATABASE meterline ENGINE = Atomic")
    client.command(OF_FORM_3)
    _fill(client.command)
    client.close()
    return tmp_path / "usage"


def _says_the_same(store):
    """Who came first still counts, at every watermark, also before what is merged is merged."""
    assert store.query(STAMPS)[:2] == [("a", 5), ("b", 9)]
    counts = [read(store, COUNT, as_of_us).get(("acme", ())) for as_of_us in (4, 5, 8, 9, 12)]
    assert [each.quantity if each else 0 for each in counts] == [0, 1, 1, 2, 2]


def test_a_store_keeps_its_stamps_when_they_come_to_be_kept_once(of_form_3):
    """Opened; then with a retry of a and event c in it, and all merged into one part; then opened again."""
    with closing(UsageStore.open_embedded(of_form_3)) as store:
        _says_the_same(store)
        deliver(store, [event_of("a", "1", ingested_us=11), event_of("c", "1", ingested_us=13)])
        for _ in range(2):
            assert store.query(STAMPS) == [("a", 5), ("b", 9), ("c", 13)]
            store.execute(Query("OPTIMIZE TABLE events FINAL", {}))
        _says_the_same(store)
        assert store.latest_stamp_us() == 13
    with closing(UsageStore.open_embedded(of_form_3)) as store:
        _says_the_same(store)
        kept = Query("SELECT DISTINCT column FROM system.parts_columns WHERE active AND table = 'events'", {})
        assert ("ingested_at",) not in store.query(kept)


@pytest.mark.parametrize("step", range(ALTERS))
def test_a_store_that_stopped_before_any_step_is_opened_all_the_same(of_form_3, step, monkeypatch):
    """Before each ALTER in turn."""
    real, left = store_module.bring_to_form, iter(range(step))

    def bring_to_form(run, rows):
        def stopping(sql):
            if sql.startswith("ALTER") and next(left, None) is None:
                raise StartupError("stopped")
            return run(sql)

        return real(stopping, rows)

    monkeypatch.setattr(store_module, "bring_to_form", bring_to_form)
    with pytest.raises(StartupError, match="stopped"):
        UsageStore.open_embedded(of_form_3)
    monkeypatch.undo()
    with closing(UsageStore.open_embedded(of_form_3)) as store:
        _says_the_same(store)


def test_a_server_s_table_of_form_3_is_written_on_as_it_is(tmp_path):
    """Beside gateways of an earlier version, which insert the instant; what comes in later finds its first, too."""
    with ClickHouseProcess(tmp_path / "server") as server:
        address = read_server_address(server.url())
        with closing(UsageStore.open_server(address)) as store:
            store.execute(Query("DROP TABLE events SYNC", {}))
            store.execute(Query(OF_FORM_3.replace("meterline.", ""), {}))
        with closing(UsageStore.open_server(address)) as store:
            _fill(lambda sql: store.execute(Query(sql.replace("meterline.", ""), {})))
            _says_the_same(store)
            deliver(store, [event_of("a", "1", ingested_us=11), event_of("c", "1", ingested_us=13)])
            assert store.query(STAMPS) == [("a", 5), ("b", 9), ("c", 13)]
            assert store.latest_stamp_us() == 13
