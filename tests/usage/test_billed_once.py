"""An id is billed once, whatever was voided, amended and undone: money worked out by hand, at 1 USD a unit."""

import pytest

from engine.errors import CorrectionRefusedError
from engine.usage.corrections.correction import Amendment, Correction, EventRef, EventRefs, Signature, Undone
from engine.usage.corrections.voids import Kind
from tests.support.usage.id_life_engine import TENANT, TIMES_US, Engine

MIDNIGHT, ONE_O_CLOCK = TIMES_US[:2]
CATALOG = """
meters: [{id: value, event_type: call, aggregation: sum, value: value}]
plans:
  - id: p
    name: P
    currency: USD
    prices: [{id: value, meter: value, model: per_unit, unit_amount: "1"}]
customers: [{id: acme, name: Acme}]
subscriptions: [{customer: acme, plan: p, start: 2026-10-01}]
"""


@pytest.fixture
def trial(tmp_path):
    opened = Trial(Engine(tmp_path / "usage", catalog=CATALOG))
    yield opened
    opened.engine.close()


class Trial:
    """What a person does with one customer's events, and what the bill says."""

    def __init__(self, engine):
        self.engine = engine
        self._corrections = engine.gateways[0].corrections

    def record(self, event_id, value, time_us=MIDNIGHT):
        version = ("acme", "call", time_us, (("id", event_id), ("value", value)))
        self.engine.deliver([(event_id, version)])

    def bill(self):
        (line,) = self.engine.lines(self.engine.as_of_us()).values()
        return f"{line.rated.amount:.2f}", line.event_count

    def void(self, event_id, name):
        self._correct(Correction(Kind.VOID, _refs(event_id)), name)

    def amend(self, event_id, value, name):
        self._correct(Correction(Kind.AMEND, _refs(event_id), Amendment((("value", value),))), name)

    def undo(self, undone, name):
        self._correct(Correction(Kind.UNDO, Undone(undone)), name)

    def undo_tried(self, undone):
        """The total without and with it."""
        plan = self._corrections.plan(
            TENANT, Correction(Kind.UNDO, Undone(undone)), Signature("tried", "", "")
        )
        _, effect = self.engine.tried(plan, 0)
        return tuple(f"{amount:.2f}" for amount in effect.totals["USD"])

    def conflicts(self):
        """(value that was lost, the value that stands, whether it is void)"""
        return [
            (each.voided.properties["value"], each.stands.properties["value"], each.void)
            for each in self.engine.conflicts(self.engine.as_of_us())
        ]

    def _correct(self, correction, name):
        self._corrections.record(TENANT, correction, Signature(name, "ada", "a trial"))


def _refs(event_id):
    return EventRefs((EventRef(event_id),))


@pytest.fixture
def amended(trial):
    """X is 10 and void; sent again as 20, which counts and is amended to 25."""
    trial.record("X", "10", MIDNIGHT)
    trial.void("X", "k1")
    trial.record("X", "20", ONE_O_CLOCK)
    assert trial.bill() == ("20.00", 1)
    trial.amend("X", "25", "k2")
    assert trial.bill() == ("25.00", 1)
    return trial


def test_a_void_is_not_undone_under_an_amendment_of_the_same_id(amended):
    """25 counts: with the void undone 10 would count beside it, and the bill be 35.00."""
    with pytest.raises(CorrectionRefusedError, match=r"'k1' can't be undone: 'k2' .*'X'"):
        amended.undo("k1", "u1")
    assert amended.bill() == ("25.00", 1)


def test_with_amendment_and_void_undone_the_first_event_is_billed_alone(amended):
    """20.00, then 10.00; the second is in conflict with the first, and void."""
    amended.undo("k2", "u2")
    assert amended.bill() == ("20.00", 1)
    amended.undo("k1", "u1")
    assert amended.bill() == ("10.00", 1)
    assert amended.conflicts() == [("20", "10", True)]


@pytest.fixture
def voided_twice(trial):
    """X is 10 and void; sent again as 20, which is void as well."""
    trial.record("X", "10", MIDNIGHT)
    trial.void("X", "k1")
    trial.record("X", "20", ONE_O_CLOCK)
    trial.void("X", "k2")
    assert trial.bill() == ("0.00", 0)
    return trial


def test_with_both_voids_undone_the_first_event_is_billed_alone(voided_twice):
    """The later one first: 20.00, then 10.00."""
    voided_twice.undo("k2", "u2")
    assert voided_twice.bill() == ("20.00", 1)
    voided_twice.undo("k1", "u1")
    assert voided_twice.bill() == ("10.00", 1)
    assert voided_twice.conflicts() == [("20", "10", True)]


def test_the_earlier_void_is_not_undone_first(voided_twice):
    """Nothing counts until the later one is undone; with the undo of the earlier one undone, 20 counts again."""
    with pytest.raises(CorrectionRefusedError, match=r"'k1' can't be undone: 'k2' .*'X'"):
        voided_twice.undo("k1", "u1")
    assert voided_twice.bill() == ("0.00", 0)
    voided_twice.undo("k2", "u2")
    voided_twice.undo("k1", "u1")
    voided_twice.undo("u1", "u3")
    assert voided_twice.bill() == ("20.00", 1)
    assert voided_twice.conflicts() == []


def test_the_dry_run_of_an_undo_shows_what_the_undo_leaves(trial):
    """35 of X, and Y: 100 was voided, 200 was sent instead. Undone: 235.00 -> 135.00, tried and done."""
    trial.record("X", "35")
    trial.record("Y", "100", MIDNIGHT)
    trial.void("Y", "k4")
    trial.record("Y", "200", ONE_O_CLOCK)
    assert trial.bill() == ("235.00", 2)
    assert trial.undo_tried("k4") == ("235.00", "135.00")
    assert trial.bill() == ("235.00", 2)
    trial.undo("k4", "u4")
    assert trial.bill() == ("135.00", 2)
