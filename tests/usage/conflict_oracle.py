"""The slow, obvious log with voids and a reconciler: Python lists, one event at a time. Judges the real ones.

A step is an instant: what happens at a step is seen by every read at that step and later. An event is a delivery of
`usage_oracle`, its `ingested_us` the step at which it was first stored.
"""

from content_hashes import content_hash
from usage_oracle import version_of


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
        """Voids what loses among the ids of the chosen events; returns the versions voided."""
        voided = []
        for tenant, event_id in {(e["tenant"], e["event_id"]) for e in self.events if chosen(e)}:
            alive = [each for each in self.versions_of(tenant, event_id) if not self._state(each, step)[0]]
            losers = sorted(alive, key=_standing)[1:]
            voided += [each for each in losers if not self._state(each, step)[1]]
        self.facts += [(step, version_of(each), True, False) for each in voided]
        return voided

    def _state(self, event, step):
        """(void, decided by a person)"""
        about = [fact for fact in self.facts if fact[1] == version_of(event) and fact[0] <= step]
        by_people = [fact for fact in about if fact[3]]
        if by_people:
            return by_people[-1][2], True
        return bool(about), False


def _standing(event):
    return (
        event["ingested_us"],
        event["time_us"],
        event["customer"].encode(),
        event["event_type"].encode(),
        content_hash(event["properties"]),
    )
