"""Watchers of spend: who is told what, and when, with a reader that the test holds in its hand."""

import threading
import time
from collections import Counter

import pyarrow as pa
import pytest

from engine.errors import NotFoundError, StoreUnavailableError
from engine.spend.lookout import Elsewhere, Lookout
from engine.spend.watchers import ReadSpend, SpendWatchers, WatchKey

ACME = WatchKey("t", "acme", None, shows_shares=True)
BOLT = WatchKey("t", "bolt", None, shows_shares=True)
WAIT_S = 30


class Store:
    """Spend is how many events a customer has, under any of its names."""

    def __init__(self):
        self.events = Counter()
        self.names = {}
        self.readings = Counter()
        self.error = None
        self.began, self.may_end = threading.Event(), threading.Event()
        self.may_end.set()

    def read(self, key):
        self.readings[key] += 1
        names = self.names.get(key.customer_id, {key.customer_id})
        found = sum(self.events[key.tenant, name] for name in names)
        self.began.set()
        assert self.may_end.wait(WAIT_S)
        if self.error is not None:
            raise self.error
        return ReadSpend(found, str(found).encode(), frozenset(names))


class Watcher:
    """One who watches, and what they were told."""

    def __init__(self, watchers, key):
        self._news = threading.Event()
        self.watch = watchers.watch(key, self._news.set)

    def next(self, timeout_s=WAIT_S):
        until = time.monotonic() + timeout_s
        while (left := until - time.monotonic()) > 0:
            self._news.wait(left)
            self._news.clear()
            if (answer := self.watch.take()) is not None:
                return answer
        return None


def events(*pairs):
    return pa.RecordBatch.from_pydict(
        {"tenant": [tenant for tenant, _ in pairs], "customer_id": [name for _, name in pairs]}
    )


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def watchers(store):
    made = SpendWatchers(store.read, time.monotonic_ns)
    made.start()
    yield made
    store.may_end.set()
    made.stop()


def commit(store, watchers, *pairs):
    for pair in pairs:
        store.events[pair] += 1
    watchers.tell_stored(events(*pairs))


def test_who_watches_is_told_at_once_and_after_each_commit_of_the_customer(store, watchers):
    """Of another customer, and of another tenant's customer of the same name, nothing is told."""
    acme, bolt = Watcher(watchers, ACME), Watcher(watchers, BOLT)
    assert (acme.next(), bolt.next()) == (0, 0)
    commit(store, watchers, ("t", "acme"))
    assert acme.next() == 1
    commit(store, watchers, ("other", "acme"))
    assert acme.next(0.4) is None
    assert bolt.next(0.1) is None


def test_events_under_an_alias_are_told(store, watchers):
    """The names of a customer are known from its first reading on."""
    store.names["acme"] = {"acme", "acme-old"}
    acme = Watcher(watchers, ACME)
    assert acme.next() == 0
    commit(store, watchers, ("t", "acme-old"))
    assert acme.next() == 1


def test_many_commits_in_a_moment_are_few_readings_and_the_last_is_told(store, watchers):
    """A thousand watchers of one customer cost one reading, and a thousand commits a few."""
    every = [Watcher(watchers, ACME) for _ in range(1_000)]
    assert {each.next() for each in every} == {0}
    before = store.readings[ACME]
    for _ in range(1_000):
        commit(store, watchers, ("t", "acme"))
    for each in every:
        while each.next() != 1_000:
            pass
    assert store.readings[ACME] - before < 100


def test_an_answer_that_began_before_a_watcher_came_is_not_its_first(store, watchers):
    """It would lack what was acknowledged to that watcher meanwhile."""
    first = Watcher(watchers, ACME)
    assert first.next() == 0
    store.may_end.clear()
    store.began.clear()
    watchers.touched({("t", "acme")})
    assert store.began.wait(WAIT_S)
    store.events["t", "acme"] += 1
    second = Watcher(watchers, ACME)
    store.may_end.set()
    assert second.next() == 1


def test_a_look_tells_only_what_is_another(store, watchers):
    """A look that finds the same is no news."""
    acme = Watcher(watchers, ACME)
    assert acme.next() == 0
    watchers.look(None)
    assert acme.next(0.4) is None
    store.events["t", "acme"] += 1
    watchers.look("t")
    assert acme.next() == 1


def test_a_store_that_is_away_is_asked_again_and_any_other_error_ends_the_watch(store, watchers):
    """Nobody is told anything wrong meanwhile."""
    store.error = StoreUnavailableError("away", retry_after_ms=1)
    acme = Watcher(watchers, ACME)
    assert acme.next(0.3) is None
    store.error = None
    assert acme.next() == 0
    store.error = NotFoundError("no such customer")
    watchers.touched({("t", "acme")})
    with pytest.raises(NotFoundError):
        acme.next()
    assert watchers.names() == []


def test_who_has_left_costs_nothing(store, watchers):
    """Neither a reading nor a name."""
    acme = Watcher(watchers, ACME)
    assert acme.next() == 0
    watchers.leave(acme.watch)
    assert watchers.names() == []
    before = store.readings[ACME]
    commit(store, watchers, ("t", "acme"))
    time.sleep(0.2)
    assert store.readings[ACME] == before


def test_the_end_of_the_engine_ends_every_watch_and_refuses_the_next(watchers):
    """With the words to come again."""
    acme = Watcher(watchers, ACME)
    assert acme.next() == 0
    watchers.stop()
    with pytest.raises(StoreUnavailableError, match="shutting down"):
        acme.next()
    with pytest.raises(StoreUnavailableError, match="shutting down"):
        watchers.watch(BOLT, lambda: None)


def test_what_is_committed_elsewhere_is_found_by_looks(store, watchers):
    """Events of other gateways, corrections and catalogs, each since the look before, and none twice."""
    settled, revision, asked = [10], [1], []
    store.names["acme"] = {"acme", "acme-old"}
    touched, corrected = set(), []

    def touched_between(after, until, names):
        asked.append((after, until, tuple(names)))
        return touched

    elsewhere = Elsewhere(
        lambda: settled[0],
        touched_between,
        lambda after, until: corrected.append((after, until)) or True,
        lambda _: revision[0],
    )
    lookout = Lookout(watchers, elsewhere)
    lookout.look()
    assert asked == []
    acme = Watcher(watchers, ACME)
    assert acme.next() == 0
    names = (("t", "acme"), ("t", "acme-old"))
    store.events["t", "acme"] += 1
    lookout.look()
    # It came between the first reading and the first look.
    assert acme.next() == 1
    store.events["t", "acme"] += 1
    touched.add(("t", "acme-old"))
    settled[0] = 20
    lookout.look()
    assert asked == [(10, 20, names)]
    assert acme.next() == 2
    touched.clear()
    for _ in range(10):
        lookout.look()
    assert asked == [(10, 20, names)]
    assert corrected == [(10, 20)]
    store.events["t", "acme"] += 1
    revision[0] = 2
    for _ in range(5):
        lookout.look()
    assert acme.next() == 3
