"""Rollups say what their events say, whatever happens, at every watermark; and reads of them go without events."""

import random
import sys
import threading
import time
from dataclasses import replace

import pytest

from engine.billing.meter_usage import measures_of, rollup_key
from engine.catalog.kinds.meter import Meter
from engine.errors import StoreUnavailableError
from engine.metrics import REGISTRY
from engine.upkeep.rollup_check import RollupCheck
from engine.upkeep.rollup_keeper import RollupKeeper
from engine.usage.query.usage_reader import UsageReader
from engine.usage.rollups.coverage import Coverages
from engine.usage.rollups.rollups import Rollups
from engine.usage.store.query import Query
from engine.usage.store.usage_store import UsageStore
from tests.support.catalogs import versions_of
from tests.support.long_forms import numbered
from tests.support.usage.meter_reads import deliver
from tests.support.usage.rollup_questions import DAY_US, asked
from tests.support.usage.rollup_world import (
    CUSTOMERS,
    GROUPS_MAX,
    HOUR_US,
    START_US,
    WORTHS,
    World,
    new_clock,
)
from tests.support.usage.undisturbed import undisturbed_turn

SUM = {"id": "m", "event_type": "call", "aggregation": "sum", "value": "value"}


@pytest.fixture
def store(tmp_path):
    opened = UsageStore.open_embedded(tmp_path / "usage")
    yield opened
    opened.close()


def event(number, at_us, value="1", customer="acme", **properties):
    return {
        "tenant": "t1",
        "event_id": f"e{number}",
        "event_type": "call",
        "customer": customer,
        "time_us": at_us,
        "properties": {"value": value, **properties},
    }


class Writer:
    """Stores events in the order of a clock."""

    def __init__(self, store):
        self.store, self.clock = store, new_clock()
        self.now_us = iter(range(1, 2**62)).__next__

    def store_events(self, *events):
        stamp_us = self.clock.begin(self.now_us())
        deliver(self.store, [{**each, "ingested_us": stamp_us} for each in events])
        self.clock.end(stamp_us)
        return stamp_us

    def rollups(self, **options):
        return Rollups(self.store, self.clock, self.now_us, WORTHS[0], **options)


def reader_of(store, age_max_ns=0):
    return UsageReader(store, Coverages(store, lambda: 0, age_max_ns=age_max_ns), days_for_customers_min=1)


def play(store, seed, worlds, steps):
    clock = new_clock()
    for number in range(worlds):
        world = World(store, f"{seed}-{number}", f"{seed}-{number}", clock)
        for _ in range(steps):
            world.step()
            if found := list(world.differences()):
                yield f"seed {seed}-{number} after {world.steps}: {found[0]}"
                break


@pytest.mark.parametrize("part", numbered(1, 3))
def test_rollups_say_what_their_events_say_at_every_step(store, seed, part):
    """Events, retries, late ones, voids, restored ones, reused ids; meters, windows, watermarks; rows and lists."""
    assert not list(play(store, f"{seed}-{part}", worlds=1, steps=22))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_rollups_say_what_their_events_say_in_many_worlds(store, seed, capsys):
    """The same for an hour or so."""
    for part in range(20):
        assert not list(play(store, f"{seed}-long-{part}", worlds=10, steps=40))
        with capsys.disabled():
            sys.stderr.write(f"\nseed {seed}: {(part + 1) * 400} steps")


