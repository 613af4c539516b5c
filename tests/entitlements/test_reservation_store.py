"""Reservations in the database, on SQLite and PostgreSQL: states, repeats, expiry by a clock that the test turns, callers at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest

from engine.entitlements.reservation import NEVER_US, Reservation, ReservationState
from engine.entitlements.reservation_store import ReservationStore
from engine.errors import (
    IdempotencyKeyUsedError,
    NotFoundError,
    ReservationStateError,
    StoreUnavailableError,
    TooManyReservationsError,
)

S = 1_000_000


@pytest.fixture
def store(database):
    return ReservationStore(database)


def asked(reservation_id="r1", quantity="3", at_s=100, ttl_s=60, **more):
    fields = {
        "tenant": "t",
        "reservation_id": reservation_id,
        "customer_id": "acme",
        "limit_id": "calls",
        "state": ReservationState.PENDING,
        "quantity": Decimal(quantity),
        "committed_quantity": None,
        "ttl_s": ttl_s,
        "window_start_us": 0,
        "reserved_at_us": at_s * S,
        "expires_at_us": (at_s + ttl_s) * S,
        "ended_at_us": at_s * S,
        "open_until_us": NEVER_US,
        "event": "",
        "event_digest": "",
    }
    return Reservation(**(fields | more))


def within(bound, quantity):
    return lambda held: held + Decimal(quantity) <= Decimal(bound)


def reserve(store, reservation, bound=10, as_of_s=100):
    found, held = store.reserve(reservation, as_of_s * S, within(bound, reservation.quantity))
    return found, str(held)


def test_what_is_reserved_is_held_and_read_back_as_it_was(store):
    """To the last of 12 digits; of the customer and limit alone."""
    exact = asked(quantity="2.000000000001")
    assert reserve(store, exact) == (exact, "2.000000000001")
    reserve(store, asked("other limit", limit_id="tokens"))
    reserve(store, asked("other customer", customer_id="bolt"))
    reserve(store, asked("other tenant", tenant="u"))
    assert store.held("t", "acme", 100 * S, 100 * S) == {
        "calls": Decimal("2.000000000001"),
        "tokens": Decimal(3),
    }
    assert store.get("t", "r1") == exact


def test_nothing_is_granted_past_the_bound(store):
    """3 + 3 + 3 of 10 are, 3 more are not, and 1 more is."""
    for number in range(3):
        assert reserve(store, asked(f"r{number}"))[0] is not None
    assert reserve(store, asked("r3")) == (None, "9")
    assert reserve(store, asked("r4", "1")) == (asked("r4", "1"), "10")


def test_the_same_again_is_the_same_and_another_one_is_refused_with_its_field(store):
    """Also when there is no room any more."""
    reserve(store, asked(quantity="9"))
    assert reserve(store, asked(quantity="9", at_s=110), bound=1) == (asked(quantity="9"), "9")
    for other, field in [
        (asked(quantity="8"), "quantity is 9, not 8"),
        (asked(quantity="9", customer_id="bolt"), "customer_id is acme, not bolt"),
        (asked(quantity="9", limit_id="tokens"), "limit is calls, not tokens"),
        (asked(quantity="9", ttl_s=61), "ttl_s is 60, not 61"),
    ]:
        with pytest.raises(IdempotencyKeyUsedError, match=field):
            reserve(store, other)


def test_a_commit_gives_the_rest_back_and_holds_until_its_watermark_is_read(store):
    """2 of 9: a read as of 119 s doesn't have the event, one as of 120 s does."""
    reserve(store, asked(quantity="9"))
    claimed = store.claim("t", "r1", "bytes", "digest", Decimal(2), 110 * S)
    assert claimed.state is ReservationState.COMMITTING
    assert store.held("t", "acme", 119 * S, 115 * S) == {"calls": Decimal(2)}
    # It does not expire any more.
    assert store.held("t", "acme", 119 * S, 1_000 * S) == {"calls": Decimal(2)}
    store.expire(1_000 * S)
    assert store.claim("t", "r1", "bytes", "digest", Decimal(2), 111 * S) == claimed
    assert store.unfinished(110 * S, 10) == []
    assert store.unfinished(111 * S, 10) == [claimed]
    done = store.committed(claimed, 120 * S, 112 * S)
    assert (done.state, done.event, done.held) == (ReservationState.COMMITTED, "", Decimal(2))
    assert store.held("t", "acme", 119 * S, 115 * S) == {"calls": Decimal(2)}
    assert store.held("t", "acme", 120 * S, 115 * S) == {}
    # Whoever finished it as well changes nothing.
    assert store.committed(claimed, 130 * S, 113 * S) == done
    store.rejected(claimed, 114 * S)
    assert store.get("t", "r1") == done
    with pytest.raises(IdempotencyKeyUsedError, match="event differs"):
        store.claim("t", "r1", "other", "other", Decimal(1), 115 * S)
    with pytest.raises(ReservationStateError, match="is committed: it can't be released"):
        store.release("t", "r1", 115 * S)


