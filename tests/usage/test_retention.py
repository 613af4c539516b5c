"""Raw events expire, and every answer stays what it was to the byte, or becomes an error that says so."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.errors import UsageExpiredError
from engine.times import datetime_us
from engine.upkeep.expire import Clock, Expire
from engine.usage.store.query import Query
from engine.usage.store.usage_store import UsageStore
from tests.support.long_forms import numbered
from tests.support.usage.rollup_world import CUSTOMERS, GROUPS_MAX, HOUR_US, START_US, World, new_clock

DAY_US = 24 * HOUR_US
NOVEMBER = START_US
DECEMBER = datetime_us(datetime(2026, 12, 1, tzinfo=UTC))
JANUARY = datetime_us(datetime(2027, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    opened = UsageStore.open_embedded(tmp_path_factory.mktemp("retention") / "usage")
    yield opened
    opened.close()


def expire_of(world, pause_s=lambda _seconds: None):
    clock = Clock(world.clock, world.now_us, pause_s)
    return Expire(world.store, world.rollups, world.reconciler, clock)


def meters_of(world):
    return [world.asked(fields) for fields in world.meter_fields]


def expired(world, before_us, keep=()):
    return expire_of(world).expire(world.tenant, meters_of(world), before_us, keep)


def questions(world, count):
    """Random requests as of now, and of earlier, of all of the meters."""
    now_us = world.clock.watermark(world.now_us())
    for _ in range(count):
        for meter in meters_of(world):
            yield replace(
                meter,
                customer_ids=sorted(world.dice.sample(CUSTOMERS, world.dice.randint(1, len(CUSTOMERS)))),
                bounds_us=world.dice.choice((world._random_bounds, lambda: _hours(world)))(),
                as_of_us=world.dice.choice((now_us, now_us, world.dice.randint(1, now_us))),
                by_customer=world.dice.random() < 0.8,
            )


def everything(world):
    """Whole months and days of everybody, as of now."""
    as_of_us = world.clock.watermark(world.now_us())
    bounds_us = (START_US - 2 * DAY_US, START_US, START_US + DAY_US, START_US + 40 * DAY_US)
    for meter in meters_of(world):
        yield replace(meter, customer_ids=sorted(CUSTOMERS), bounds_us=bounds_us, as_of_us=as_of_us)


def _hours(world):
    hours = {START_US + world.dice.randrange(-26, 32 * 24) * HOUR_US for _ in range(4)}
    return tuple(sorted(hours | {START_US + 40 * DAY_US}))


def answer(world, request):
    try:
        return world.reader.read(request, GROUPS_MAX)
    except UsageExpiredError as error:
        return error


def left(world, before_us):
    rows = world.store.query(
        Query(
            "SELECT count() FROM events WHERE tenant = {tenant:String} "
            "AND event_time < fromUnixTimestamp64Micro({before_us:Int64}, 'UTC')",
            {"tenant": world.tenant, "before_us": before_us},
        )
    )
    return rows[0][0]


def world_of(store, name, steps=16):
    world = World(store, name, name, new_clock_after(store))
    # One that is sure to read something.
    world.meter_fields[0] = {"id": "m", "event_type": "call", "aggregation": "sum", "value": "value"}
    for _ in range(steps):
        world.step()
    return world


def new_clock_after(store):
    clock = new_clock()
    clock.watermark(store.latest_stamp_us() + 1)
    return clock


@pytest.mark.parametrize("part", numbered(1, 4))
def test_what_has_expired_is_answered_the_same_or_not_at_all(store, seed, part):
    """Events, retries, voids, reused ids; then they expire, twice; then life goes on."""
    world = world_of(store, f"{seed}-{part}")
    # The lists settle ids when they are told to, and an expiry does it by itself.
    world.reconcile()
    asked = [*questions(world, 10), *everything(world)]
    before = [(request, world.reader.read(request, GROUPS_MAX)) for request in asked]
    given = 0
    for until_us in (NOVEMBER, DECEMBER):
        expired(world, until_us)
        assert left(world, until_us) == 0
        for request, said in before:
            now = answer(world, request)
            assert isinstance(now, UsageExpiredError) or now == said, f"{seed}-{part}: {request}"
            given += now == said and bool(said) and request.bounds_us[0] < until_us
    assert given
    # As of now whole hours of every meter are there.
    newest_us = max(request.as_of_us for request, _ in before)
    for request, said in before:
        whole = all(bound % HOUR_US == 0 for bound in request.bounds_us)
        if whole and request.as_of_us == newest_us:
            assert answer(world, request) == said, f"{seed}-{part}: {request}"
    _lives_on(world, f"{seed}-{part}")


def _lives_on(world, name):
    """Events after the border; rollups are kept up; answers agree with the lists, which still know all events."""
    kept = [(request, answer(world, request)) for request in questions(world, 5)]
    for _ in range(4):
        events = [world._random_event() for _ in range(6)]
        world._deliver([each for each in events if each["time_us"] >= DECEMBER])
        world.roll_up()
        for request, said in kept:
            now = answer(world, request)
            assert isinstance(now, UsageExpiredError) or now == said, f"{name}: {request}"
        for fields in world.meter_fields:
            request = replace(
                world.asked(fields),
                customer_ids=sorted(CUSTOMERS),
                bounds_us=(START_US - 2 * DAY_US, START_US + 40 * DAY_US),
                as_of_us=world.clock.watermark(world.now_us()),
            )
            assert list(world.against_lists(request, fields)) == [], name
