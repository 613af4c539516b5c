"""What was decided on acknowledged events reaches the hot window of every gateway, and so the advice to producers."""

import itertools
from dataclasses import replace

import pytest

from engine.usage.corrections.reconciler import Reconciler
from engine.usage.corrections.voids import EventKey, Kind, Void, record_voids
from engine.usage.recording.committer import Committer
from engine.usage.recording.intake import Intake
from engine.usage.recording.void_listener import VoidListener
from engine.usage.store.usage_store import UsageStore
from ingest import Admission, Fingerprinter, HotWindow, IngestClock, Limits, RequestKind, Verdict
from meterline.v1.usage_pb2 import RecordUsageRequest
from tests.support.ingest.admission_oracle import Row
from tests.support.ingest.event_columns import message_of
from tests.support.usage.content_hashes import content_hash

ACCEPTED, DUPLICATE, CONFLICT = Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.CONFLICT
TIME_US = 1_750_000_000_000_000
LIMITS = Limits(event_age_max_s=10**9)


class Gateway:
    """One engine's way in and its ear, without threads; store and clock are shared."""

    def __init__(self, store, clock, now_us, secret):
        fingerprinter = Fingerprinter(secret)
        window = HotWindow(100)
        # As an engine does when it starts.
        window.remember(fingerprinter.of(store.recent_events(100)))
        self.committer = Committer(store, window, clock, LIMITS, now_us)
        admission = Admission(LIMITS, {"call": frozenset()})
        self._intake = Intake(
            self.committer, lambda _tenant: admission, fingerprinter, LIMITS, lambda: TIME_US
        )
        self.listener = VoidListener(store, clock, now_us, fingerprinter.of, self._tell)

    def _tell(self, decisions):
        self.committer.tell(decisions)
        self.committer.worker.turn()

    def verdict(self, event_id, value):
        """What a producer is told of this event."""
        event = Row("t1", event_id, "call", "acme", TIME_US, (("value", value),))
        data = RecordUsageRequest(events=[message_of(event)]).SerializeToString()
        future = self._intake.submit("t1", RequestKind.RECORD, data)
        self._intake.worker.turn()
        self.committer.worker.turn()
        return Verdict(int(future.result(0).verdicts[0]))


@pytest.fixture
def store(tmp_path):
    opened = UsageStore.open_embedded(tmp_path / "usage")
    yield opened
    opened.close()


@pytest.fixture
def clock():
    return IngestClock(0, lambda _ceiling_us: None)


@pytest.fixture
def now_us():
    return itertools.count(1).__next__


@pytest.fixture
def gateways(store, clock, now_us):
    return [Gateway(store, clock, now_us, bytes([number])) for number in range(2)]


def decision(event_id, value, *, voided):
    return Void(
        event=EventKey("t1", "acme", "call", TIME_US, event_id, content_hash({"value": value})),
        voided=voided,
        kind=Kind.VOID if voided else Kind.RESTORE,
        correction_id="c",
        reason="said so",
        recorded_by="p",
    )


def test_a_gateway_learns_which_of_two_contents_stands(gateways, store, clock, now_us):
    """The second gateway took the later one: after the reconciler it tells both versions what the first tells."""
    first, second = gateways
    assert first.verdict("a", "1") is ACCEPTED
    assert second.verdict("a", "2") is ACCEPTED
    assert second.verdict("a", "1") is CONFLICT
    assert Reconciler(store, clock, now_us).next_pass().voided == 1
    for gateway in gateways:
        gateway.listener.listen()
        assert [gateway.verdict("a", value) for value in "123"] == [DUPLICATE, CONFLICT, CONFLICT]


def test_an_id_whose_event_a_person_voided_can_be_used_again(gateways, store, clock, now_us):
    """Other content under it is accepted, at every gateway; other ids are told what they were told before."""
    for gateway, event_id in zip(gateways, "ab", strict=True):
        assert gateway.verdict(event_id, "1") is ACCEPTED
        assert gateway.verdict("kept" + event_id, "1") is ACCEPTED
    record_voids([decision(each, "1", voided=True) for each in "ab"], store, clock, now_us)
    for gateway, event_id in zip(gateways, "ab", strict=True):
        gateway.listener.listen()
        assert gateway.verdict(event_id, "2") is ACCEPTED
        assert gateway.verdict(event_id, "1") is CONFLICT
        assert gateway.verdict("kept" + event_id, "1") is DUPLICATE


