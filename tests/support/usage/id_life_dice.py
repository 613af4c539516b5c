"""Random steps, from a seed: few contents, customers and times for each id, so that versions meet all the time.

Ids come in families, and a step takes some ids of one family: so their histories are long, each differs from the others,
and an undo is not always in the way of another.
"""

import itertools
from dataclasses import dataclass

from tests.support.usage.id_life_engine import CUSTOMERS, LIMITS, TIMES_US, TYPES
from tests.support.usage.id_life_model import RefusedError
from tests.support.usage.id_life_steps import (
    Again,
    Change,
    Correct,
    CorrectSelected,
    Deliver,
    Meant,
    Undo,
    Upkeep,
)

VALUES = ("1", "2", "4")
# Names by which versions of an id can be told apart, the shortest first.
_NAMES = (
    ("customer_id",),
    ("event_time_us",),
    ("event_type",),
    ("ingested_at_us",),
    ("customer_id", "event_time_us"),
    ("customer_id", "event_type", "event_time_us"),
    ("customer_id", "event_type", "event_time_us", "ingested_at_us"),
)
_LATELY = 12


@dataclass(frozen=True)
class Contents:
    """What an event of a world may have."""

    customers: tuple
    types: tuple
    times_us: tuple
    values: tuple

    @classmethod
    def drawn(cls, random):
        return cls(
            random.choice((CUSTOMERS[:2], CUSTOMERS[1:], CUSTOMERS)),
            random.choice((TYPES[:1], TYPES[:1], TYPES[:1], TYPES)),
            # All in one billing period, or in two.
            random.choice((TIMES_US[:1], TIMES_US[:2], TIMES_US[:2], TIMES_US[:2], TIMES_US[1:], TIMES_US)),
            random.choice((VALUES[:2], VALUES)),
        )


