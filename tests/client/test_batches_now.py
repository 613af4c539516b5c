"""`record_batch`: sent now, a receipt for each event."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from grpc import StatusCode

from meterline import Delivery, Event, InvalidArgumentError, Verdict
from tests.support.client.scripted_engine import lose_the_ack, refuse

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_each_event_gets_its_receipt_in_order(engine, connect):
    """Accepted, its repetition, other content for the id, an unknown type: one bad event fails no other."""
    receipts = connect().record_batch(
        [
            Event("acme", "llm.completion", {"n": 1}, "a", NOON),
            Event("acme", "llm.completion", {"n": 1}, "a", NOON),
            Event("acme", "llm.completion", {"n": 2}, "a", NOON),
            Event("acme", "unknown", {}, "b", NOON),
            Event("acme", "llm.completion", {"cost": Decimal("0.25")}),
        ]
    )
    assert [(receipt.verdict, receipt.reason) for receipt in receipts] == [
        (Verdict.ACCEPTED, ""),
        (Verdict.DUPLICATE, ""),
        (Verdict.CONFLICT, "id_reused"),
        (Verdict.REJECTED, "unknown_event_type"),
        (Verdict.ACCEPTED, ""),
    ]
    assert receipts[0].event == Event("acme", "llm.completion", {"n": 1}, "a", NOON)


def test_a_receipt_holds_the_id_and_time_that_were_made(engine, connect):
    """So that the same event can be sent again: it is a duplicate then."""
    client = connect()
    [receipt] = client.record_batch([Event("acme", "llm.completion", {"n": 1})])
    assert receipt.event_id in engine.stored
    assert receipt.event.event_time.tzinfo is UTC
    [again] = client.record_batch([receipt.event])
    assert again.verdict is Verdict.DUPLICATE


def test_a_large_batch_is_split_into_requests(engine, connect):
    """2,500 events in requests of at most 1,000; receipts stay in order, and the counts include them."""
    client = connect()
    receipts = client.record_batch(Event("acme", "llm.completion", {"n": n}) for n in range(2_500))
    assert [len(engine.events_of(payload)) for payload in engine.payloads] == [1_000, 1_000, 500]
    assert [receipt.event.properties["n"] for receipt in receipts] == list(range(2_500))
    assert client.delivery() == Delivery(accepted=2_500)


def test_retries_are_the_same_bytes(engine, connect):
    """A refusal, then a lost ack: three times one payload, one stored event."""
    engine.script.extend([refuse(StatusCode.UNAVAILABLE), lose_the_ack])
    [receipt] = connect().record_batch([Event("acme", "llm.completion")])
    assert receipt.verdict is Verdict.DUPLICATE
    assert len(engine.payloads) == 3
    assert len(set(engine.payloads)) == len(engine.stored) == 1


def test_a_mistake_in_one_event_sends_none(engine, connect):
    """The error names the event's place."""
    with pytest.raises(
        InvalidArgumentError, match="event 1 of the batch: property 'n' is None: leave it out"
    ):
        connect().record_batch(
            [Event("acme", "llm.completion"), Event("acme", "llm.completion", {"n": None})]
        )
    assert engine.requests == []


def test_without_an_engine_every_event_has_failed(engine, connect):
    """No exception: the receipts say what to send again."""
    engine.stop()
    receipts = connect(retry_timeout_s=0.3).record_batch([Event("acme", "llm.completion")] * 3)
    assert [(receipt.verdict, receipt.retryable) for receipt in receipts] == [(Verdict.FAILED, True)] * 3
    assert receipts[0].message.startswith(
        f"no engine answers at {engine.target}: start one with `meterline serve`"
    )


def test_an_empty_batch_sends_nothing(engine, connect):
    """No events, no request, no receipts."""
    assert connect().record_batch([]) == []
    assert engine.requests == []
