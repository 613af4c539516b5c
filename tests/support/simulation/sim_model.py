"""What must be true: a slow, obvious model of the pipeline beside the real one, and the invariants.

Rules:
1. The model never asks the pipeline what is right. It knows what clients sent, what the store applied and how
   each insert ended, and judges answers and reads by that alone.
2. A window is the last `events_max` ids in the order in which they were first stored; ids of failed inserts are
   in doubt until they are stored. What was voided leaves it, and what stands instead comes in.
3. What is wrong is collected with the trace; the scheduler stops at the first one.
"""

import datetime as dt
from collections import defaultdict

from ingest import Reason, Verdict
from tests.support.ingest.admission_oracle import Refused, Row


class WindowModel:
    """The ids that one gateway must know."""

    def __init__(self, events_max, rows):
        self._events_max = events_max
        self._order = []
        self._doubts = {}
        self.remember(rows)

    def remember(self, rows):
        entered = set(self._known())
        for row in rows:
            if _id(row) not in entered:
                entered.add(_id(row))
                self._order.append(row)
            self._doubts.pop(_id(row), None)

    def forget(self, rows):
        """These are void: what has just this content leaves, and keeps its place."""
        for row in rows:
            self._order = [None if each == row else each for each in self._order]
            if self._doubts.get(_id(row)) == row:
                del self._doubts[_id(row)]

    def doubt(self, rows):
        known = self._known()
        for row in rows:
            if _id(row) not in known:
                self._doubts.setdefault(_id(row), row)
        while len(self._doubts) > self._events_max:
            del self._doubts[next(iter(self._doubts))]

    def verdicts(self, entries):
        """Of Rows, Refuseds and tuples of Problems that are committed together."""
        known, taken = self._known(), {}
        return [self._verdict(entry, known, taken) for entry in entries]

    def _verdict(self, entry, known, taken):
        if isinstance(entry, tuple):
            return Verdict.REJECTED
        row, refused = (entry.event, True) if isinstance(entry, Refused) else (entry, False)
        first = known.get(_id(row))
        if first is not None:
            other = Verdict.REJECTED if refused else Verdict.CONFLICT
            return Verdict.DUPLICATE if first == row else other
        if refused:
            return Verdict.REJECTED
        doubted = self._doubts.get(_id(row))
        if doubted is not None and doubted != row:
            return Verdict.CONFLICT
        first = taken.setdefault(_id(row), row)
        if first is row:
            return Verdict.ACCEPTED
        return Verdict.DUPLICATE if first == row else Verdict.CONFLICT

    def _known(self):
        return {_id(row): row for row in self._order[-self._events_max :] if row is not None}


def _differing(row, other):
    columns = ("event_type", "event_type"), ("customer_id", "customer_id"), ("event_time", "event_time_us")
    fields = {name for name, column in columns if getattr(row, column) != getattr(other, column)}
    return fields | ({"properties"} if dict(row.properties) != dict(other.properties) else set())


def _id(row):
    return row.tenant, row.event_id


