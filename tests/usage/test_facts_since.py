"""Whose events and corrections came in between two instants: what a watch looks for, and what a close asks about earlier periods."""

from engine.usage.corrections.voids import EventKey, Kind, Void, record_voids
from engine.usage.query.facts_since import late_facts, stored_between
from ingest import IngestClock
from tests.support.usage.content_hashes import content_hash
from tests.support.usage.meter_reads import deliver

HOUR_US = 3_600_000_000
CLOCK = 1_000 * HOUR_US


def event(event_id, customer, time_us, ingested_us, tenant):
    return {
        "tenant": tenant,
        "event_id": event_id,
        "event_type": "call",
        "customer": customer,
        "time_us": time_us,
        "properties": {"value": "1"},
        "ingested_us": ingested_us,
    }


def test_a_watch_finds_whose_events_were_stored_after_one_stamp_up_to_another(shared_store):
    """Of those that are asked for alone, of each tenant its own, and of both bounds the later one counts."""
    stored = [("acme", 10), ("bolt", 11), ("coil", 12), ("acme", 13)]
    deliver(shared_store, [event(f"w{at}", who, HOUR_US, CLOCK + at, "w1") for who, at in stored])
    deliver(shared_store, [event("other", "bolt", HOUR_US, CLOCK + 11, "w2")])
    asked = [("w1", "acme"), ("w1", "bolt"), ("w2", "acme"), ("w2", "bolt"), ("w1", "nobody")]

    def found(after, until):
        return stored_between(shared_store, CLOCK + after, CLOCK + until, asked)

    assert found(9, 10) == {("w1", "acme")}
    assert found(10, 11) == {("w1", "bolt"), ("w2", "bolt")}
    assert found(11, 12) == set()
    assert found(10, 13) == {("w1", "acme"), ("w1", "bolt"), ("w2", "bolt")}
    assert found(13, 99) == set()


def test_late_facts_are_of_the_newest_event_or_correction_of_before_an_instant(shared_store):
    """An event's stamp and a correction's alike; an event of later does not count, nor one of another tenant.

    A retry counts until the store's merge drops it, at a moment of the store's choice: it may only be told
    of a customer who is named anyhow.
    """
    old, young = 5 * HOUR_US, 9 * HOUR_US
    rows = [
        event("a", "acme", old, CLOCK + 10, "l1"),
        event("b", "bolt", old, CLOCK + 20, "l1"),
        event("c", "coil", young, CLOCK + 21, "l1"),
        event("d", "acme", old, CLOCK + 22, "l2"),
        # A retry of the first.
        event("a", "acme", old, CLOCK + 30, "l1"),
    ]
    deliver(shared_store, rows)

    def found(after, as_of, before=6 * HOUR_US):
        return late_facts(
            shared_store, "l1", after_us=CLOCK + after, as_of_us=CLOCK + as_of, before_us=before
        )

    assert found(9, 10) == {"acme": CLOCK + 10}
    assert found(10, 29) == {"bolt": CLOCK + 20}
    with_retry = dict(found(9, 30))
    assert with_retry.pop("acme") in {CLOCK + 10, CLOCK + 30}
    assert with_retry == {"bolt": CLOCK + 20}
    assert found(20, 29, before=10 * HOUR_US) == {"coil": CLOCK + 21}
    assert found(20, 29, before=young) == {}
    clock = IngestClock(CLOCK + 39, lambda _ceiling_us: None)
    key = EventKey("l1", "bolt", "call", old, "b", content_hash({"value": "1"}))
    fact = Void(event=key, voided=True, kind=Kind.VOID, correction_id="c", reason="r", recorded_by="p")
    stamp_us = record_voids([fact], shared_store, clock, lambda: 0)
    assert stamp_us == CLOCK + 40
    assert found(30, 39) == {}
    assert found(30, 40) == {"bolt": stamp_us}
    assert found(30, 40, before=old) == {}
