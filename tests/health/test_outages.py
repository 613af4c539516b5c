"""An outage is a line of the log, and not hundreds: upkeep, a catalog store that is gone, a store that is asked."""

import threading

import pytest
import structlog
from sqlalchemy.engine import make_url

from engine.cluster.upkeep_loop import Pace, UpkeepLoop
from engine.errors import StoreUnavailableError
from engine.health.outages import Outage
from engine.health.store_checks import StoreCheck
from engine.sql.database import Database


def test_the_first_failure_is_told_and_then_ever_fewer():
    """The 1st, 100th, 1,000th and 10,000th of 20,000."""
    outage = Outage()
    assert [number for number in range(1, 20_001) if outage.failed()] == [1, 100, 1_000, 10_000]
    assert outage.worked() == 20_000


def test_another_kind_of_failure_is_told_and_so_is_the_next_outage():
    """What is one kind, whoever tells it says."""
    outage = Outage()
    assert [outage.failed(kind) for kind in ("locked", "locked", "full", "locked", "full")] == [
        True, False, True, False, False,
    ]  # fmt: skip
    assert (outage.worked(), outage.worked()) == (5, 0)
    assert outage.failed("locked")


class _Free:
    """A lock that nobody else wants."""

    def is_held(self):
        return True

    def release(self):
        """Nothing is to be done."""


class _Upkeep:
    """Fails as often as it is told, works for ever after; `over` once it has worked."""

    def __init__(self, failures):
        self._failures = iter(failures)
        self.over = threading.Event()

    def next_pass(self):
        for error in self._failures:
            raise error
        self.over.set()


def test_a_part_of_upkeep_tells_an_outage_once_and_that_it_is_over():
    """Seven passes fail, in two ways."""
    gone = [StoreUnavailableError("gone", retry_after_ms=1) for _ in range(5)]
    upkeep = _Upkeep([*gone, ZeroDivisionError(), ZeroDivisionError()])
    with structlog.testing.capture_logs() as lines:
        loop = UpkeepLoop("outages", upkeep, _Free, lambda: 0, pace=Pace(0), stop_within_s=60)
        loop.start()
        assert upkeep.over.wait(60)
        loop.stop()
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("upkeep pass failed", "warning"),
        ("upkeep pass failed", "error"),
        ("upkeep goes on", "info"),
    ]
    assert lines[2]["failed_passes"] == 7


def test_a_catalog_store_that_is_gone_is_told_once_for_reads_and_once_for_writes():
    """Nobody listens at port 1. A disk that is full refuses writes alone."""
    database = Database(make_url("postgresql+psycopg://nobody@127.0.0.1:1/none"))
    with structlog.testing.capture_logs() as lines:
        for use in (database.reading, database.writing):
            for _ in range(3):
                with pytest.raises(StoreUnavailableError), use():
                    pass
    assert [line["event"] for line in lines] == ["the catalog store does not answer"] * 2


def test_a_store_that_is_asked_is_told_when_it_is_gone_and_when_it_is_back():
    """Each once, also one that was never there."""
    gone = True

    def ask():
        if gone:
            raise StoreUnavailableError("gone", retry_after_ms=1)

    check = StoreCheck("outages", ask, lambda: 0)
    with structlog.testing.capture_logs() as lines:
        check.check()
        check.check()
        gone = False
        check.check()
        check.check()
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("a store does not answer", "warning"),
        ("a store answers again", "info"),
    ]