class Ledger:
    """What was sent, applied and acknowledged, and every watermark that was handed out."""

    def __init__(self):
        self.sent = set()
        self.first_stamps = {}
        self.acknowledged = {}
        self.watermarks = {}
        self.latest_watermark_us = 0
        self.wrong = []

    def blame(self, text):
        self.wrong.append(text)

    def applied(self, rows, stamp_us):
        """A batch is in the store from now on."""
        for row in rows:
            if row not in self.sent:
                self.blame(f"stored, and never sent: {row}")
            before = self.first_stamps.get(row)
            if before is not None and before <= stamp_us:
                continue
            changed = [us for us in self.watermarks if us >= stamp_us and (before is None or us < before)]
            if changed:
                self.blame(f"{row.event_id} stamped {stamp_us} changes what was read as of {max(changed)}")
            self.first_stamps[row] = stamp_us

    def batch(self, rows, rows_max):
        """What the pipeline asks to insert at once."""
        if not 0 < len(rows) <= rows_max:
            self.blame(f"an insert of {len(rows)} rows, at most {rows_max}")
        if len({_month(row) for row in rows}) > 1:
            self.blame("an insert of two partitions")
        if len({_id(row) for row in rows}) < len(rows):
            self.blame("an insert with one id twice")

    def answered(self, entries, expected, recorded):
        """A request was acknowledged; `entries` are its events as the oracle judges them."""
        verdicts = recorded.verdicts.tolist()
        if verdicts != expected:
            self.blame(f"verdicts {verdicts}, expected {[int(each) for each in expected]}")
            return
        for entry, verdict in zip(entries, verdicts, strict=True):
            if verdict <= Verdict.DUPLICATE:
                row = entry.event if isinstance(entry, Refused) else entry
                stamp_us = self.first_stamps.get(row)
                if stamp_us is None:
                    self.blame(f"acknowledged, and not stored: {row.event_id}")
                elif stamp_us > recorded.as_of_us:
                    self.blame(f"{row.event_id} is stamped {stamp_us}, after its as_of {recorded.as_of_us}")
                self.acknowledged.setdefault(row, recorded.as_of_us)
        self._problems(entries, verdicts, recorded.problems)

    def _problems(self, entries, verdicts, problems):
        found = defaultdict(list)
        for index, problem in problems:
            found[index].append(problem)
        if sorted(found) != [i for i, verdict in enumerate(verdicts) if verdict > Verdict.DUPLICATE]:
            self.blame(f"problems at {sorted(found)} for verdicts {verdicts}")
            return
        for index, told in found.items():
            entry = entries[index]
            expected = entry.problems if isinstance(entry, Refused) else entry
            if isinstance(entry, Row):
                if not self._may_conflict(entry, told):
                    self.blame(f"a sound event has the problems {told}")
            elif tuple(told) != expected:
                self.blame(f"problems {told}, expected {expected}")

    def _may_conflict(self, row, told):
        """Whether another event that was sent under its id differs in the fields that are told, or none is."""
        if {problem.reason for problem in told} != {Reason.ID_REUSED}:
            return False
        fields = {problem.field for problem in told}
        others = (each for each in self.sent if _id(each) == _id(row) and each != row)
        return any(fields == {"event_id"} or fields <= _differing(each, row) for each in others)

    def handed_out(self, as_of_us):
        """A watermark: what it shows must stay as it is."""
        self.watermarks.setdefault(as_of_us, self.usage(as_of_us))

    def usage(self, as_of_us):
        """What a read at this watermark must give."""
        usage = {}
        for row, stamp_us in self.first_stamps.items():
            if stamp_us <= as_of_us:
                events, tokens = usage.get((row.tenant, row.customer_id), (0, 0))
                mine = int(dict(row.properties).get("tokens", "0"))
                usage[row.tenant, row.customer_id] = (events + 1, tokens + mine)
        return usage

    def read(self, as_of_us, usage, acknowledged):
        """A read began when `acknowledged` events were acknowledged, and gave `usage` as of `as_of_us`."""
        self.handed_out(as_of_us)
        if usage != self.watermarks[as_of_us]:
            self.blame(f"as of {as_of_us} usage is {usage}, was {self.watermarks[as_of_us]}")
        for row in acknowledged:
            if self.first_stamps.get(row, as_of_us + 1) > as_of_us:
                self.blame(f"a read as of {as_of_us} leaves out {row.event_id}, acknowledged before")

    def close(self, stored):
        """The history is over: the store holds what was applied and what was acknowledged, and every watermark shows
        what it showed at first.
        """
        if stored != self.first_stamps:
            self.blame("the store holds other rows than were applied")
        lost = [row.event_id for row in self.acknowledged if row not in stored]
        if lost:
            self.blame(f"acknowledged, and lost: {lost}")
        for as_of_us, usage in self.watermarks.items():
            if self.usage(as_of_us) != usage:
                self.blame(f"as of {as_of_us} usage is {self.usage(as_of_us)}, was {usage}")


def _month(row):
    date = dt.datetime.fromtimestamp(row.event_time_us // 1_000_000, dt.UTC)
    return date.year, date.month
