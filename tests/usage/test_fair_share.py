"""How tenants share what is bounded: room in queues, and things that are lent."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.fair_pool import FairPool
from engine.fair_share import FairShare

MINUTE_NS = 60_000_000_000


class Shared:
    """A bound of 90 and what each holds of it, at a time that the test moves."""

    def __init__(self):
        self.now_ns = 0
        self.held = {}
        self.share = FairShare(90, lambda: self.now_ns)

    def room(self, tenant):
        return self.share.room(tenant, sum(self.held.values()), self.held.get(tenant, 0))

    def fill(self, tenant):
        """Takes one after another until there is no room for more."""
        while self.room(tenant) >= 1:
            self.held[tenant] = self.held.get(tenant, 0) + 1
        return self.held.get(tenant, 0)


def test_who_is_alone_may_take_everything():
    """A share of an engine with one tenant is the whole."""
    shared = Shared()
    assert (shared.room("a"), shared.fill("a")) == (90, 90)


def test_who_floods_leaves_a_third_to_whoever_comes():
    """Two that flood hold two fifths each, three two sevenths: there is always room for one more."""
    for tenants in range(2, 8):
        shared = Shared()
        for tenant in range(tenants):
            shared.room(str(tenant))
        for _ in range(100):
            for tenant in range(tenants):
                if shared.room(str(tenant)) >= 1:
                    shared.held[str(tenant)] = shared.held.get(str(tenant), 0) + 1
        each = 90 * 2 / (2 * tenants + 1)
        assert all(each - 3 <= held <= each + 3 for held in shared.held.values()), (tenants, shared.held)
        assert shared.room("newcomer") >= 90 / (2 * tenants + 1) - 3


def test_who_was_alone_gives_way_once_another_has_come():
    """All is taken when the other comes first; from then on what is given back is shared. After a minute alone it ends."""
    shared = Shared()
    shared.fill("a")
    assert shared.room("b") == 0
    shared.held["a"] -= 10
    assert shared.room("a") < 0
    assert shared.room("b") == 10
    shared.now_ns += MINUTE_NS + 1
    assert shared.room("a") < 0
    shared.now_ns += MINUTE_NS + 1
    assert shared.room("a") == 10


def test_who_holds_nothing_may_take_all_that_is_free():
    """A request as large as the queue passes when the queue is empty."""
    shared = Shared()
    assert [shared.room("a"), shared.room("b"), shared.room("a")] == [90, 90, 90]


def test_lanes_take_turns_for_what_is_lent():
    """Twenty wait in one lane before one comes in another: that one is second."""
    pool, order = FairPool(["the only one"]), []

    def borrow(lane):
        with pool.lent(lane):
            order.append(lane)

    def waiting(count):
        until = time.monotonic() + 60
        while sum(map(len, pool._lanes.values())) < count:
            assert time.monotonic() < until

    with ThreadPoolExecutor(32) as threads, pool.lent("a"):
        for count in range(1, 21):
            threads.submit(borrow, "a")
            waiting(count)
        threads.submit(borrow, "b")
        waiting(21)
    assert (order[1], order.count("a")) == ("b", 20)


def test_each_thing_is_lent_to_one_at_a_time_and_none_is_lost(seed):
    """While many threads of many lanes wait for random times, some in vain."""
    dice, held, most, lock = random.Random(seed), [], [], threading.Lock()
    pool = FairPool(range(3))

    def borrow(lane, wait_s, hold_s):
        try:
            with pool.lent(lane, wait_s) as thing:
                with lock:
                    held.append(thing)
                    most.append(len(held))
                    assert len(set(held)) == len(held)
                time.sleep(hold_s)
                with lock:
                    held.remove(thing)
        except TimeoutError:
            return 0
        return 1

    with ThreadPoolExecutor(24) as threads:
        done = [
            threads.submit(borrow, str(dice.randrange(4)), dice.choice([None, 0, 0.002]), dice.random() / 500)
            for _ in range(600)
        ]
        served = sum(each.result() for each in done)
    assert 0 < served <= 600
    assert (max(most), sorted(pool._idle), pool._lanes) == (3, [0, 1, 2], {})


def test_who_waits_in_vain_is_told():
    """And is no longer in line."""
    pool = FairPool([1])
    with pool.lent("a"), pytest.raises(TimeoutError), pool.lent("b", 0.01):
        pass
    with pool.lent("b", 0):
        pass