def test_a_retry_of_a_void_event_falls_on_the_row_that_is_there(gateways, store, clock, now_us):
    """It is told that it is stored, which it is, once; and it stays void."""
    gateway = gateways[0]
    assert gateway.verdict("a", "1") is ACCEPTED
    record_voids([decision("a", "1", voided=True)], store, clock, now_us)
    gateway.listener.listen()
    assert gateway.verdict("a", "1") is ACCEPTED
    assert len(store.recent_events(10)) == 0


def test_an_event_that_was_amended_keeps_its_id(gateways, store, clock, now_us):
    """What stands instead was never sent: a retry is still of the sent one, and other content is a conflict."""
    gateway = gateways[0]
    assert gateway.verdict("a", "1") is ACCEPTED
    amended = decision("a", "1 and more", voided=False).event
    record_voids([replace(decision("a", "1", voided=True), stands=amended)], store, clock, now_us)
    gateway.listener.listen()
    assert [gateway.verdict("a", value) for value in "12"] == [DUPLICATE, CONFLICT]


AMENDED = decision("a", "1 and more", voided=False).event


@pytest.mark.parametrize(
    ("facts", "sent_later", "told"),
    [
        ([], [], [DUPLICATE, CONFLICT]),
        ([replace(decision("a", "1", voided=True), stands=AMENDED)], [], [DUPLICATE, CONFLICT]),
        (
            [replace(decision("a", "1", voided=True), stands=AMENDED), decision("a", "1", voided=False)],
            [],
            [DUPLICATE, CONFLICT],
        ),
        (
            [replace(decision("a", "1", voided=True), stands=AMENDED)],
            ["1 and more"],
            [CONFLICT, CONFLICT],
        ),
        ([decision("a", "1", voided=True)], [], [ACCEPTED, CONFLICT]),
    ],
    ids=["nothing", "amended", "amended and undone", "amended to what is sent too", "void"],
)
def test_an_engine_that_starts_again_knows_an_id_as_before(store, clock, now_us, facts, sent_later, told):
    """Sent as "1"; then "1" and other content are sent again: to a gateway that heard of the decision as it ran, and
    to one that starts after it. Nothing may slip in while an amendment stands in the place of what was sent.
    """
    running, other = (Gateway(store, clock, now_us, bytes([number])) for number in range(2))
    assert running.verdict("a", "1") is ACCEPTED
    for fact in facts:
        record_voids([fact], store, clock, now_us)
    for value in sent_later:
        assert other.verdict("a", value) is ACCEPTED
    running.listener.listen()
    started = Gateway(store, clock, now_us, b"started")
    assert [started.verdict("a", value) for value in "12"] == told
    assert [running.verdict("a", value) for value in "12"] == told


def test_what_was_restored_is_a_duplicate_again(gateways, store, clock, now_us):
    """A void and its end that are heard together change nothing."""
    gateway = gateways[0]
    assert gateway.verdict("a", "1") is ACCEPTED
    for voided in (True, False):
        record_voids([decision("a", "1", voided=voided)], store, clock, now_us)
    gateway.listener.listen()
    assert [gateway.verdict("a", value) for value in "12"] == [DUPLICATE, CONFLICT]


def test_more_decisions_than_fit_one_look_are_all_heard(gateways, store, clock, now_us, monkeypatch):
    """In looks of four facts and pages of three events."""
    monkeypatch.setattr("engine.usage.recording.void_listener.FACTS_AT_ONCE", 4)
    monkeypatch.setattr("engine.usage.recording.void_listener._EVENTS_AT_ONCE", 3)
    first, second = gateways
    ids = [f"e{number}" for number in range(17)]
    for event_id in ids:
        assert first.verdict(event_id, "1") is ACCEPTED
        assert second.verdict(event_id, "2") is ACCEPTED
    for event_id in ids:
        record_voids([decision(event_id, "2", voided=True)], store, clock, now_us)
    second.listener.listen()
    assert [second.verdict(event_id, "1") for event_id in ids] == [ACCEPTED] * len(ids)
