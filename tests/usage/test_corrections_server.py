"""Corrections of a store that several gateways share, over HTTP: one order for all, and nothing half-done."""

import itertools
import threading
from pathlib import Path

import pytest

from engine.errors import CorrectionRefusedError, StoreUnavailableError
from engine.usage.corrections.correction import Amendment, Correction, Signature
from engine.usage.corrections.correction_list import list_corrections
from engine.usage.corrections.corrections import Corrections
from engine.usage.corrections.voids import Kind
from engine.usage.store.backends.server_address import read_server_address
from engine.usage.store.usage_store import UsageStore
from tests.support.usage.clickhouse_process import ClickHouseProcess
from tests.support.usage.correction_world import EVER, World, refs, setting
from tests.support.usage.reused_ids import IDS, event_of
from tests.support.usage.usage_histories import PERIOD_US


@pytest.fixture
def stores(tmp_path: Path):
    """Of two gateways."""
    with ClickHouseProcess(tmp_path / "server") as server:
        address = read_server_address(server.url())
        opened = [UsageStore.open_server(address) for _ in range(2)]
        yield opened
        for each in opened:
            each.close()


def test_gateways_correct_the_events_of_one_server(stores):
    """Whatever characters ids, properties, names and reasons have; the other gateway sees and undoes it."""
    world = World(stores[0])
    world.deliver(*(event_of(each, "1", time_us=PERIOD_US[0] + n) for n, each in enumerate(IDS)))
    odd = "'\\\x00{x:String}%s\n\N{ROCKET}"
    signature = Signature(odd, odd, odd)
    change = Amendment(((odd, odd), ("value", "2")), ("nothing'",), odd, PERIOD_US[0] + 7)
    for n, event_id in enumerate(IDS):
        world.correct(Correction(Kind.AMEND, refs(event_id), change), correction_id=f"{odd}{n}")
    other = Corrections(
        stores[1], world.clock, world.reconciler, world.now_us, itertools.count(10**6).__next__
    )
    assert other.record("t1", Correction(Kind.VOID, EVER), signature).event_count == len(IDS)
    assert other.record("t1", Correction(Kind.VOID, EVER), signature).recorded_by == odd
    assert world.sums() == {}
    world.undo(odd)
    (newest, *_) = list_corrections(stores[1], "t1", world.as_of(), (0, 100))
    assert (newest.undoes, newest.event_count) == (odd, len(IDS))


def test_gateways_that_race_leave_each_event_once(stores):
    """Both amend all events, again and again, with values of their own: what is left is one of them, whole."""
    world = World(stores[0])
    world.deliver(*(event_of(f"{n}", "1", time_us=PERIOD_US[0] + n) for n in range(50)))
    failures = []

    def race(number):
        mine = Corrections(
            stores[number],
            world.clock,
            world.reconciler,
            world.now_us,
            itertools.count(10**6 * (number + 1)).__next__,
        )
        for turn in range(4):
            value = f"{10 * (number + 1) + turn}"
            try:
                mine.record(
                    "t1", Correction(Kind.AMEND, EVER, setting(value=value)), Signature(value, "a", "b")
                )
            except (StoreUnavailableError, CorrectionRefusedError):
                pass
            except Exception as error:  # noqa: BLE001 - told below
                failures.append(error)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(200)
    assert not failures
    ((quantity, count),) = world.sums().values()
    (last, *_) = list_corrections(stores[0], "t1", world.as_of(), (0, 100))
    assert (count, quantity) == (50, 50 * int(last.correction_id))


def test_a_correction_that_was_called_off_is_never_stored(stores):
    """Its stamp is fenced like that of any group; sent again it is recorded under another."""
    world = World(stores[0])
    world.deliver(event_of("a", "5"))
    stores[1].call_off([(0, 2_000)])
    with pytest.raises(StoreUnavailableError):
        world.void("a", correction_id="v")
    assert world.sums() == {"acme": (5, 1)}
    world.now_us = itertools.count(10_000).__next__
    again = Corrections(
        stores[1], world.clock, world.reconciler, world.now_us, itertools.count(10**6).__next__
    )
    again.record("t1", Correction(Kind.VOID, refs("a")), Signature("v", "ada", "a reason"))
    assert world.sums() == {}
