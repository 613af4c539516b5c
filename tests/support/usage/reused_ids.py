"""Events whose ids are used more than once, and what a meter reads of them."""

from engine.usage.corrections.voids import EventKey, Kind, Void
from tests.support.usage.content_hashes import content_hash
from tests.support.usage.meter_reads import usage_by_store
from tests.support.usage.usage_histories import MONTH_US, PERIOD_US

CUSTOMERS = ("acme", "bolt", "'; DROP TABLE events; --")


IDS = ("a", "b", "'", '"\\', "\x00", "\N{ROCKET}{ids:Array(UInt64)}", "%(x)s\n")


TIMES_US = (PERIOD_US[0], PERIOD_US[0] + 1, PERIOD_US[1] - 1, PERIOD_US[0] - MONTH_US)


COUNT = {"id": "m", "event_type": "call", "aggregation": "count"}


def key_of(event):
    return EventKey(
        event["tenant"],
        event["customer"],
        event["event_type"],
        event["time_us"],
        event["event_id"],
        content_hash(event["properties"]),
    )


def event_of(event_id="a", value="1", *, ingested_us=0, **fields):
    made = {
        "tenant": "t1",
        "event_id": event_id,
        "event_type": "call",
        "customer": "acme",
        "time_us": PERIOD_US[0],
        "properties": {"value": value},
        "ingested_us": ingested_us,
    }
    return made | fields


def decision(event, *, voided):
    return Void(
        event=key_of(event),
        voided=voided,
        kind=Kind.VOID,
        correction_id="c",
        reason="said so",
        recorded_by="p",
    )


def read(store, meter, as_of_us, tenant="t1"):
    return usage_by_store(
        store, meter, tenant=tenant, customers=list(CUSTOMERS), period_us=PERIOD_US, as_of_us=as_of_us
    )


def as_quantities(found):
    return {
        key: (each.quantity, each.event_count, each.unreadable_event_count, each.event_digest)
        for key, each in found.items()
    }
