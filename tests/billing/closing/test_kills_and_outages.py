"""A close that is killed, and one whose stores go away in the middle: every line once, every number once, a fact for each."""

import random
import signal
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from engine.billing.closing.invoice_store import InvoiceStore
from engine.errors import StoreUnavailableError
from engine.sql.database import open_database
from engine.sql.invoice_tables import INVOICES
from engine.sql.schema import OUTBOX
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_bills import booked, numbers
from tests.support.closing_histories import CATALOG, MONTHS, use
from tests.support.closing_world import ClosingWorld, instant_us
from tests.support.command_processes import run_module

ROOT = Path(__file__).parents[3]
LAST = "2027-02-10"
# A close touches its stores some forty times at once, and a hundred times in steps; what is billed by threshold some forty more.
TOUCHES_MAX = 140


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'killed.sqlite'}"
    return request.getfixturevalue("postgres_server").new_url()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(3_600)])])
def test_a_close_that_is_killed_again_and_again_bills_everything_once(tmp_path, url, seed, kills):
    """Killed at random touches of its stores while usage comes in late; then closed to the end, beside one close of everything."""
    dice, usage = random.Random(seed), tmp_path / "usage"
    for number, month in enumerate((2, 4, 5)):
        _record(dice, usage, url, MONTHS[month], number)
        left, touches_max = len(range(number, kills, 3)), TOUCHES_MAX
        while left:
            # Some closes come to their end before; those behind them have little left to touch.
            if _close(usage, url, month, dice, dice.randint(1, touches_max)):
                left -= 1
            else:
                touches_max = max(touches_max // 4, 4)
        assert not _close(usage, url, month, dice, 0)
        with closing(open_database(url)) as database:
            _check_facts(database, instant_us(MONTHS[month]))
    store = UsageStore.open_embedded(usage)
    world = ClosingWorld(url, store, CATALOG, LAST, first_event=1_000)
    use(dice, world, MONTHS[0], MONTHS[-1])
    world.close("2027-01-01", "2027-02-01", grace_us=0)
    _check_against_one_close(tmp_path, world)
    world.finish()
    store.close()


def _record(dice, directory, url, now, number):
    store = UsageStore.open_embedded(directory)
    world = ClosingWorld(url, store, CATALOG, now, first_event=1 + 100 * number)
    for _ in range(10):
        use(dice, world, MONTHS[0], now)
    world.finish()
    store.close()


def _close(usage, url, month, dice, touches):
    """Whether the close of all until a month was killed, at its n-th touch of a store; 0: never."""
    span = f"{MONTHS[month][:8]}05", MONTHS[0], MONTHS[month]
    done = run_module("tests.support.killed_close", usage, url, *span, dice.choice((1, 2, 10_000)), touches)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode != 0


def test_stores_that_go_away_while_a_close_runs_lose_and_double_nothing(tmp_path, url, seed, monkeypatch):
    """Lines that are stored or not, headers whose commit is not heard of: who closes again ends with the same invoices."""
    dice = random.Random(seed)
    store = UsageStore.open_embedded(tmp_path / "usage")
    world = ClosingWorld(url, store, CATALOG, MONTHS[3])
    for _ in range(20):
        use(dice, world, MONTHS[0], MONTHS[3])
    outages = 0
    with monkeypatch.context() as patch:
        for kind, name in (
            (UsageStore, "insert_booked_lines"),
            (InvoiceStore, "issue"),
            (InvoiceStore, "end"),
        ):
            patch.setattr(kind, name, _going_away(getattr(kind, name), dice))
        for month in (2, 3):
            outages += _until_done(world.at(f"{MONTHS[month][:8]}05").bill_parts)
            outages += _until_done(partial(_close_in_steps, world, MONTHS[month]))
            _check_facts(world.database, world.now_us)
            use(dice, world, MONTHS[0], MONTHS[month])
    assert outages >= 2
    world.at(LAST).close("2026-11-01", "2027-02-01", grace_us=0)
    _check_against_one_close(tmp_path, world)
    world.finish()
    store.close()


def _going_away(real, dice):
    """Fails in half of its calls, before its work or behind it; the first two fail for sure."""
    to_fail = [True, True]

    def run(*arguments):
        fails = to_fail.pop() if to_fail else dice.random() < 0.5
        if fails and dice.random() < 0.5:
            raise StoreUnavailableError("gone before", retry_after_ms=1)
        answer = real(*arguments)
        if fails:
            raise StoreUnavailableError("gone behind", retry_after_ms=1)
        return answer

    return run


def _close_in_steps(world, before):
    world.close(MONTHS[0], before, subscriptions=2, grace_us=0)


def _until_done(run):
    """How often the stores went away before it was done."""
    for outages in range(100):
        try:
            run()
        except StoreUnavailableError:
            continue
        return outages
    raise AssertionError("it was not done after 100 outages")


def _check_against_one_close(tmp_path, world):
    """The same sums and lines as one close of everything; numbers without a gap."""
    once = ClosingWorld(f"sqlite:///{tmp_path / 'once.sqlite'}", world.store, CATALOG, LAST, world.clock)
    for step in once.close(MONTHS[0], "2027-02-01", grace_us=0):
        assert step.adjusted_count == 0
    assert world.totals() == once.totals()
    assert booked(world) == booked(once)
    once.finish()
    made = numbers(world)
    assert made == list(range(1, len(made) + 1))


def _check_facts(database, since_us):
    """Of each invoice that was issued since then one fact, and no other: older facts go."""
    with database.reading() as connection:
        issued = select(INVOICES.c.invoice_id).where(INVOICES.c.issued_at_us >= since_us)
        told = select(OUTBOX.c.object_id).where(
            OUTBOX.c.fact_type == "invoice.issued", OUTBOX.c.recorded_at_us >= since_us
        )
        invoices, facts = (sorted(connection.execute(each).scalars()) for each in (issued, told))
    assert facts == invoices
    assert invoices