class Dice:
    """Steps for a model's ids; what it draws depends on what the model says, so that most steps can be taken."""

    def __init__(self, random, contents, model, families, ids_each):
        self._random, self._contents, self._model = random, contents, model
        self._families = [tuple(f"{name}{n}" for n in range(ids_each)) for name in _letters(families)]
        self._names = (f"c{n}" for n in itertools.count(1))
        self._freed = ()

    def step(self):
        draw = self._random.choices(
            (
                self._deliver, self._void, self._amend, self._restore, self._selected, self._undo, self._single,
                self._again, self._upkeep, self._restart,
            ),
            (40, 20, 24, 14, 10, 46, 10, 2, 12, 4),
        )[0]  # fmt: skip
        if self._freed and self._chance(0.5):
            ids, self._freed = self._freed, ()
            return self._deliver(ids)
        return draw() or self._deliver()

    def _deliver(self, ids=()):
        events = []
        for event_id in ids or self._ids():
            events.append((event_id, self._version(event_id)))
            if self._chance(0.15):
                events.append((event_id, self._version(event_id)))
        way = self._random.choice((None, None, 0, 1))
        return Deliver(way, tuple(events[: LIMITS.request_events_max]))

    def _void(self):
        ids = self._ids()
        # Whose events are void is used again soon.
        self._freed = ids
        meant = [self._meant(event_id) for event_id in ids]
        return self._correct("void", [each for each in meant if each])

    def _amend(self):
        ids = self._ids()
        change = self._change(ids)
        meant = [self._meant(event_id, one=True) for event_id in ids]
        return self._correct("amend", [each for each in meant if each], change)

    def _restore(self):
        if self._chance(0.25):
            return self._restore_decided()
        meant = []
        for event_id in self._ids():
            found = self._model.restorable(event_id)
            if found:
                version = self._random.choice(found)
                others = [each for each in found if each != version]
                meant.append(self._named(event_id, version, others, always=bool(others)))
        return self._correct("restore", [each for each in meant if each])

    def _restore_decided(self):
        """An event that was lost, and that a correction decided on: it is for undoing that one."""
        ids = self._random.choice(self._families)
        for event_id in self._random.sample(ids, len(ids)):
            restorable = self._model.restorable(event_id)
            lost = [
                each for each, _, void in self._model.conflicts(event_id) if void and each not in restorable
            ]
            if lost:
                named = self._named(event_id, self._random.choice(lost), restorable, always=bool(restorable))
                return named and self._correct("restore", [named])
        return None

    def _selected(self):
        ids = self._ids()
        kind = self._random.choice(("void", "amend"))
        first = self._random.randrange(3)
        return CorrectSelected(
            self._random.randrange(2),
            next(self._names),
            kind,
            tuple(ids),
            self._random.choice((None, *self._contents.customers)),
            (first, self._random.randint(first + 1, 3)),
            self._random.choice((None, *self._contents.values)),
            self._change(ids) if kind == "amend" else None,
        )

    def _single(self):
        """One id, without a look at whether it can be done."""
        family = self._random.choice(self._families)
        event_id = self._random.choice((*family, "never sent"))
        kind = self._random.choice(("void", "amend", "restore"))
        known = self._known(event_id)
        named = Meant(event_id)
        if known and self._chance(0.5):
            named = self._named(event_id, self._random.choice(known), (), always=True)
        return self._correct(kind, [named], self._change([event_id]) if kind == "amend" else None)

    def _undo(self):
        """The latest that can be undone, any of these, one that something is in the way of, or whatever there is."""
        about = set(self._random.choice(self._families))
        found = [each for each in self._model.corrections if each.taken.keys() & about][-_LATELY:]
        if not found:
            return None
        can = [each for each in found if self._can_undo(each.name)]
        effective = self._model.in_effect()
        in_the_way_of = [each for each in found if each in effective and each not in can]
        drawn = self._random.choices((can[-1:], can, in_the_way_of, found), (30, 30, 25, 15))[0]
        chosen = self._random.choice(drawn or found)
        return Undo(self._random.randrange(2), next(self._names), chosen.name, tuple(chosen.taken))

    def _again(self):
        if not self._model.corrections:
            return None
        chosen = self._random.choice(self._model.corrections)
        return Again(self._random.randrange(2), chosen.name, tuple(chosen.taken))

    def _upkeep(self):
        what = self._random.choice(("all", "some", "some", "exactly", "hear", "hear", "roll up"))
        return Upkeep(what, self._random.randrange(2), self._random.choice((1, 5, 40)))

    def _restart(self):
        return Upkeep("restart")

    def _correct(self, kind, meant, change=None):
        if not meant:
            return None
        return Correct(self._random.randrange(2), next(self._names), kind, tuple(meant), change)

    def _ids(self):
        family = self._random.choice(self._families)
        whole = len(family)
        return self._random.sample(family, self._random.choice((1, whole // 3, whole, whole)))

    def _version(self, event_id):
        known = self._known(event_id)
        if known and self._chance(0.3):
            return self._random.choice(known)
        of = self._contents
        event_type = of.types[-1] if self._chance(0.15) else of.types[0]
        properties = (("id", event_id), ("value", self._random.choice(of.values)))
        return self._random.choice(of.customers), event_type, self._random.choice(of.times_us), properties

    def _known(self, event_id):
        """All that it ever was, or became."""
        arrived = [version for _, version in self._model.arrivals.get(event_id, ())]
        became = [
            became
            for each in self._model.corrections
            for _, became in each.taken.get(event_id, ())
            if each.kind == "amend"
        ]
        return list(dict.fromkeys(arrived + became))

    def _change(self, ids):
        """Often to what one of them was, or was to be, before."""
        known = self._known(self._random.choice(list(ids)))
        if known and self._chance(0.4):
            customer_id, _, time_us, properties = self._random.choice(known)
            return Change(dict(properties)["value"], customer_id, time_us)
        change = Change(
            self._random.choice(self._contents.values) if self._chance(0.6) else None,
            self._random.choice(self._contents.customers) if self._chance(0.3) else None,
            self._random.choice(self._contents.times_us) if self._chance(0.3) else None,
        )
        return change if change != Change() else Change(self._random.choice(self._contents.values))

    def _meant(self, event_id, *, one=False):
        """The id, or one of its versions that count; an id of which none counts is left out as a rule."""
        counting = [version for _, version in self._model.life(event_id).counting]
        if not counting:
            return Meant(event_id) if self._model.arrivals[event_id] and self._chance(0.1) else None
        if len(counting) > 1 and (one or self._chance(0.5)):
            version = self._random.choice(counting)
            return self._named(event_id, version, [each for each in counting if each != version], always=True)
        return self._named(event_id, counting[0], (), always=False)

    def _named(self, event_id, version, others, *, always):
        """The version, by names that fit none of the others; None if there are no such names."""
        if not always and not self._chance(0.15):
            return Meant(event_id)
        # By the stamp of an arrival where every version is one that arrived.
        amended = any(each.kind == "amend" and event_id in each.taken for each in self._model.corrections)
        choices = [
            Meant(event_id, names, version) for names in _NAMES if not (amended and "ingested_at_us" in names)
        ]
        told_apart = [each for each in choices if not any(each.fits(self._model)(other) for other in others)]
        return self._random.choice(told_apart) if told_apart else None

    def _can_undo(self, name):
        try:
            self._model.undo(0, "tried", name)
        except RefusedError:
            return False
        self._model.corrections.pop()
        return True

    def _chance(self, probability):
        return self._random.random() < probability


def _letters(count):
    return "abcdefghijklmnopqrstuvwxyz"[:count]
