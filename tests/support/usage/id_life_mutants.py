"""Ways to break the rule of an id's life, each of which the random worlds must notice.

A mutant replaces one function of the engine by one that is wrong in a way in which somebody could write it.
"""

import contextlib
from dataclasses import replace
from unittest.mock import patch

from engine.usage.corrections import correction_facts, corrections, id_states, settling, voids
from engine.usage.corrections.id_states import OWN_KINDS, VersionState
from engine.usage.corrections.reconciler import Reconciler


def _exempt_for_ever(to_settle):
    def found(history, states, decided=()):
        by_people = {fact.event for fact in history.facts if fact.kind not in OWN_KINDS}
        return [each for each in to_settle(history, states, decided) if each[0] not in by_people]

    return found


def _undo_alone(_to_settle):
    return lambda _history, _states, decided=(): []


def _order_by_version(in_the_way):
    def newest(facts, correction_id):
        mine = {fact.event for fact in facts if fact.correction_id == correction_id}
        return in_the_way([fact for fact in facts if fact.event in mine], correction_id)

    return newest


def _undone_for_ever(_in_effect):
    def effective(facts, undone=""):
        undoes = {fact.correction_id: fact.undoes for fact in facts if fact.kind not in OWN_KINDS}
        return frozenset(undoes.keys() - {undone, *undoes.values()})

    return effective


def _restore_anything(_restorable):
    return property(lambda state: not state.counts and state.lost_to is not None)


def _lost_to_the_last(_first_that_counts):
    def last(states):
        counting = [(state.place_us, repr(event), event) for event, state in states.items() if state.counts]
        return max(counting)[2] if counting else None

    return last


def _draft_without_what_follows(draft):
    def drafted(self, plan):
        return draft(
            self, replace(plan, facts=tuple(fact for fact in plan.facts if fact.kind not in OWN_KINDS))
        )

    return drafted


def _stamped_early(fact_columns):
    return lambda facts, stamp_us: fact_columns(facts, stamp_us - 10)


# What each replaces: (owner, name, the mutant made from the original).
MUTANTS = {
    "what a person decided on is exempt for ever": [
        (correction_facts, "to_settle", _exempt_for_ever),
        (settling, "to_settle", _exempt_for_ever),
    ],
    "an undo ignores other versions of its ids": [(correction_facts, "to_settle", _undo_alone)],
    "the order of undos is that of a version": [(correction_facts, "in_the_way", _order_by_version)],
    "an undone undo still undoes": [(id_states, "in_effect", _undone_for_ever)],
    "a voided version can be restored": [(VersionState, "restorable", _restore_anything)],
    "an arrival is lost to the last that counts": [(id_states, "_first_that_counts", _lost_to_the_last)],
    "a corrected id is never settled again": [
        (Reconciler, "_settle_corrected", lambda _settle: lambda _self, _hashes: 0)
    ],
    "a draft lacks what follows": [(corrections.Corrections, "draft", _draft_without_what_follows)],
    "a fact is stamped before a watermark": [(voids, "fact_columns", _stamped_early)],
}


@contextlib.contextmanager
def mutated(name):
    with contextlib.ExitStack() as stack:
        for owner, attribute, mutant in MUTANTS[name]:
            stack.enter_context(patch.object(owner, attribute, mutant(getattr(owner, attribute))))
        yield
