"""The slow, obvious log with voids and a reconciler: Python lists, one event at a time. Judges the real ones.

A step is an instant: what happens at a step is seen by every read at that step and later. An event is a delivery of
`usage_oracle`, its `ingested_us` the step at which it was first stored.
"""

from tests.support.usage.usage_oracle import standing_order, version_of


class Log:
    """Everything that was stored, and every decision about it."""

    def __init__(self):
        self.events = []
        self.facts = []

    def versions_of(self, tenant, event_id):
        return [each for each in self.events if (each["tenant"], each["event_id"]) == (tenant, event_id)]

    def accept(self, step, event):
        """Stores a delivery, unless its very version is there."""
        if all(version_of(event) != version_of(each) for each in self.events):
            self.events.append({**event, "ingested_us": step})

    def decide(self, step, event, voided):
        self.facts.append((step, version_of(event), voided, True))

    def alive(self, step):
        """What a read at this step sees."""
        return [
            each for each in self.events if each["ingested_us"] <= step and not self._state(each, step)[0]
        ]

    def reconcile(self, step, chosen=lambda _event: True):
        """Settles the ids of the chosen events; returns the versions voided.

        Of an id that nobody has decided on the first of what is alive stands. Of another one every version becomes what
        living through its history makes of it: who arrives while another counts is lost, and decisions come as they came.
        """
        voided = []
        for tenant, event_id in {(e["tenant"], e["event_id"]) for e in self.events if chosen(e)}:
            versions = sorted(self.versions_of(tenant, event_id), key=standing_order)
            alive = [each for each in versions if not self._state(each, step)[0]]
            lost = [each for each in alive[1:] if not self._state(each, step)[1]]
            self.facts += [(step, version_of(each), True, False) for each in lost]
            voided += lost
            if any(self._state(each, step)[1] for each in versions):
                voided += self._live_through(step, versions)
        return voided

    def _live_through(self, step, versions):
        counts, lost = {}, set()
        names = [version_of(each) for each in versions]
        facts = [fact for fact in self.facts if fact[1] in names and fact[3] is True and fact[0] <= step]
        moments = [(each["ingested_us"], 0, place, each) for place, each in enumerate(versions)]
        moments += [(fact[0], 1, place, fact) for place, fact in enumerate(facts)]
        for _, decides, _, about in sorted(moments, key=lambda each: each[:3]):
            if decides:
                counts[about[1]] = not about[2]
            elif any(counts.values()):
                counts[version_of(about)] = False
                lost.add(version_of(about))
            else:
                counts[version_of(about)] = True
        voided = []
        for each in versions:
            name = version_of(each)
            if self._state(each, step)[0] is counts[name]:
                # Stands from now on beside a person's decision, the newest first.
                self.facts.append((step, name, not counts[name], "settled"))
                voided += [each] if not counts[name] and name in lost else []
        return voided

    def _state(self, event, step):
        """(void, decided: by a person, or settled after that)"""
        about = [fact for fact in self.facts if fact[1] == version_of(event) and fact[0] <= step]
        decided = [fact for fact in about if fact[3]]
        if decided:
            return decided[-1][2], True
        return bool(about), False
