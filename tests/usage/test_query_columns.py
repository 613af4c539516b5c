"""Reads as columns, with tables of their own: the same of the embedded store and of a server over HTTP."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engine.errors import StoreUnavailableError
from engine.usage.store.backends.server_address import read_server_address
from engine.usage.store.query import Query
from engine.usage.store.usage_store import UsageStore
from tests.support.usage.clickhouse_process import ClickHouseProcess


@pytest.fixture(scope="module", params=["embedded", "server"])
def store(request, tmp_path_factory, shared_store):
    if request.param == "embedded":
        yield shared_store
        return
    with ClickHouseProcess(tmp_path_factory.mktemp("server")) as server:
        opened = UsageStore.open_server(read_server_address(server.url()))
        yield opened
        opened.close()


def asked_of(count):
    ids = [f"customer {number} \N{SNOWMAN}" for number in range(count)]
    return pa.table({"place": pa.array(range(count), pa.uint32()), "customer_id": pa.array(ids)})


def test_a_statement_reads_a_table_that_comes_with_it(store):
    """By its name, as often as it likes, beside parameters: 3 + 4 is 7, and the ids are as they were."""
    sql = (
        "SELECT place, customer_id FROM asked WHERE place >= {first:UInt32} "
        "AND place IN (SELECT place FROM asked) ORDER BY place"
    )
    rows = store.query_columns(Query(sql, {"first": 3}, {"asked": asked_of(5)}))
    assert rows["place"].to_pylist() == [3, 4]
    assert rows["customer_id"].to_pylist() == ["customer 3 \N{SNOWMAN}", "customer 4 \N{SNOWMAN}"]


def test_a_table_of_a_hundred_thousand_rows_is_no_parameter(store):
    """Two megabytes of ids, of which a parameter of a server would hold 128 KiB; and nothing is left open."""
    sql = "SELECT count() AS rows, sum(length(customer_id)) AS bytes, sum(place) AS places FROM asked"
    asked = asked_of(100_000)
    for _ in range(3):
        rows = store.query_columns(Query(sql, {}, {"asked": asked})).to_pylist()
        # 0 + 1 + ... + 99,999.
        assert rows == [{"rows": 100_000, "bytes": rows[0]["bytes"], "places": 99_999 * 50_000}]
    assert rows[0]["bytes"] > 128 * 1024
    assert not [link for link in map(opened, Path("/proc/self/fd").iterdir()) if "meterline-read" in link]


def opened(link):
    """What a number of this process stands for; another thread may have closed it by now."""
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""


def test_wide_integers_come_as_their_bytes(store):
    """Of 256 bits 32, of 128 bits 16, the least significant first; within arrays as well; and texts as texts."""
    sql = (
        "SELECT toInt256(-2) AS wide, [toInt256(7)] AS wides, toUInt128(258) AS digest, ['a', NULL] AS texts"
    )
    (row,) = store.query_columns(Query(sql, {})).to_pylist()
    assert int.from_bytes(row["wide"], "little", signed=True) == -2
    assert [int.from_bytes(each, "little") for each in row["wides"]] == [7]
    assert row["digest"] == bytes([2, 1]) + bytes(14)
    assert row["texts"] == ["a", None]


def test_no_rows_have_columns(store):
    """Of the same names."""
    rows = store.query_columns(Query("SELECT place FROM asked WHERE place > 9", {}, {"asked": asked_of(2)}))
    assert (rows.num_rows, rows.column_names) == (0, ["place"])


def test_a_statement_that_is_refused_is_an_error_of_the_tree(store):
    """And the next one is answered."""
    with pytest.raises(StoreUnavailableError):
        store.query_columns(Query("SELECT nothing FROM asked", {}, {"asked": asked_of(2)}))
    assert store.query_columns(Query("SELECT 1 AS one", {})).to_pylist() == [{"one": 1}]


def test_the_front_takes_no_more_than_a_server(store):
    """A parameter of more than 128 KiB is refused: what fits here fits there."""
    if store.own_writes is not None:
        pytest.skip("the embedded store has no such bound")
    with pytest.raises(StoreUnavailableError):
        store.query(Query("SELECT length({ids:Array(String)})", {"ids": ["x" * 100] * 1_400}))
    numbers = np.arange(100).tolist()
    assert store.query(Query("SELECT length({ids:Array(Int64)})", {"ids": numbers})) == [(100,)]
