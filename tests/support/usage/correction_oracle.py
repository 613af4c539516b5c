"""The slow, obvious log with corrections: Python lists, one event at a time. Judges the real one.

Of one tenant. It knows what counts now that every id is settled, and nothing of watermarks: who asks keeps the answers. Events are
deliveries of `usage_oracle`; a version is `version_of` one. The rule: what was
undone never happened; who arrives while another version of his id counts is lost.
"""

from tests.support.usage.usage_oracle import standing_order, version_of


class RefusedError(Exception):
    """The correction can't be made."""


class Ledger:
    """Everything that arrived and was decided, in its order; what counts is found by living through it again."""

    def __init__(self):
        self.logged = {}
        self.replacements = {}
        self.corrections = []
        # What happened, in order: ("arrives", version) or ("decides", correction).
        self._happened = []

    def accept(self, stamp_us, events):
        """What was stored under one stamp."""
        new = {version_of(event): {**event, "ingested_us": stamp_us} for event in events}
        new = {version: event for version, event in new.items() if version not in self.logged}
        self.logged |= new
        arrivals = sorted(new.values(), key=standing_order)
        self._happened += [("arrives", version_of(event)) for event in arrivals]

    def counting(self):
        """The events that count."""
        return [
            self.replacements.get(version) or self.logged[version]
            for version, (counts, *_) in self._states().items()
            if counts
        ]

    def void(self, name, chosen):
        self._record(name, [(version_of(event), True, None) for event in chosen])

    def amend(self, name, stamp_us, chosen, change):
        """`change` makes the new event of an old one."""
        if len({event["event_id"] for event in chosen}) < len(chosen):
            raise RefusedError
        counting = {version_of(event) for event in self.counting()}
        facts = []
        for event in chosen:
            old, new = version_of(event), change(event)
            if version_of(new) == old:
                continue
            facts.append((old, True, None))
            if version_of(new) not in counting:
                facts.append((version_of(new), False, old))
                known = self.replacements.get(version_of(new))
                self.replacements[version_of(new)] = known or {**new, "ingested_us": stamp_us}
        self._record(name, facts)

    def restore(self, name, event_id):
        found = [version for version in self._restorable() if version[4] == event_id]
        if len(found) != 1:
            raise RefusedError
        self._record(name, [(found[0], False, None)])

    def restorable_ids(self):
        """The ids of which a version was lost that nobody has decided on; in a fixed order."""
        return sorted({version[4] for version in self._restorable()})

    def undo(self, name, undone):
        (correction,) = [each for each in self.corrections if each["name"] == undone]
        if not self.in_effect(correction):
            raise RefusedError
        later = self.corrections[self.corrections.index(correction) + 1 :]
        for each in later:
            shares = correction["ids"] & each["ids"]
            cancels_later = each["undoes"] in [other["name"] for other in later]
            if shares and self.in_effect(each) and not cancels_later:
                raise RefusedError
        self.corrections.append({"name": name, "facts": [], "undoes": undone, "ids": correction["ids"]})

    def in_effect(self, correction):
        return not any(
            each["undoes"] == correction["name"] and self.in_effect(each) for each in self.corrections
        )

    def _record(self, name, facts):
        if not facts:
            raise RefusedError
        ids = {version[4] for version, *_ in facts}
        self.corrections.append({"name": name, "facts": facts, "undoes": None, "ids": ids})
        self._happened.append(("decides", self.corrections[-1]))

    def _restorable(self):
        return [
            version
            for version, (counts, decided, lost, _) in self._states().items()
            if lost and not counts and not decided
        ]

    def _states(self):
        """Version -> whether it counts, whether a person decided on it, whether it was lost when it came, its place."""
        states = {}
        for what, about in self._happened:
            if what == "decides":
                for version, voided, instead_of in about["facts"] if self.in_effect(about) else ():
                    _, _, lost, place = states.get(version, (False, False, False, None))
                    place = states[instead_of][3] if instead_of else place
                    states[version] = (not voided, True, lost, place)
            elif about not in states:
                lost = any(counts and version[4] == about[4] for version, (counts, *_) in states.items())
                states[about] = (not lost, False, lost, standing_order(self.logged[about]))
        return states