def test_a_read_of_whole_slices_needs_no_event(store):
    """With the events gone, the answer stays; read from events it would be nothing."""
    writer = Writer(store)
    writer.store_events(*(event(n, START_US + n * HOUR_US // 2, str(n)) for n in range(100)))
    request = asked({**SUM, "group_by": ["region"]})
    writer.rollups().keep_up(request)
    request = replace(request, as_of_us=writer.clock.watermark(writer.now_us()))
    before = reader_of(store).read(request, GROUPS_MAX)
    assert (before[0].quantity, before[0].event_count) == (sum(range(100)), 100)
    store.execute(Query("TRUNCATE TABLE events", {}))
    assert reader_of(store).read(request, GROUPS_MAX) == before
    assert reader_of(store).read(request, GROUPS_MAX, raw_only=True) == []


@pytest.mark.parametrize("statements", range(1, 7))
def test_a_pass_that_breaks_off_leaves_every_answer_right(store, statements, monkeypatch):
    """After each of its statements in turn; and the next pass goes on."""
    writer = Writer(store)
    request = asked(SUM, customers=CUSTOMERS[:2])
    writer.store_events(*(event(n, START_US + n * HOUR_US, "1") for n in range(10)))
    writer.rollups().keep_up(request)
    writer.store_events(event("late", START_US, "10"), event("b", START_US, "7", customer="bolt"))
    left = [statements]

    def breaking(real):
        def run(*arguments):
            left[0] -= 1
            if left[0] < 0:
                raise StoreUnavailableError("gone", retry_after_ms=1)
            return real(*arguments)

        return run

    with monkeypatch.context() as patch:
        for name in ("query", "look_through", "transform", "execute"):
            patch.setattr(store, name, breaking(getattr(store, name)))
        with pytest.raises(StoreUnavailableError):
            writer.rollups().keep_up(request)
    for _ in range(2):
        now = replace(request, as_of_us=writer.clock.watermark(writer.now_us()))
        found = reader_of(store).read(now, GROUPS_MAX)
        assert [(each.customer_id, each.quantity) for each in found] == [("acme", 20), ("bolt", 7)]
        assert found == reader_of(store).read(now, GROUPS_MAX, raw_only=True)
        writer.rollups().keep_up(request)


def test_a_row_that_moves_on_while_it_is_read_is_not_left_out(store):
    """A reader that knows an older state of the rollups reads the slice from events."""
    writer = Writer(store)
    request = asked(SUM)
    writer.store_events(event("a", START_US, "1"))
    writer.rollups().keep_up(request)
    reader = reader_of(store, age_max_ns=10**18)
    reader.read(replace(request, as_of_us=writer.clock.watermark(0)), GROUPS_MAX)
    then_us = writer.clock.watermark(writer.now_us())
    writer.store_events(event("b", START_US + 5, "10"))
    writer.rollups().keep_up(request)
    assert [each.quantity for each in reader.read(replace(request, as_of_us=then_us), GROUPS_MAX)] == [1]
    now_us = writer.clock.watermark(writer.now_us())
    assert [each.quantity for each in reader.read(replace(request, as_of_us=now_us), GROUPS_MAX)] == [11]


def test_readers_agree_with_the_events_while_rollups_are_written(store):
    """Events and passes go on in threads of their own."""
    writer = Writer(store)
    request = asked({**SUM, "group_by": ["region"]}, customers=CUSTOMERS)
    ends = time.monotonic() + 4
    errors = []

    def going(action):
        def run():
            number = 0
            while time.monotonic() < ends:
                try:
                    action(number)
                except Exception as error:  # noqa: BLE001 - told by the test
                    errors.append(error)
                    return
                number += 1

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def ingest(number):
        at_us = START_US + number % 5 * HOUR_US + number
        writer.store_events(event(number, at_us, str(number), CUSTOMERS[number % 4], region=f"r{number % 2}"))

    rollups = writer.rollups()
    threads = [going(ingest), going(lambda _number: rollups.keep_up(request))]
    reader, read = reader_of(store), 0
    while time.monotonic() < ends:
        now = replace(request, as_of_us=writer.clock.watermark(writer.now_us()))
        assert reader.read(now, GROUPS_MAX) == reader.read(now, GROUPS_MAX, raw_only=True)
        read += 1
    for thread in threads:
        thread.join()
    assert not errors
    assert read


def test_a_rollup_that_is_wrong_is_noticed_and_computed_again(store):
    """Whatever made it wrong; the metric tells, and must be zero otherwise."""

    def drift():
        return REGISTRY.get_sample_value("meterline_rollup_drift_total")

    writer = Writer(store)
    writer.store_events(event("a", START_US, "1"), event("b", START_US + 1, "2"))
    request = asked(SUM)
    rollups, reader = writer.rollups(), reader_of(store)
    check = RollupCheck(store, rollups, reader, random.Random(1))
    rollups.keep_up(request)
    before = drift()
    watermark_us = writer.clock.watermark(writer.now_us())
    assert check.compare(request, watermark_us) == 0
    assert drift() == before
    store.execute(
        Query(
            "INSERT INTO rollups SELECT * REPLACE (rolled_up_at + toIntervalMicrosecond(1) AS rolled_up_at, "
            "arrayMap(each -> each + 1, groups_total) AS groups_total) FROM rollups FINAL",
            {},
        )
    )
    for _ in range(20):
        check.compare(request, watermark_us)
    assert drift() > before
    now = replace(request, as_of_us=writer.clock.watermark(writer.now_us()))
    assert reader.read(now, GROUPS_MAX)[0].quantity == 3
    healed = drift()
    check.compare(request, now.as_of_us)
    assert drift() == healed


def test_a_row_whose_events_are_gone_is_noticed_and_stands_no_longer(store):
    """Somebody has dropped them, or a loss of power took them that their rollup survived."""
    writer = Writer(store)
    writer.store_events(event("a", START_US, "1"), event("b", START_US + 5 * HOUR_US, "2"))
    request = asked(SUM)
    rollups, reader = writer.rollups(), reader_of(store)
    rollups.keep_up(request)
    store.execute(Query("TRUNCATE TABLE events", {}))
    now = replace(request, as_of_us=writer.clock.watermark(writer.now_us()))
    check = RollupCheck(store, rollups, reader, random.Random(3))
    assert check.compare(request, now.as_of_us) > 0
    assert reader.read(now, GROUPS_MAX) == []


def test_no_stamp_is_given_out_below_what_rollups_hold(store):
    """Also when the log's newest stamp is older: an order that starts anew goes on from there."""
    writer = Writer(store)
    writer.store_events(event("a", START_US, "1"))
    until_us = 0
    for _ in range(5):
        until_us = writer.rollups().keep_up(asked(SUM)).until_us
    assert until_us > 1
    assert store.latest_stamp_us() >= until_us


def test_a_customer_with_ten_years_of_usage_is_rolled_up(store):
    """In more months than ClickHouse takes in one insert by default."""
    writer = Writer(store)
    months = [START_US - number * 31 * DAY_US for number in range(130)]
    writer.store_events(*(event(number, at_us, "1") for number, at_us in enumerate(months)))
    request = asked({**SUM, "carries_over": "true"})
    writer.rollups().keep_up(request)
    now = replace(request, as_of_us=writer.clock.watermark(writer.now_us()))
    store.execute(Query("TRUNCATE TABLE events", {}))
    assert [each.quantity for each in reader_of(store).read(now, GROUPS_MAX)] == [130]


def test_one_meter_s_trouble_is_not_the_others(store):
    """The rest is kept up, and the trouble told."""
    writer = Writer(store)
    writer.store_events(event("a", START_US, "1"))
    kept = []

    class Troubled(Rollups):
        def keep_up(self, meter):
            if meter.aggregation == "max":
                raise StoreUnavailableError("trouble", retry_after_ms=1)
            kept.append(meter.aggregation)
            return super().keep_up(meter)

    rollups = Troubled(store, writer.clock, writer.now_us, WORTHS[0])
    check = RollupCheck(store, rollups, reader_of(store), random.Random(4))
    meters = [asked({**SUM, "aggregation": aggregation}) for aggregation in ("sum", "max", "min")]
    with pytest.raises(StoreUnavailableError, match="trouble"):
        RollupKeeper(rollups, check, lambda: meters, undisturbed_turn).next_pass()
    assert kept == ["sum", "min"]


def test_a_pass_ends_early_when_the_engine_stops(store):
    """What it had covered stays."""
    writer = Writer(store)
    writer.store_events(event("a", START_US, "1"))
    with pytest.raises(StoreUnavailableError, match="shutting down"):
        writer.rollups(is_stopping=lambda: True).keep_up(asked(SUM))


def test_the_keeper_rolls_up_what_meters_share_once(store):
    """Two meters that aggregate the same have one key; another event type has its own."""
    meters = [
        Meter.read(SUM),
        Meter.read({**SUM, "id": "other name", "unit": "tokens"} | {"id": "n"}),
        Meter.read({**SUM, "event_type": "other"}),
        Meter.read({**SUM, "filters": {"region": ["eu"]}}),
    ]
    keys = [rollup_key(meter) for meter in meters]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
    writer = Writer(store)
    writer.store_events(event("a", START_US, "1"))
    rolled = []

    class Counting(Rollups):
        def keep_up(self, meter):
            rolled.append(meter.rollup_key)
            return super().keep_up(meter)

    rollups = Counting(store, writer.clock, writer.now_us, WORTHS[0])
    check = RollupCheck(store, rollups, reader_of(store), random.Random(2))
    RollupKeeper(
        rollups, check, lambda: [asked(SUM), asked({**SUM, "id": "n"})], undisturbed_turn
    ).next_pass()
    assert rolled == [keys[0]]


def test_every_meter_of_a_catalog_is_rolled_up():
    """One measure for each, under the key that its rows have."""
    from engine.catalog.snapshots.snapshot import Catalog
    from engine.catalog.snapshots.versions import Versioned

    catalog = Catalog.empty("t1").advanced(1, versions_of([Versioned(Meter.read(SUM), 1, 1)]))
    (measure,) = measures_of(catalog)
    assert (measure.tenant, measure.event_type, measure.aggregation) == ("t1", "call", "sum")
    assert measure.rollup_key == rollup_key(Meter.read(SUM))


def test_whoundisturbed_turn_writes_a_store_sees_rows_move_without_a_look_at_each(store, monkeypatch):
    """A pass that begins after the read's statement was chosen, and ends before it is answered, is noticed all the same;
    what earlier processes computed is known from the start.
    """
    writer = Writer(store)
    request = asked(SUM)
    writer.store_events(event("a", START_US, "1"))
    writer.rollups().keep_up(request)
    reader = reader_of(store, age_max_ns=10**18)
    then = replace(request, as_of_us=writer.clock.watermark(writer.now_us()))
    assert [each.quantity for each in reader.read(then, GROUPS_MAX)] == [1]
    query, sql = store.query, []

    def with_a_pass_before(asked_for):
        sql.append(asked_for.sql)
        if "ARRAY JOIN" in asked_for.sql and "throwIf" not in asked_for.sql:
            monkeypatch.setattr(store, "query", query)
            writer.store_events(event("b", START_US + 5, "10"))
            writer.rollups().keep_up(request)
        return query(asked_for)

    monkeypatch.setattr(store, "query", with_a_pass_before)
    assert [each.quantity for each in reader.read(then, GROUPS_MAX)] == [1]
    assert any("ARRAY JOIN" in each and "throwIf" not in each for each in sql)
    now = replace(request, as_of_us=writer.clock.watermark(writer.now_us()))
    assert [each.quantity for each in reader.read(now, GROUPS_MAX)] == [11]
    assert store.own_writes.rows_as_of_us(request.tenant) > then.as_of_us
