"""Reservations under random schedules of gateways that die, beside what must hold whatever they do; the seed is printed.

And the simulator's teeth: two wrong ways to reserve, which it finds.
"""

import random
from decimal import Decimal

import pytest

from engine.entitlements import reservation_store
from engine.entitlements import reservations as reservations_module
from engine.entitlements.reservation import NEVER_US, Reservation, ReservationState
from engine.entitlements.reservations import Reservations, StoredEvent
from engine.errors import LimitExceededError, QueueFullError
from tests.support.entitlements.reservation_world import ReservationWorld, S
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


@pytest.mark.parametrize("refusal", ["limit", "share of the queue"])
def test_a_tenant_at_its_limit_holds_up_no_commit_of_another(database, monkeypatch, refusal):
    """Upkeep finishes what follows, also behind as many as it looks at at once; it asks for that tenant once in a pass, and
    finishes its commits when there is room again.
    """
    monkeypatch.setattr(reservations_module, "_AT_ONCE", 2)
    world = ReservationWorld(database, random.Random(1))
    asked, limited = [], {"a"}

    def record(tenant, _request, credential):
        asked.append((tenant, credential))
        if tenant in limited:
            if refusal == "limit":
                raise LimitExceededError("later", retry_after_ms=1, limit="events_per_s_max", tenant=tenant)
            raise QueueFullError("later", retry_after_ms=1)
        return StoredEvent(world.watermark_us())

    def states():
        found = {each: world.store.listed(each, "", [], None, 10) for each in ("a", "b")}
        return {tenant: {each.state.value for each in listed} for tenant, listed in found.items()}

    reservations = Reservations(None, None, world.store, None, record, lambda: world.now_us)
    for number, tenant in enumerate(["a", "a", "b"]):
        made = _pending(tenant, f"r{number}", world.now_us)
        world.store.reserve(made, world.now_us, lambda _held: True)
        world.now_us += 1
        world.store.claim(tenant, made.reservation_id, "", f"digest {number}", made.quantity, world.now_us)
    world.now_us += 60 * S
    reservations.next_pass()
    assert asked == [("a", "engine"), ("b", "engine")]
    assert states() == {"a": {"committing"}, "b": {"committed"}}
    limited.clear()
    reservations.next_pass()
    assert states() == {"a": {"committed"}, "b": {"committed"}}


def _pending(tenant, reservation_id, now_us):
    return Reservation(
        tenant=tenant, reservation_id=reservation_id, customer_id="acme", limit_id="tokens",
        state=ReservationState.PENDING, quantity=Decimal(1), committed_quantity=None, ttl_s=60,
        window_start_us=0, reserved_at_us=now_us, expires_at_us=now_us + 60 * S, ended_at_us=now_us,
        open_until_us=NEVER_US, event="", event_digest="",
    )  # fmt: skip
