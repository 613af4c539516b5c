"""An erasure at a ClickHouse server that two gateways share."""

import pytest

from engine.errors import NotFoundError
from engine.usage.store.backends.server_address import read_server_address
from engine.usage.store.query import Query
from engine.usage.store.tables.problem_schema import PROBLEMS_TABLE
from engine.usage.store.tables.schema import EVENTS_TABLE, VOIDS_TABLE
from tests.support.erasure.erasure_world import (
    BOB,
    SEATS,
    SHE,
    TEXTS,
    call,
    fill,
    open_world,
)
from tests.support.usage.clickhouse_process import ClickHouseProcess


@pytest.fixture
def gateways(tmp_path):
    with ClickHouseProcess(tmp_path / "server") as server:
        address = read_server_address(server.url())
        with (
            open_world(tmp_path / "data", usage=address) as one,
            open_world(tmp_path / "data", usage=address) as other,
        ):
            fill(one)
            yield one, other


def _everything(world):
    """All rows of the usage store, as text."""
    tables = (EVENTS_TABLE, VOIDS_TABLE, PROBLEMS_TABLE)
    return "".join(
        str(row)
        for table in tables
        for row in world.stores.usage.query(Query(f"SELECT toString(tuple(*)) FROM {table}", {}))
    ).lower()


def test_another_gateway_bills_the_same_under_the_pseudonym(gateways):
    """It had her catalog and her usage in memory; no row of the server names her any more."""
    one, other = gateways
    hers, his = other.lines(SHE), other.lines(BOB)
    pseudonym = one.erase().pseudonym
    assert (other.lines(pseudonym), other.lines(BOB)) == (hers, his)
    with pytest.raises(NotFoundError):
        other.lines(SHE)
    rows = _everything(other)
    assert [each for each in TEXTS if each.lower() in rows] == []


def test_a_gateway_that_remembers_who_has_rollups_finds_usage_of_an_erased_id(gateways):
    """What comes in for her afterwards is found, though she had rollups: they don't say that there is none."""
    one, other = gateways
    usage = other.meter("tokens")
    one.rollups.cover_by_hours(usage, [SHE, BOB])
    one.rollups.keep_up(usage)
    assert other.quantity(usage, SHE) > 0
    pseudonym = one.erase().pseudonym
    # As many customers have rollups as before.
    one.rollups.cover_by_hours(usage, [pseudonym])
    one.record([call("new", 1, 77, SEATS[0])])
    one.rollups.keep_up(usage)
    # Longer than it takes its knowledge to be of today.
    other.reading.usage.coverages._known._age_max_ns = 0
    assert other.quantity(usage, SHE) == 77