def test_a_commit_whose_event_is_refused_is_pending_again(store):
    """With all of it, until its time is over."""
    reserve(store, asked(quantity="9"))
    claimed = store.claim("t", "r1", "bytes", "digest", Decimal(2), 110 * S)
    with pytest.raises(ReservationStateError, match="is committing: it can't be released"):
        store.release("t", "r1", 111 * S)
    store.rejected(claimed, 112 * S)
    again = store.get("t", "r1")
    assert (again.state, again.held, again.event_digest) == (ReservationState.PENDING, Decimal(9), "")
    assert store.expire(160 * S) == 1


def test_time_ends_what_nobody_ended(store):
    """At 160 s, not before; then its quantity is free, and it can't be committed."""
    reserve(store, asked(quantity="9"))
    assert store.expire(160 * S - 1) == 0
    assert reserve(store, asked("r2", "9", at_s=159)) == (None, "9")
    assert reserve(store, asked("r3", "9", at_s=160))[0] is not None
    assert store.get("t", "r1").state is ReservationState.EXPIRED
    with pytest.raises(ReservationStateError, match="has expired: it can't be committed"):
        store.claim("t", "r1", "bytes", "digest", Decimal(2), 150 * S)
    assert store.release("t", "r1", 170 * S).state is ReservationState.EXPIRED
    # A gateway whose clock is ahead refuses, too.
    with pytest.raises(ReservationStateError, match="'r3' has expired"):
        store.claim("t", "r3", "bytes", "digest", Decimal(2), 220 * S)


def test_what_is_released_is_free_and_stays_so(store):
    """Twice is once."""
    reserve(store, asked(quantity="9"))
    for at_s in (110, 500):
        assert store.release("t", "r1", at_s * S).state is ReservationState.RELEASED
    assert reserve(store, asked("r2", "9"))[0] is not None
    with pytest.raises(ReservationStateError, match="is released: it can't be committed"):
        store.claim("t", "r1", "bytes", "digest", Decimal(2), 120 * S)
    with pytest.raises(NotFoundError):
        store.release("u", "r1", 120 * S)


def test_a_grant_of_an_earlier_period_is_made_anew(store):
    """Somebody has reserved in the period that began at 200 s; a watermark of 150 s is not of it. One of 200 s is."""
    reserve(store, asked("r1", window_start_us=200 * S))
    with pytest.raises(StoreUnavailableError, match="a billing period has begun"):
        reserve(store, asked("r2"), as_of_s=150)
    assert reserve(store, asked("r2", window_start_us=200 * S), as_of_s=200)[0] is not None


def test_of_callers_at_once_no_more_are_granted_than_there_is_room_for(store):
    """64 ask for 3 of 50 each: 16 are granted, whoever they are."""
    with ThreadPoolExecutor(64) as pool:
        found = [*pool.map(lambda number: reserve(store, asked(f"r{number}"), bound=50)[0], range(64))]
    assert sum(each is not None for each in found) == 16
    assert store.held("t", "acme", 100 * S, 100 * S) == {"calls": Decimal(48)}


def test_what_ended_long_ago_is_forgotten_and_what_is_open_stays(store):
    """Listings have the rest, the newest first."""
    reserve(store, asked("old", at_s=10))
    store.release("t", "old", 20 * S)
    reserve(store, asked("open", at_s=11, ttl_s=600))
    reserve(store, asked("new", at_s=99))
    store.forget(21 * S)
    assert [each.reservation_id for each in store.listed("t", "acme", [], None, 10)] == ["new", "open"]
    assert [each.reservation_id for each in store.listed("t", "", ["pending"], (99 * S, "new"), 10)] == [
        "open"
    ]
    assert store.open_count() == 2


def test_a_customer_has_so_many_open_ones_at_most(store, monkeypatch):
    """The next is refused in words."""
    monkeypatch.setattr("engine.entitlements.reservation_store.OPEN_MAX", 2)
    reserve(store, asked("r1", "1"))
    reserve(store, asked("r2", "1"))
    with pytest.raises(TooManyReservationsError, match="has 2 open reservations"):
        reserve(store, asked("r3", "1"))
    store.release("t", "r1", 101 * S)
    assert reserve(store, asked("r3", "1"))[0] == replace(asked("r3", "1"))
