"""Ids live as the model says: usage, lines, conflicts, corrections, dry runs and earlier watermarks, after every step.

Few contents, customers and times for each id, so that versions meet: retries, ids used again, voids, amendments to what
was there before, restorings, undos and their undos, passes of the reconciler, restarts, at two gateways and beside them.
`make test-ids` plays 100,000 steps (STEPS, SEED); a failure prints the steps of the ids that differ.
"""

import random
from collections import Counter

import pytest

from tests.support.usage.id_life_dice import Contents, Dice
from tests.support.usage.id_life_hard import CONTENTS, LIVES
from tests.support.usage.id_life_model import Ids, RefusedError
from tests.support.usage.id_life_mutants import MUTANTS, mutated
from tests.support.usage.id_life_run import Size, WorldError, play, replay
from tests.support.usage.id_life_steps import Deliver

# A few seconds; what a mutant breaks shows within a few such worlds.
SMALL = Size(steps=1_200, families=1)


@pytest.mark.parametrize(
    ("part", "size"),
    [
        (0, Size(steps=500, families=1)),
        *(
            pytest.param(part, Size(8_000), marks=[pytest.mark.long, pytest.mark.timeout(1_800)])
            for part in range(1, 14)
        ),
    ],
)
def test_ids_live_as_the_model_says(seed, part, size):
    """At every step, and at every watermark again."""
    print(f"METERLINE_SEED={seed}: world {seed}-{part}")
    play(f"{seed}-{part}", size)


@pytest.mark.parametrize("life", sorted(LIVES))
def test_a_life_that_was_told_wrong_once_is_told_right(life):
    """Each found by a random world."""
    assert replay(CONTENTS, LIVES[life]) is None


# Found late: some take minutes on a busy machine.
_SLOW = {
    "the order of undos is that of a version",
    "a voided version can be restored",
    "a corrected id is never settled again",
    "what a person decided on is exempt for ever",
    "an undo ignores other versions of its ids",
    "a draft lacks what follows",
    "an arrival is lost to the last that counts",
}


# The world to begin with, where another shows it sooner than world 0 does.
_FIRST_WORLD = {
    "an arrival is lost to the last that counts": 2,
    "a fact is stamped before a watermark": 4,
    "an undone undo still undoes": 1,
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.long, pytest.mark.timeout(1_800)] if name in _SLOW else [])
        for name in sorted(MUTANTS)
    ],
)
def test_a_broken_rule_is_noticed(name):
    """Whichever it is, within a few small worlds."""
    with mutated(name), pytest.raises(WorldError):
        _play_worlds(_FIRST_WORLD.get(name, 0))


def _play_worlds(first):
    for number in range(5):
        play(f"mutants-{(first + number) % 5}", SMALL, replays_max=0)


def test_random_lives_have_what_makes_ids_hard():
    """Every kind, undone undos, arrivals of what an amendment made, and refusals: or it would prove nothing."""
    missing = {
        "undone undo",
        "undone correction",
        "made before it arrived",
        "lost",
        "two count",
        "restored is void",
    }
    missing |= {(kind, how) for kind in ("void", "amend", "restore", "undo") for how in ("done", "refused")}
    for model, seen in lives(20):
        names = {each.name: each for each in model.corrections}
        effective = {each.name for each in model.in_effect()}
        missing -= set(seen)
        for each in model.corrections:
            if each.name not in effective:
                missing.discard("undone undo" if each.undoes else "undone correction")
            for event_id, pairs in each.taken.items():
                arrived = {version: at for at, version in model.arrivals[event_id]}
                if any(
                    each.kind == "amend" and arrived.get(became, 0) > each.stamp_us for _, became in pairs
                ):
                    missing.discard("made before it arrived")
        assert names
        for event_id in model.arrivals:
            life = model.life(event_id)
            if life.lost:
                missing.discard("lost")
            if len(life.counting) > 1:
                missing.discard("two count")
            if any(not life.counts(version) for version in _restored(model, event_id)):
                missing.discard("restored is void")
    assert not missing


def test_of_an_id_one_version_counts_unless_one_was_restored():
    """The goal of the rule, held against the model itself."""
    for model, _ in lives(20):
        for event_id in model.arrivals:
            if not _restored(model, event_id):
                assert len(model.life(event_id).counting) <= 1, event_id


def test_with_everything_undone_an_id_is_as_if_nothing_had_been_corrected():
    """Whatever was done, and in whatever order what can be undone is undone."""
    for model, _ in lives(20):
        while left := [each for each in model.in_effect() if not each.undoes]:
            model.undo(model.corrections[-1].stamp_us + 1, f"at last {left[-1].name}", left[-1].name)
        untouched = Ids()
        untouched.arrivals = model.arrivals
        for event_id in model.arrivals:
            assert [version for _, version in model.life(event_id).counting] == [
                version for _, version in untouched.life(event_id).counting
            ]
            assert model.conflicts(event_id) == untouched.conflicts(event_id)


def _restored(model, event_id):
    return [
        version
        for each in model.in_effect()
        for version, _ in each.taken.get(event_id, ())
        if each.kind == "restore"
    ]


def lives(worlds):
    """Models that lived through a world without an engine, every event accepted; and what was done and refused."""
    for number in range(worlds):
        dice, model, seen = random.Random(f"lives-{number}"), Ids(), Counter()
        steps = Dice(dice, Contents.drawn(dice), model, families=2, ids_each=10)
        for stamp_us in range(1, 101):
            step = steps.step()
            if isinstance(step, Deliver):
                for event_id, version in step.events:
                    model.arrive(stamp_us, event_id, version)
            elif kind := getattr(step, "kind", None):
                try:
                    step.in_model(model, stamp_us)
                    seen[kind, "done"] += 1
                except RefusedError:
                    seen[kind, "refused"] += 1
        yield model, seen
