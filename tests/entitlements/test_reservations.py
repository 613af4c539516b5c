"""Reservations under random schedules of gateways that die, beside what must hold whatever they do; the seed is printed.

And the simulator's teeth: two wrong ways to reserve, which it finds.
"""

import random

import pytest

from engine.entitlements import reservation_store
from engine.entitlements.reservation import ReservationState
from tests.support.entitlements.reservation_world import ReservationWorld
from tests.support.long_forms import numbered

STEPS = 800


@pytest.mark.parametrize("number", numbered(2, 100))
def test_no_schedule_grants_more_than_there_is_or_leaks_anything(database, seed, number):
    """After every step what is used and held is within the bound; once all time is over nothing is held."""
    world = ReservationWorld(database, random.Random(f"{seed} {number}"))
    for _ in range(STEPS):
        if world.step():
            world.check()
    world.settle()
    world.check()
    world.check_settled()


def _play(database, seed, runs):
    for number in range(runs):
        world = ReservationWorld(database, random.Random(f"{seed} {number}"))
        for _ in range(STEPS):
            if world.step():
                world.check()
        world.settle()
        world.check_settled()
        with world.store._database.writing() as connection:
            connection.execute(reservation_store.RESERVATIONS.delete())


@pytest.mark.parametrize("wrong", ["forgets what is stored since the watermark", "a claim expires"])
def test_the_schedules_find_a_wrong_way_to_reserve(database, monkeypatch, wrong):
    """A store that doesn't hold what was stored since usage was read; one in which a commit that is under way times out."""
    if wrong == "forgets what is stored since the watermark":

        def committed(self, claimed, _as_of_us, now_us):
            return right(self, claimed, 0, now_us)

        right = reservation_store.ReservationStore.committed
        monkeypatch.setattr(reservation_store.ReservationStore, "committed", committed)
    else:
        right_expire = reservation_store._expire

        def expire(connection, now_us, *which):
            columns = reservation_store.RESERVATIONS.c
            connection.execute(
                reservation_store.RESERVATIONS.update()
                .where(columns.state == "committing", columns.expires_at_us <= now_us, *which)
                .values(state=ReservationState.EXPIRED.value, open_until_us=0)
            )
            return right_expire(connection, now_us, *which)

        monkeypatch.setattr(reservation_store, "_expire", expire)
    with pytest.raises(AssertionError):
        # Always the same schedules: one of them finds it, on a machine of any speed.
        _play(database, "wrong", 60)
