"""Locks of a deployment, as files of a directory and as sessions of a PostgreSQL."""

import contextlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.cluster import locks as locks_module
from engine.cluster.database_locks import DatabaseLocks
from engine.cluster.locks import FileLocks, rollups_turn, start_turn
from engine.errors import StartupError, StoreUnavailableError
from engine.sql.database import open_database

ROOT = Path(__file__).parents[2]
NAMES = [
    getattr(locks_module, each) for each in ("RECONCILER", "DISK_WATCH", "ROLLUPS", "ROLLUPS_TURN", "START")
]

# Holds a lock and its sign of life until it is killed.
HOLDER = """
import sys, time
from engine.cluster.database_locks import DatabaseLocks
from engine.sql.database import open_database

locks = DatabaseLocks(open_database(sys.argv[1]))
with locks.joined("the holder"):
    print(locks.try_hold("rollups") is not None, flush=True)
    time.sleep(600)
"""


class Gateways:
    """Several gateways of one deployment, each with locks of its own."""

    def __init__(self, new):
        self.new = new


@pytest.fixture(params=["files", "postgresql"])
def gateways(request, tmp_path):
    with contextlib.ExitStack() as stack:
        if request.param == "files":
            yield Gateways(lambda: FileLocks(tmp_path))
            return
        url = request.getfixturevalue("postgres_server").new_url()

        def new():
            database = stack.enter_context(contextlib.closing(open_database(url)))
            return stack.enter_context(contextlib.closing(DatabaseLocks(database)))

        yield Gateways(new)


@pytest.fixture
def url(postgres_server):
    return postgres_server.new_url()


@pytest.fixture
def two(url):
    """Two gateways of one PostgreSQL."""
    with contextlib.ExitStack() as stack:
        databases = [stack.enter_context(contextlib.closing(open_database(url))) for _ in range(2)]
        yield [stack.enter_context(contextlib.closing(DatabaseLocks(each))) for each in databases]


def test_one_holder_at_a_time_has_a_lock_and_the_next_gets_it(gateways):
    """Of two gateways, and of two threads of one; another lock is another matter."""
    one, other = gateways.new(), gateways.new()
    hold = one.try_hold("rollups")
    assert hold is not None
    assert hold.is_held()
    assert other.try_hold("rollups") is None
    assert one.try_hold("rollups") is None
    reconciler = other.try_hold("reconciler")
    assert reconciler is not None
    hold.release()
    taken = other.try_hold("rollups")
    assert taken is not None
    assert one.try_hold("rollups") is None
    taken.release()
    reconciler.release()


def test_a_turn_is_waited_for_and_given_up_in_time(gateways):
    """Who writes rollups waits for the other, and says so when that takes too long; so do starts."""
    one, other = gateways.new(), gateways.new()
    with (
        rollups_turn(one, 0),
        pytest.raises(StoreUnavailableError, match="written by somebody else"),
        rollups_turn(other, 0),
    ):
        pass
    entered = threading.Event()
    with rollups_turn(one, 0):
        waiting = threading.Thread(target=lambda: _through(other, entered))
        waiting.start()
        assert not entered.wait(0.2)
    waiting.join(30)
    assert entered.is_set()


def _through(locks, entered):
    with rollups_turn(locks, 30):
        entered.set()


def test_gateways_start_one_after_the_other(gateways, monkeypatch):
    """A second waits for its turn, and says so when the first takes too long."""
    monkeypatch.setattr(locks_module, "_START_TIMEOUT_S", 0.2)
    one, other = gateways.new(), gateways.new()
    with (
        start_turn(one, "here"),
        pytest.raises(StartupError, match="here: another gateway has been starting for"),
        start_turn(other, "here"),
    ):
        pass
    with start_turn(other, "here"):
        pass


def test_a_killed_gateway_holds_nothing_and_is_dead(url, two):
    """SIGKILL: its locks are free, and others know for certain."""
    first, _ = two
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout.readline() == "True\n"
            assert first.try_hold("rollups") is None
            assert not first.is_dead("the holder")
            assert first.others_live
            assert first.is_dead("somebody else")
        finally:
            holder.kill()
            holder.wait(30)
    deadline = threading.Event()
    for _ in range(600):
        if first.is_dead("the holder"):
            break
        deadline.wait(0.05)
    assert first.is_dead("the holder")
    assert not first.others_live
    assert first.try_hold("rollups") is not None


def test_a_session_that_breaks_loses_every_lock_and_the_gateway_lives_on(postgres_server, url, two):
    """What was held is no longer; another may have it; the sign of life is taken anew with the next lock."""
    first, second = two
    with first.joined("first"):
        hold = first.try_hold("rollups")
        assert hold.is_held()
        postgres_server.end_sessions(url)
        assert not hold.is_held()
        assert second.is_dead("first")
        other = second.try_hold("rollups")
        assert other is not None
        assert first.try_hold("rollups") is None
        assert first.try_hold("reconciler") is not None
        assert not second.is_dead("first")
        # The end of a hold that was lost takes nothing from whoever has it now.
        hold.release()
        assert other.is_held()
        assert first.try_hold("rollups") is None


def test_a_database_that_is_gone_says_so():
    """No lock, no certainty about the dead, and an error of the tree."""
    # Loaded for those who ask for it.
    from tests.support.postgres import postgres

    with postgres() as server:
        database = open_database(server.new_url())
        locks = DatabaseLocks(database)
        hold = locks.try_hold("rollups")
    assert not hold.is_held()
    assert not locks.is_dead("anybody")
    with pytest.raises(StoreUnavailableError, match="the catalog store does not answer: try again later"):
        locks.try_hold("rollups")
    locks.close()
    database.close()


def test_no_two_locks_have_the_same_key():
    """They are told apart by 32 bits."""
    from engine.cluster.database_locks import _key

    assert len({_key(name) for name in NAMES}) == len(NAMES)
