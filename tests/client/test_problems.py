"""What was not accepted comes back: to the callback, or to the log."""

import logging
from datetime import UTC, datetime

from grpc import StatusCode

from meterline import CallbackMisuseError, Delivery, Verdict
from tests.support.client.scripted_engine import answer_with_too_few_verdicts, refuse

NEVER_MS = 60_000  # an age that no test reaches
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_counts_name_every_end(engine, connect):
    """Two accepted, one repeated, one id reused for other content, one of an unknown type."""
    receipts = []
    client = connect(on_problem=receipts.append)
    client.record("acme", "llm.completion", {"n": 1}, event_id="a", event_time=NOON)
    client.record("acme", "llm.completion", {"n": 1}, event_id="b", event_time=NOON)
    client.flush(60)
    client.record("acme", "llm.completion", {"n": 1}, event_id="a", event_time=NOON)
    client.record("acme", "llm.completion", {"n": 2}, event_id="b", event_time=NOON)
    client.record("acme", "unknown", {"n": 3}, event_id="c", event_time=NOON)
    assert client.flush(60) == Delivery(accepted=2, duplicate=1, conflict=1, rejected=1)
    by_id = {receipt.event_id: receipt for receipt in receipts}
    assert set(by_id) == {"b", "c"}
    conflict, rejected = by_id["b"], by_id["c"]
    assert (conflict.verdict, conflict.field, conflict.reason) == (Verdict.CONFLICT, "event_id", "id_reused")
    assert (rejected.verdict, rejected.field, rejected.reason, rejected.retryable, rejected.message) == (
        Verdict.REJECTED,
        "event_type",
        "unknown_event_type",
        True,
        "no meter reads it",
    )
    assert rejected.event.properties == {"n": 3}
    assert rejected.event.event_time == NOON


def test_a_callback_that_raises_does_not_stop_the_sending(engine, connect, caplog):
    """Its error is logged with the event's id; the next events go through."""

    def broken(receipt):
        raise SystemExit(receipt.event_id)

    client = connect(on_problem=broken, requests_in_flight_max=1)
    event_id = client.record("acme", "unknown")
    assert client.flush(60).rejected == 1
    client.record("acme", "llm.completion")
    assert client.flush(60) == Delivery(accepted=1, rejected=1)
    assert f"on_problem raised for event {event_id}, which was rejected" in caplog.text


def test_a_log_handler_that_raises_does_not_stop_the_sending(engine, connect, capsys):
    """The events are settled and the next ones go through."""

    class Broken(logging.Handler):
        def handle(self, record):
            raise OSError("the log's disk is full")

    logger, handler = logging.getLogger("meterline"), Broken()
    logger.addHandler(handler)
    try:
        client = connect(requests_in_flight_max=1)
        client.record("acme", "unknown")
        assert client.flush(60).rejected == 1
    finally:
        logger.removeHandler(handler)
    client.record("acme", "llm.completion")
    assert client.flush(60) == Delivery(accepted=1, rejected=1)
    assert "the log's disk is full" in capsys.readouterr().err


def test_without_a_callback_problems_are_logged_once_a_kind(engine, connect, caplog):
    """50 events of an unknown type in one batch are one warning, which names the first."""
    client = connect(batch_age_max_ms=NEVER_MS)
    first = client.record("acme", "unknown")
    for _ in range(49):
        client.record("acme", "unknown")
    with caplog.at_level(logging.WARNING, "meterline"):
        client.flush(60)
    [warning] = [record.getMessage() for record in caplog.records if record.name == "meterline"]
    assert warning == (
        "50 of 50 events rejected (unknown_event_type event_type): no meter reads it; "
        f"first: event {first} of customer acme"
    )


def test_waiting_inside_the_callback_is_refused(engine, connect):
    """A flush there would wait for the callback itself."""
    caught = []

    def waits(_receipt):
        for call in (client.flush, client.close):
            try:
                call()
            except CallbackMisuseError as error:
                caught.append(str(error))

    client = connect(on_problem=waits)
    client.record("acme", "unknown")
    client.flush(60)
    assert caught == [
        "flush() in on_problem would wait for itself: call it elsewhere",
        "close() in on_problem would wait for itself: call it elsewhere",
    ]


def test_a_callback_may_record(engine, connect):
    """For instance the mended event."""

    def mend(receipt):
        client.record(receipt.event.customer_id, "llm.completion", receipt.event.properties)

    client = connect(on_problem=mend)
    client.record("acme", "unknown", {"n": 1})
    client.flush(60)
    assert client.flush(60) == Delivery(accepted=1, rejected=1)


def test_a_final_status_fails_the_batch_and_later_batches_go_on(engine, connect):
    """The engine refuses one request for good: its events are reported, with the status as the reason."""
    receipts = []
    engine.script.append(refuse(StatusCode.INVALID_ARGUMENT))
    client = connect(on_problem=receipts.append)
    ids = [client.record("acme", "llm.completion") for _ in range(3)]
    assert client.flush(60).failed == 3
    assert [receipt.event_id for receipt in receipts] == ids
    assert {(r.verdict, r.reason, r.retryable) for r in receipts} == {
        (Verdict.FAILED, "invalid_argument", False)
    }
    client.record("acme", "llm.completion")
    assert client.flush(60) == Delivery(accepted=1, failed=3)
    assert len(engine.requests) == 2


def test_an_answer_of_the_wrong_length_is_no_acknowledgement(engine, connect):
    """One verdict for two events says nothing about either."""
    receipts = []
    engine.script.append(answer_with_too_few_verdicts)
    client = connect(on_problem=receipts.append)
    client.record("acme", "llm.completion")
    client.record("acme", "llm.completion")
    assert client.flush(60).failed == 2
    assert {receipt.reason for receipt in receipts} == {"malformed_answer"}
