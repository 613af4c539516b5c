"""Worlds of ids played from a seed; one that fails is played again with nothing but the ids that differ."""

import contextlib
import random
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.usage.id_life_dice import Contents, Dice
from tests.support.usage.id_life_play import DisagreementError, Play
from tests.support.usage.id_life_told import told

# Each is a new store: a second or two, and the steps of a few ids.
_REPLAYS_MAX = 40


@dataclass
class Size:
    """How many steps of one id each a world has at least, and ids in families."""

    steps: int
    families: int = 3
    ids_each: int = 80


@dataclass
class Played:
    """What was done: steps of one id each, requests by what they asked, corrections by kind, refusals by kind."""

    steps: int = 0
    requests: Counter = field(default_factory=Counter)
    corrections: Counter = field(default_factory=Counter)
    refusals: Counter = field(default_factory=Counter)

    def __add__(self, other):
        return Played(
            self.steps + other.steps,
            self.requests + other.requests,
            self.corrections + other.corrections,
            self.refusals + other.refusals,
        )


class WorldError(AssertionError):
    """A world in which the engine and the model differ: which, about what, and the steps that lead there."""


def play(seed, size, *, replays_max=_REPLAYS_MAX):
    """Plays one world.

    Raises:
        WorldError: the engine is not what the model says.
    """
    dice = random.Random(seed)
    contents = Contents.drawn(dice)
    script, played, failed = [], Played(), None
    with _world(contents, dice) as world:
        steps = Dice(dice, contents, world.model, size.families, size.ids_each)
        try:
            while played.steps < size.steps:
                script.append(steps.step())
                world.take(script[-1])
                played.steps += max(1, len(script[-1].ids()))
                played.requests[getattr(script[-1], "kind", type(script[-1]).__name__.lower())] += 1
            world.finish()
        except DisagreementError as error:
            failed = error
    if failed:
        # With its store closed: one process has one embedded store at a time.
        raise WorldError(_failure(seed, contents, script, failed, replays_max)) from failed
    played.corrections = Counter(each.kind for each in world.model.corrections)
    played.refusals = world.refusals
    return played


def replay(contents, script):
    """What disagrees when these steps are taken; None if nothing does."""
    with _world(contents, random.Random("again")) as world:
        try:
            for step in script:
                world.take(step)
            world.finish()
        except DisagreementError as error:
            return error
    return None


@contextlib.contextmanager
def _world(contents, dice):
    with (
        tempfile.TemporaryDirectory(prefix="meterline-ids-") as directory,
        contextlib.closing(Play(Path(directory) / "usage", contents, dice)) as world,
    ):
        yield world


def _failure(seed, contents, script, error, replays_max):
    text = f"world {seed}, request {len(script)}: {error}"
    if replays_max:
        script, error, how = _shrunk(contents, script, error, replays_max)
        steps = "\n".join(f"  {number:3} {told(step)}" for number, step in enumerate(script, 1))
        text += f"\n{how}:\n{steps}\n  {error}"
    return text


def _shrunk(contents, script, error, replays_max):
    """The shortest script found that fails, what it fails with, and how it was found."""
    replays = iter(range(replays_max))
    for ids in [*([each] for each in error.ids[:3]), error.ids]:
        mine = _only(script, ids)
        if next(replays, None) is None or (found := replay(contents, mine)) is None:
            continue
        for place in reversed(range(len(mine) - 1)):
            shorter = mine[:place] + mine[place + 1 :]
            if next(replays, None) is None:
                break
            if again := replay(contents, shorter):
                mine, found = shorter, again
        return mine, found, f"it fails with the steps of {', '.join(ids)} alone"
    return _only(script, error.ids), error, "the steps of its ids, which do not fail alone"


def _only(script, ids):
    return [each for step in script if (each := step.only(ids)) is not None]
