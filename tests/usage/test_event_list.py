"""Events listed from a real store against slow lists: random histories, filters, pages and watermarks."""

import contextlib
import random
from dataclasses import replace

import pytest

from engine.usage.facts.listed_events import FIRST, EventChoice
from engine.usage.query.event_list import EventList
from engine.usage.query.usage_reader import UsageReader
from engine.usage.store.backends.server_address import read_server_address
from engine.usage.store.usage_store import UsageStore
from tests.support.long_forms import numbered
from tests.support.usage.clickhouse_process import ClickHouseProcess
from tests.support.usage.correction_history import TENANT, History
from tests.support.usage.correction_world import World, setting
from tests.support.usage.event_reads import in_order, listed
from tests.support.usage.meter_reads import deliver
from tests.support.usage.reused_ids import CUSTOMERS, IDS, TIMES_US, event_of
from tests.support.usage.usage_histories import PERIOD_US
from tests.support.usage.usage_oracle import version_of


def choices(dice, as_of_us):
    """What somebody may ask for, and a test of an event for the same."""
    customers = dice.sample(CUSTOMERS, dice.choice((0, 0, 1, 2)))
    ids = dice.sample(IDS, dice.choice((0, 0, 0, 3)))
    event_type = dice.choice((None, None, "call", "other"))
    start, end = sorted(dice.sample([*TIMES_US, PERIOD_US[1] + 1], 2))
    start, end = dice.choice((start, None)), dice.choice((end, None))
    choice = EventChoice(
        tenant=TENANT,
        as_of_us=as_of_us,
        customer_ids=customers,
        event_type=event_type,
        event_ids=ids,
        start_us=start,
        end_us=end,
    )

    def fits(event):
        return (
            (not customers or event["customer"] in customers)
            and (not ids or event["event_id"] in ids)
            and (event_type is None or event["event_type"] == event_type)
            and (start is None or event["time_us"] >= start)
            and (end is None or event["time_us"] < end)
        )

    return choice, fits


def contents(events):
    return sorted(map(repr, map(version_of, events)))


@pytest.mark.parametrize("number", numbered(2, 100))
def test_a_listing_has_what_counts_and_what_is_void(tmp_path, seed, number):
    """Events, retries, reused ids, voids, amendments and undoings; asked after each step, and at each watermark again."""
    dice = random.Random(f"{seed}-{number}")
    store = UsageStore.open_embedded(tmp_path / "usage")
    with contextlib.closing(store):
        history, seen = History(store, dice), []
        for step in range(12):
            act = dice.choices(
                (history.deliver, history.void, history.amend, history.amend_many, history.undo),
                (5, 2, 3, 1, 3),
            )
            act[0](f"c{step}")
            choice, fits = choices(dice, history.world.as_of())
            found = listed(store, choice, dice.randint(1, 4))
            assert [each for _, each in found] == in_order(each for _, each in found)
            counting = [each for each in history.ledger.counting() if fits(each)]
            assert contents(each for _, each in found) == contents(counting)
            ledger = history.ledger
            gone = [
                ledger.replacements.get(version) or ledger.logged[version]
                for version, (counts, *_) in ledger._states().items()
                if not counts
            ]
            every = replace(choice, with_void=True)
            void = [each for is_void, each in listed(store, every, dice.randint(1, 4)) if is_void]
            assert contents(void) == contents(filter(fits, gone))
            seen.append((every, listed(store, every)))
        for choice, found in seen:
            assert listed(store, choice, dice.randint(1, 50)) == found


def test_what_is_void_names_the_correction_that_voided_it(tmp_path):
    """Of an amended event the version before it; of a reused id nobody's correction; of an undone one nothing."""
    store = UsageStore.open_embedded(tmp_path / "usage")
    with contextlib.closing(store):
        world = World(store)
        world.deliver(event_of("a"), event_of("b"), event_of("c"), event_of("d"), event_of("e"))
        world.deliver(event_of("d", "other"))
        world.reconciler.settle_until(world.as_of())
        world.void("a", correction_id="first")
        world.amend("b", setting(value="7"), correction_id="second")
        world.void("c", correction_id="third")
        world.undo("third", correction_id="fourth")
        world.amend("e", setting(value="9"), correction_id="fifth")
        world.void("e", correction_id="sixth")
        every = EventChoice(tenant="t1", as_of_us=world.as_of(), with_void=True)
        events = EventList(store, UsageReader(store)).page(every, FIRST, 100).events
        found = {
            (each.place.event_id, each.properties["value"]): (each.voided_by, each.voided_at_us is not None)
            for each in events
        }
        assert found == {
            ("a", "1"): ("first", True),
            ("b", "1"): ("second", True),
            ("b", "7"): ("", False),
            ("c", "1"): ("", False),
            ("d", "1"): ("", False),
            ("d", "other"): ("", True),
            ("e", "1"): ("fifth", True),
            ("e", "9"): ("sixth", True),
        }
        of_second = replace(every, correction_id="second")
        events = EventList(store, UsageReader(store)).page(of_second, FIRST, 100).events
        found = {(each.properties["value"], each.voided_by) for each in events}
        assert found == {("1", "second"), ("7", "")}


def test_events_that_are_all_void_make_empty_pages_that_lead_on(tmp_path):
    """A page ends after a few looks; the next one goes on behind them, up to the first that counts."""
    store = UsageStore.open_embedded(tmp_path / "usage")
    with contextlib.closing(store):
        world = World(store)
        times = [PERIOD_US[0] + number for number in range(2_000)]
        world.deliver(*(event_of(f"{number:05}", time_us=time_us) for number, time_us in enumerate(times)))
        world.void(*(f"{number:05}" for number in range(999)))
        world.void(*(f"{number:05}" for number in range(999, 1_990)))
        events = EventList(store, UsageReader(store))
        choice = EventChoice(tenant="t1", as_of_us=world.as_of())
        first = events.page(choice, FIRST, 1)
        assert (first.events, first.following is None) == ([], False)
        assert len(listed(store, choice, 1)) == 10
        assert len(listed(store, replace(choice, with_void=True), 100)) == 2_000


def test_a_server_lists_the_same(tmp_path):
    """Over HTTP, with the longest lists of ids, and what SQL must escape."""
    ids = [f"{number:03}" + "\\'\n\t" * 31 for number in range(500)]
    deliveries = [
        event_of(each, tenant="http", customer=each, time_us=PERIOD_US[0] + number // 7, ingested_us=1)
        for number, each in enumerate(ids)
    ]
    with (
        ClickHouseProcess(tmp_path / "server") as server,
        contextlib.closing(UsageStore.open_server(read_server_address(server.url()))) as store,
    ):
        deliver(store, deliveries)
        choice = EventChoice(tenant="http", as_of_us=1, customer_ids=ids, event_ids=ids, with_void=True)
        found = [event for _, event in listed(store, choice, 60)]
        assert found == in_order(deliveries)
