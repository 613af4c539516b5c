"""Usage that expired under an engine of the first form still answers: every quantity, and a digest that says what it is.

May has expired of acme and bolt, and of cut it hasn't; June and July are there.
"""

import itertools
from dataclasses import replace
from datetime import UTC, datetime

import clickhouse_connect
import pytest

from engine.billing.meter_usage import measure_of
from engine.catalog.kinds.meter import Meter
from engine.errors import UsageExpiredError
from engine.times import datetime_us
from engine.upkeep.expire import Clock, Expire
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.query.usage_reader import UsageReader
from engine.usage.rollups.coverage import Coverages
from engine.usage.rollups.rollups import Rollups
from engine.usage.rollups.write import Worth
from engine.usage.store.query import Query
from engine.usage.store.usage_store import UsageStore
from ingest import IngestClock
from tests.support.usage.digest_oracle import digest_of
from tests.support.usage.first_form_store import EXPIRED_CUSTOMERS, first_form_statements
from tests.support.usage.meter_reads import deliver

MAY, JUNE, JULY, AUGUST = (datetime_us(datetime(2025, month, 1, tzinfo=UTC)) for month in (5, 6, 7, 8))
HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
CUSTOMERS = ["acme", "bolt", "cut"]
SUM = {"id": "m", "event_type": "call", "aggregation": "sum", "value": "v"}
GROUPED = {**SUM, "group_by": ["region"]}
CARRIED = {**SUM, "carries_over": True}
# Under which an engine of the first form kept SUM and CARRIED, and GROUPED.
KEYS = {"5dac531b2c65e6676c633e656664eb83": "[]", "dab472327e0ad39db620f7c9678b9c01": "['eu']"}
# What it answered: the digests of May.
OF_MAY = {"acme": "67d2975e91cc68fe0fe23c111f91082f", "bolt": "f73e9158f053db6da416e197ae20ce9b"}
GROUPS_MAX = 1_000
WORTH = Worth(hour_events_min=1, hour_month_events_min=1, day_events_min=1, day_month_events_min=1)


def _event(event_id, time_us, value, customer):
    return {
        "tenant": "t",
        "event_id": event_id,
        "event_type": "call",
        "customer": customer,
        "time_us": time_us,
        "properties": {"v": value, "region": "eu"},
        "ingested_us": 1,
    }


