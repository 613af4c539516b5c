"""An erasure that is killed, again and again: whoever erases the customer once more goes on, and no amount moves."""

import signal

import pytest

from engine.errors import NotFoundError
from tests.support.command_processes import run_module
from tests.support.erasure.erasure_world import BOB, SHE, TEXTS, files_with, fill, open_world


def _erase(data, steps):
    return run_module("tests.support.erasure.killed_erasure", data, steps)


def _theirs(world, pseudonyms):
    """The lines of whom the catalog has: hers, or those of one pseudonym."""
    for each in (SHE, *pseudonyms):
        try:
            return world.lines(each)
        except NotFoundError:
            continue
    raise AssertionError("she is gone, and nobody is in her place")


@pytest.mark.parametrize(
    "stride", [11, pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(1_800)])]
)
def test_a_killed_erasure_goes_on_where_it_was_and_no_amount_moves(tmp_path, stride):
    """Killed after ever more of its steps, until one run is not."""
    data = tmp_path / "data"
    with open_world(data) as world:
        fill(world)
        hers, his = world.lines(SHE), world.lines(BOB)
    for steps in range(1, 80, stride):
        done = _erase(data, steps)
        with open_world(data) as world:
            pseudonyms = [each.pseudonym for each in world.erasures().jobs.of_tenant("t1", 0, 10)]
            assert len(pseudonyms) == 1 or steps == 1
            assert _theirs(world, pseudonyms) == hers
            assert world.lines(BOB) == his
        if done.returncode != -signal.SIGKILL:
            break
    assert done.returncode == 0, done.stderr
    assert files_with(data, TEXTS) == []
