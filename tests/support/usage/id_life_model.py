"""The life of an id: which of its versions count, told from its history alone. It judges the engine, and shares no line
with it: plain lists, replayed from the first arrival on whenever something is asked.

A version is (customer_id, event_type, event_time_us, properties), its properties a sorted tuple of (name, text). The
history of an id is the arrivals of its versions, each by the stamp of its first insert, and the corrections in effect
about them, by theirs. A correction that is undone never happened.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache

from tests.support.usage.content_hashes import content_hash

FOR_EVER = 2**62


class RefusedError(Exception):
    """The correction can't be made."""


@dataclass(frozen=True)
class Done:
    """A recorded correction. `taken`: event_id -> what it was about, (version, what that became) each."""

    name: str
    kind: str
    stamp_us: int
    taken: dict = field(compare=False)
    undoes: str = ""


@dataclass
class Life:
    """`counting`: (place, version), a place being a stamp; `lost`: (version, the version that it was lost to)."""

    counting: list
    lost: list

    def counts(self, version):
        return version in [each for _, each in self.counting]


class Ids:
    """The ids of one tenant."""

    def __init__(self):
        self.arrivals = defaultdict(list)
        self.corrections = []

    def arrive(self, stamp_us, event_id, version):
        """A version was inserted, for the first time or again."""
        if version not in [each for _, each in self.arrivals[event_id]]:
            self.arrivals[event_id].append((stamp_us, version))

    def in_effect(self):
        """The corrections that no correction in effect undoes."""
        found, undone = [], set()
        for each in reversed(self.corrections):
            if each.name not in undone:
                found.append(each)
                undone.add(each.undoes)
        return found[::-1]

    def life(self, event_id, looked_at_us=FOR_EVER):
        """What arrived after `looked_at_us` was not looked at yet: it counts beside what counts."""
        history = [
            ((at, _order(version)), "arrive", version, None) for at, version in self.arrivals[event_id]
        ]
        for each in self.in_effect():
            if not each.undoes:
                history += [((each.stamp_us, ()), each.kind, *pair) for pair in each.taken.get(event_id, ())]
        counting, lost, put, came_at = [], [], [], {}
        for (at, _), what, version, became in sorted(history, key=lambda each: each[0]):
            if what == "arrive":
                came_at[version] = at
                if version in put:
                    continue
                if counting and at <= looked_at_us:
                    lost.append((version, min(counting, key=lambda each: (each[0], _order(each[1])))[1]))
                else:
                    counting.append((at, version))
            elif what == "restore":
                counting.append((came_at[version], version))
            else:
                (mine,) = [each for each in counting if each[1] == version]
                counting.remove(mine)
                if what == "amend":
                    put.append(became)
                    if became not in [each for _, each in counting]:
                        counting.append((mine[0], became))
        return Life(counting, lost)

    def conflicts(self, event_id, looked_at_us=FOR_EVER):
        """(version, what it was lost to, whether it does not count now)"""
        life = self.life(event_id, looked_at_us)
        return [(lost, to, not life.counts(lost)) for lost, to in life.lost]

    # What a correction may take. `wanted`: (event_id, fits) each, where fits(version) says which are meant.

    def void(self, stamp_us, name, wanted):
        """All that count."""
        self._check_known(wanted)
        self._record(Done(name, "void", stamp_us, {i: self._counting(i, fits) for i, fits in wanted}))

    def amend(self, stamp_us, name, wanted, change):
        """One that counts of each id; what is so already stays."""
        self._check_known(wanted)
        taken = {}
        for event_id, fits in wanted:
            found = self._counting(event_id, fits)
            if len(found) > 1:
                raise RefusedError
            taken[event_id] = [(old, change(old)) for old, _ in found if change(old) != old]
        self._record(Done(name, "amend", stamp_us, taken))

    def restore(self, stamp_us, name, wanted):
        """One of each id that was lost on arrival, doesn't count, and that no correction in effect decided on."""
        self._check_known(wanted)
        taken = {}
        for event_id, fits in wanted:
            found = self.restorable(event_id, fits)
            if len(found) > 1:
                raise RefusedError
            taken[event_id] = [(version, None) for version in found]
        self._record(Done(name, "restore", stamp_us, taken))

    def restorable(self, event_id, fits=lambda _version: True):
        decided = [
            version
            for each in self.in_effect()
            for pair in each.taken.get(event_id, ())
            for version in pair
            if not each.undoes
        ]
        conflicts = self.conflicts(event_id)
        return [lost for lost, _, void in conflicts if void and lost not in decided and fits(lost)]

    def undo(self, stamp_us, name, undone):
        """Nothing later may be in effect about its ids, but what undoes something later."""
        known = [each.name for each in self.corrections]
        if undone not in known:
            raise RefusedError
        (first,) = [each for each in self.corrections if each.name == undone]
        effective = self.in_effect()
        later = self.corrections[known.index(undone) + 1 :]
        if first not in effective:
            raise RefusedError
        for each in later:
            about_the_same = first.taken.keys() & each.taken.keys()
            if each in effective and about_the_same and each.undoes not in [other.name for other in later]:
                raise RefusedError
        self._record(Done(name, "undo", stamp_us, first.taken, undone))

    def _counting(self, event_id, fits):
        return [(version, None) for _, version in self.life(event_id).counting if fits(version)]

    def _check_known(self, wanted):
        for event_id, _ in wanted:
            if not self.arrivals[event_id]:
                raise RefusedError

    def _record(self, done):
        taken = {event_id: pairs for event_id, pairs in done.taken.items() if pairs}
        if not taken:
            raise RefusedError
        self.corrections.append(Done(done.name, done.kind, done.stamp_us, taken, done.undoes))


@cache
def _order(version):
    """Of versions of one stamp; texts in byte order."""
    customer_id, event_type, time_us, properties = version
    return time_us, customer_id.encode(), event_type.encode(), content_hash(properties)