EVENTS = [
    _event("a0", MAY, "1", "acme"),
    _event("a1", MAY + 20 * DAY_US + HOUR_US // 2, "2", "acme"),
    _event("b0", MAY + 3 * DAY_US, "10", "bolt"),
    _event("c0", MAY + 5 * DAY_US, "100", "cut"),
    _event("a2", JUNE + DAY_US + 7, "4", "acme"),
    _event("b1", JUNE, "20", "bolt"),
    _event("c1", JUNE + 2 * DAY_US, "200", "cut"),
    _event("a3", JULY + 5 * HOUR_US, "8", "acme"),
]


def _of(customers, start_us, end_us):
    """The digest of today's form of what they had in this time."""
    return digest_of(
        each for each in EVENTS if each["customer"] in customers and start_us <= each["time_us"] < end_us
    )


def _left_by_the_first_form(path):
    first = UsageStore.open_embedded(path)
    deliver(first, EVENTS)
    first.close()
    client = clickhouse_connect.get_client(interface="chdb", path=str(path), database="meterline")
    client.command("DROP TABLE expired_customers SYNC")
    client.command(EXPIRED_CUSTOMERS)
    expired = first_form_statements(KEYS, tenant="t", customers=["acme", "bolt"], before_us=JUNE, at_us=1_000)
    for statement in expired:
        client.command(statement)
    client.close()


class Usage:
    """The store of an engine of today's form, and all that works on it."""

    def __init__(self, store):
        self.store = store
        self.clock = IngestClock(2_000, lambda _ceiling_us: None)
        self.now_us = itertools.count(3_000).__next__
        self.rollups = Rollups(store, self.clock, self.now_us, WORTH)
        coverages = Coverages(store, lambda: 0, age_max_ns=0)
        self.reader = UsageReader(store, coverages, days_for_customers_min=1)

    def asked(self, *bounds_us, fields=SUM, customers=CUSTOMERS, **changes):
        as_of_us = self.clock.watermark(self.now_us())
        asked = measure_of("t", Meter.read(fields)).asked(list(customers), bounds_us, as_of_us)
        return replace(asked, **changes)

    def read(self, *bounds_us, **changes):
        """Customer and window -> quantity, event count, digest."""
        found = self.reader.read(self.asked(*bounds_us, **changes), GROUPS_MAX)
        return {
            (each.customer_id, each.window): (int(each.quantity), each.event_count, each.event_digest)
            for each in found
        }

    def expire(self, before_us):
        clock = Clock(self.clock, self.now_us, lambda _seconds: None)
        reconciler = Reconciler(self.store, self.clock, self.now_us)
        meters = [measure_of("t", Meter.read(each)) for each in (SUM, GROUPED, CARRIED)]
        return Expire(self.store, self.rollups, reconciler, clock).expire("t", meters, before_us, ())


@pytest.fixture
def usage(tmp_path):
    _left_by_the_first_form(tmp_path / "usage")
    store = UsageStore.open_embedded(tmp_path / "usage")
    yield Usage(store)
    store.close()


def test_what_has_expired_has_the_digest_that_it_had(usage):
    """Told apart from today's by its name; of whom nothing has expired there are today's."""
    expected = {
        ("acme", 0): (3, 2, f"xor:{OF_MAY['acme']}"),
        ("bolt", 0): (10, 1, f"xor:{OF_MAY['bolt']}"),
        ("cut", 0): (100, 1, _of(["cut"], MAY, JUNE)),
    }
    assert usage.read(MAY, JUNE) == expected
    assert usage.read(MAY, JUNE, fields=GROUPED) == expected


def test_an_answer_of_both_forms_has_both_digests_side_by_side(usage):
    """Neither is mixed into the other, by windows or in one, for a customer or for all."""
    june = _of(["acme"], JUNE, JULY)
    assert usage.read(MAY, JULY, customers=["acme"]) == {("acme", 0): (7, 3, f"xor:{OF_MAY['acme']}+{june}")}
    assert usage.read(MAY, JUNE, JULY, customers=["acme"]) == {
        ("acme", 0): (3, 2, f"xor:{OF_MAY['acme']}"),
        ("acme", 1): (4, 1, june),
    }
    of_both = int(OF_MAY["acme"], 16) ^ int(OF_MAY["bolt"], 16)
    rest = digest_of(each for each in EVENTS if each["customer"] == "cut" or each["time_us"] >= JUNE)
    assert usage.read(MAY, AUGUST, by_customer=False) == {("", 0): (345, 8, f"xor:{of_both:032x}+{rest}")}


def test_a_total_that_runs_on_keeps_the_digest_of_what_has_expired(usage):
    """Also where it begins long after; window by window it comes to be what it is."""
    windows = usage.read(MAY, MAY + 10 * DAY_US, JUNE, JULY, AUGUST, fields=CARRIED, customers=["acme"])
    assert [each[:2] for each in windows.values()] == [(1, 1), (3, 2), (7, 3), (15, 4)]
    assert [each[2].removeprefix(f"xor:{OF_MAY['acme']}") for each in windows.values()][1:] == [
        "",
        f"+{_of(['acme'], JUNE, JULY)}",
        f"+{_of(['acme'], JUNE, AUGUST)}",
    ]
    assert usage.read(JULY, AUGUST, fields=CARRIED, customers=["acme"]) == {
        ("acme", 0): (15, 4, f"xor:{OF_MAY['acme']}+{_of(['acme'], JUNE, AUGUST)}")
    }
    assert usage.read(JULY, AUGUST, customers=["acme"]) == {("acme", 0): (8, 1, _of(["acme"], JULY, AUGUST))}


def test_nothing_changes_when_more_expires_in_todays_form(usage):
    """Rolled up first, then expired up to July: the same answers, bit by bit, of customers old and new."""
    asked = [
        ((MAY, JUNE), {}),
        ((MAY, JUNE, JULY, AUGUST), {}),
        ((MAY + 10 * DAY_US, JUNE + DAY_US), {}),
        ((JUNE, JULY), {"fields": GROUPED}),
        ((MAY, AUGUST), {"by_customer": False}),
        ((JULY, AUGUST), {"fields": CARRIED}),
    ]

    def answers():
        return [usage.read(*bounds, **changes) for bounds, changes in asked]

    said = answers()
    for fields in (SUM, GROUPED, CARRIED):
        usage.rollups.keep_up(measure_of("t", Meter.read(fields)))
    assert answers() == said
    done = usage.expire(JULY)
    assert (done.events, done.customers) == (4, 3)
    assert answers() == said
    left = usage.store.query(Query("SELECT arraySort(groupArray(event_id)) FROM events", {}))
    assert left == [(["a3"],)]


def test_events_that_are_still_to_be_deleted_do_not_count_twice(usage):
    """The engine of the first form ended before its last step."""
    said = [usage.read(*bounds) for bounds in ((MAY, JUNE), (MAY, AUGUST))]
    deliver(usage.store, [each for each in EVENTS if each["time_us"] < JUNE])
    assert [usage.read(*bounds) for bounds in ((MAY, JUNE), (MAY, AUGUST))] == said


def test_rows_of_the_first_form_of_what_has_not_expired_are_read_no_more(usage):
    """Their events are there, and so is today's digest, before they are rolled up again and after."""
    assert usage.read(MAY, AUGUST, customers=["cut"]) == {("cut", 0): (300, 2, _of(["cut"], MAY, AUGUST))}
    rows = usage.store.query(Query("SELECT count() FROM rollups WHERE customer_id = 'cut'", {}))
    assert rows == [(4,)]


@pytest.mark.parametrize(
    ("bounds_us", "why"),
    [((MAY + HOUR_US // 2, JUNE), "whole hours"), ((MAY, MAY + 1, JUNE), "whole hours")],
)
def test_what_rows_of_the_first_form_cannot_tell_is_refused(usage, bounds_us, why):
    """As it was."""
    with pytest.raises(UsageExpiredError, match=why):
        usage.read(*bounds_us)
    with pytest.raises(UsageExpiredError, match="can't be read from events"):
        usage.reader.read(usage.asked(MAY, JUNE), GROUPS_MAX, raw_only=True)
    with pytest.raises(UsageExpiredError, match="since it was corrected"):
        usage.reader.read(replace(usage.asked(MAY, JUNE), as_of_us=0), GROUPS_MAX)
