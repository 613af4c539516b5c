"""The slow, obvious log with corrections: Python lists, one event at a time. Judges the real one.

It knows what counts now, and nothing of watermarks: who asks keeps the answers. Events are deliveries of
`usage_oracle`; a version is `version_of` one.
"""

from content_hashes import content_hash
from usage_oracle import version_of


class RefusedError(Exception):
    """The correction can't be made."""


class Ledger:
    """Everything that was stored, put in the place of something, and decided."""

    def __init__(self):
        self.logged = {}
        self.replacements = {}
        self.facts = []
        self.corrections = []

    def accept(self, stamp_us, event):
        self.logged.setdefault(version_of(event), {**event, "ingested_us": stamp_us})

    def counting(self):
        """The events that count."""
        return [
            self.replacements.get(version) or self.logged[version]
            for version in {**self.logged, **self.replacements}
            if not self._state(version)[0]
        ]

    def settle(self):
        """Of each id the first that counts stands; others go, unless a person wanted them."""
        by_id = {}
        for event in self.counting():
            by_id.setdefault((event["tenant"], event["event_id"]), []).append(event)
        for events in by_id.values():
            for loser in sorted(events, key=self._standing)[1:]:
                if not self._state(version_of(loser))[1]:
                    self.facts.append((version_of(loser), True, None))

    def void(self, name, chosen):
        self._record(name, [(version_of(event), True) for event in chosen])

    def amend(self, name, stamp_us, chosen, change):
        """`change` makes the new event of an old one."""
        if len({event["event_id"] for event in chosen}) < len(chosen):
            raise RefusedError
        counting = {version_of(event) for event in self.counting()}
        facts = []
        for event in chosen:
            new = change(event)
            if version_of(new) == version_of(event):
                continue
            facts.append((version_of(event), True))
            if version_of(new) not in counting:
                facts.append((version_of(new), False))
                first_us = self._first_us(version_of(event))
                known = self.replacements.get(version_of(new))
                self.replacements[version_of(new)] = known or {
                    **new,
                    "ingested_us": stamp_us,
                    "first_us": first_us,
                }
        self._record(name, facts)

    def restore(self, name, event_id):
        found = [
            version
            for version, event in self.logged.items()
            if event["event_id"] == event_id and self._state(version) == (True, False)
        ]
        if len(found) != 1:
            raise RefusedError
        self._record(name, [(found[0], False)])

    def restorable_ids(self):
        """The ids of which the reconciler voided a version that nobody has decided on; in a fixed order."""
        found = {
            event["event_id"]
            for version, event in self.logged.items()
            if self._state(version) == (True, False)
        }
        return sorted(found)

    def undo(self, name, undone):
        (correction,) = [each for each in self.corrections if each["name"] == undone]
        place = self.corrections.index(correction)
        touched = {version for version, _ in correction["facts"]}
        for later in self.corrections[place + 1 :]:
            touches = touched & {version for version, _ in later["facts"]}
            undoes_later = later["undoes"] in [each["name"] for each in self.corrections[place + 1 :]]
            if touches and not undoes_later and self.in_effect(later):
                raise RefusedError
        self._record(name, [(version, not voided) for version, voided in correction["facts"]], undone)

    def in_effect(self, correction):
        return not any(
            each["undoes"] == correction["name"] and self.in_effect(each) for each in self.corrections
        )

    def _record(self, name, facts, undoes=None):
        if not facts:
            raise RefusedError
        self.corrections.append({"name": name, "facts": facts, "undoes": undoes})
        self.facts += [(version, voided, name) for version, voided in facts]

    def _state(self, version):
        """(void, decided by a person)"""
        about = [fact for fact in self.facts if fact[0] == version]
        by_people = [fact for fact in about if fact[2] is not None]
        if by_people:
            return by_people[-1][1], True
        return bool(about), False

    def _first_us(self, version):
        known = [self.logged[version]["ingested_us"]] if version in self.logged else []
        if version in self.replacements:
            known.append(self.replacements[version]["first_us"])
        return min(known)

    def _standing(self, event):
        return (
            self._first_us(version_of(event)),
            event["time_us"],
            event["customer"].encode(),
            event["event_type"].encode(),
            content_hash(event["properties"]),
        )
