"""Simulated histories: the real pipeline between unreliable clients, a failing store, crashes and jumping clocks."""

import pytest

from tests.support.simulation.sim_mutants import MUTANTS, mutated
from tests.support.simulation.sim_world import HistoryError, play

# The rarest mutant needs an insert that is called off, and its retry between two others.
_MUTANT_SEEDS_MAX = 1_000


def _play_many(first, histories):
    for number in range(first, first + histories):
        play(number)


@pytest.mark.parametrize(
    ("part", "histories"),
    [
        *((part, 60) for part in range(2)),
        *(
            pytest.param(part, 1_000, marks=[pytest.mark.long, pytest.mark.timeout(1_200)])
            for part in range(2, 24)
        ),
    ],
)
def test_no_history_breaks_a_promise(seed, part, histories):
    """Acknowledged is stored once, verdicts are right, watermarks never move, every caller is answered."""
    _play_many(int(seed) + part * 1_000, histories)


def test_a_seed_replays_the_same_history(seed):
    """Step by step, in the same process, whatever was played in between."""
    first = play(int(seed))
    other = play(int(seed) + 1)
    assert play(int(seed)) == first != other
    assert len(first) > 20


def test_a_failure_names_its_seed_and_shows_the_last_steps():
    """And how to play it again."""
    with mutated("ack before insert"), pytest.raises(HistoryError) as failed:
        _play_many(0, _MUTANT_SEEDS_MAX)
    first, *lines = str(failed.value).splitlines()
    assert "acknowledged, and not stored: e" in first
    assert lines[0] == "the last steps:"
    assert any("inserts" in line or "request" in line for line in lines)
    assert lines[-1] == f"again: make simulate SEEDS={first.split()[1].rstrip(':')}"


@pytest.mark.parametrize(
    "name",
    [
        "ack without insert",
        "no doubt after a failure",
        "remember before insert",
        "a partition forgotten",
        "stamp equal to a watermark",
        "window drops too much",
        "shared: watermark over inserts in flight",
        *(pytest.param(name, marks=pytest.mark.long) for name in sorted(MUTANTS)),
    ],
)
def test_a_broken_pipeline_is_noticed(name):
    """Whichever promise it breaks; most of them within ten histories."""
    with mutated(name), pytest.raises(HistoryError):
        _play_many(0, _MUTANT_SEEDS_MAX)
