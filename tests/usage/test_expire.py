"""An expiry step by step: what breaks off, what comes too late, what keeps its events, and who must notice."""

import random
from contextlib import closing
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from engine.billing.rater import Rater, Snapshot
from engine.errors import MeterlineError, StoreUnavailableError, UsageExpiredError
from engine.upkeep.expire import Clock, Expire
from engine.upkeep.rollup_check import RollupCheck
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.corrections.voids import EventKey, Kind, Void, record_voids
from engine.usage.facts.periods_request import Periods, PeriodsRequest
from engine.usage.query.expiries import ANSWER_NS, WAIT_S, Expiries
from engine.usage.query.periods_reader import PeriodsReader
from engine.usage.query.usage_pages import customers_from
from engine.usage.query.usage_reader import UsageReader
from engine.usage.rollups.coverage import Coverages
from engine.usage.rollups.rollups import Rollups
from engine.usage.store.backends.server_address import read_server_address
from engine.usage.store.query import Query
from engine.usage.store.usage_store import UsageStore
from tests.support.event_bills import catalog_of
from tests.support.usage.clickhouse_process import ClickHouseProcess
from tests.support.usage.expired_usage import COUNT, JULY, JUNE, MAY, SUM, meter
from tests.support.usage.meter_reads import deliver
from tests.support.usage.rollup_world import GROUPS_MAX, HOUR_US, WORTHS, new_clock

CARRIED = {**SUM, "id": "c", "carries_over": True, "group_by": []}


class Usage:
    """One tenant: two customers with events in May and June."""

    def __init__(self, store, tenant):
        self.store, self.tenant, self.clock = store, tenant, new_clock()
        self.clock.watermark(store.latest_stamp_us() + 1)
        self.now_us = iter(range(store.latest_stamp_us() + 10, 2**62)).__next__
        self.rollups = Rollups(store, self.clock, self.now_us, WORTHS[0])
        self.reconciler = Reconciler(store, self.clock, self.now_us)
        self.reader = UsageReader(store, Coverages(store, lambda: 0, age_max_ns=0), days_for_customers_min=1)
        self.meters = [meter(SUM, tenant)]
        events = []
        for number in range(6):
            at_us = MAY + number * 7 * 24 * HOUR_US + number
            events.append((f"a{number}", at_us, str(number + 1), "acme"))
            events.append((f"b{number}", at_us, "10", "bolt"))
        self._store(events)

    def store_event(self, event_id, at_us, value="1", customer="acme"):
        self._store([(event_id, at_us, value, customer)])

    def _store(self, events):
        stamp_us = self.clock.begin(self.now_us())
        fields = [
            {
                "tenant": self.tenant,
                "event_id": event_id,
                "event_type": "call",
                "customer": customer,
                "time_us": at_us,
                "properties": {"value": value, "region": "eu"},
                "ingested_us": stamp_us,
            }
            for event_id, at_us, value, customer in events
        ]
        deliver(self.store, fields)
        self.clock.end(stamp_us)

    def void(self, event_id, at_us, customer="acme"):
        found = self.store.query(
            Query(
                "SELECT content_hash FROM events WHERE tenant = {tenant:String} AND event_id = {event_id:String}",
                {"tenant": self.tenant, "event_id": event_id},
            )
        )
        key = EventKey(self.tenant, customer, "call", at_us, event_id, found[0][0] if found else 7)
        fact = Void(event=key, voided=True, kind=Kind.VOID, correction_id="c", reason="r", recorded_by="p")
        record_voids([fact], self.store, self.clock, self.now_us)

    def as_of(self):
        return self.clock.watermark(self.now_us())

    def asked(self, bounds_us=(MAY, JUNE), as_of_us=None, customers=("acme", "bolt"), fields=SUM):
        as_of_us = self.as_of() if as_of_us is None else as_of_us
        return meter(fields, self.tenant).asked(list(customers), bounds_us, as_of_us)

    def quantities(self, request):
        return {each.customer_id: int(each.quantity) for each in self.reader.read(request, GROUPS_MAX)}

    def expire(self, before_us=JUNE, keep=(), pause_s=lambda _seconds: None):
        clock = Clock(self.clock, self.now_us, pause_s)
        return Expire(self.store, self.rollups, self.reconciler, clock).expire(
            self.tenant, self.meters, before_us, keep
        )

    def left(self, before_us=JUNE):
        condition = (
            "tenant = {tenant:String} AND event_time < fromUnixTimestamp64Micro({before_us:Int64}, 'UTC')"
        )
        rows = self.store.query(
            Query(
                f"SELECT count() FROM events WHERE {condition}",
                {"tenant": self.tenant, "before_us": before_us},
            )
        )
        return rows[0][0]


@pytest.fixture
def usage(shared_store, request):
    return Usage(shared_store, request.node.name)


def refused(usage, request, match="has expired"):
    with pytest.raises(UsageExpiredError, match=match):
        usage.reader.read(request, GROUPS_MAX)


def test_the_events_go_and_the_answers_stay(usage):
    """May is answered from rows, June from events, a stretch of both from both."""
    before = [usage.asked(bounds_us=bounds) for bounds in ((MAY, JUNE), (MAY, JULY), (MAY, JUNE, JULY))]
    said = [usage.reader.read(request, GROUPS_MAX) for request in before]
    assert usage.quantities(before[0]) == {"acme": 15, "bolt": 50}
    done = usage.expire()
    assert (done.events, done.customers, done.kept_customers) == (10, 2, 0)
    assert (usage.left(), usage.left(JULY)) == (0, 2)
    assert [usage.reader.read(request, GROUPS_MAX) for request in before] == said
    assert usage.quantities(usage.asked(bounds_us=(MAY, JULY))) == {"acme": 21, "bolt": 60}


def test_an_expiry_that_breaks_off_goes_on_when_it_is_called_again(shared_store, monkeypatch):
    """Before each of its writes in turn: no answer changes, and in the end all events are gone."""
    broken = 0
    for number in range(100):
        usage = Usage(shared_store, f"breaks {number}")
        request = usage.asked()
        said = usage.reader.read(request, GROUPS_MAX)
        with monkeypatch.context() as patch:
            left = _break_off(patch, shared_store, number)
            try:
                usage.expire()
            except StoreUnavailableError:
                broken += 1
        assert usage.reader.read(request, GROUPS_MAX) == said
        usage.expire()
        assert usage.left() == 0
        assert usage.reader.read(request, GROUPS_MAX) == said
        if left[0] > 0:
            break
    assert broken > 6


def _break_off(patch, store, number):
    """Breaks off before a write; what is left of the number at the end."""
    left = [number + 1]

    def breaking(real):
        def run(*arguments):
            left[0] -= 1
            if left[0] == 0:
                raise StoreUnavailableError("gone", retry_after_ms=1)
            real(*arguments)

        return run

    for name in ("transform", "execute", "delete"):
        patch.setattr(store, name, breaking(getattr(store, name)))
    return left


def test_what_rows_cannot_tell_is_refused(usage):
    """Part of an hour, a meter that came later, other groups, everybody at once, the events themselves."""
    usage.expire()
    refused(usage, usage.asked(bounds_us=(MAY, MAY + 90 * 60_000_000)), "whole hours")
    refused(usage, usage.asked(bounds_us=(MAY + 1, JUNE)), "whole hours")
    refused(usage, usage.asked(fields=COUNT), "meters")
    refused(usage, usage.asked(bounds_us=(JUNE, JULY), fields=CARRIED), "meters")
    refused(usage, replace(usage.asked(), narrowed_to=(("size", ("5",)),)), "groups by")
    refused(usage, replace(usage.asked(), customer_ids=None, by_customer=False), "for each")
    refused(usage, replace(usage.asked(), rollup_key=None), "meters")
    with pytest.raises(UsageExpiredError, match="2025-06-01"):
        usage.reader.read(usage.asked(), GROUPS_MAX, raw_only=True)
    # What lies after is read as ever, cut hours and all.
    assert usage.quantities(usage.asked(bounds_us=(JUNE, JULY - 1), fields=COUNT)) == {"acme": 1, "bolt": 1}


def test_a_watermark_before_the_last_event_of_an_hour_is_refused(usage):
    """The row knows the hour as it was later."""
    early_us = usage.as_of()
    usage.store_event("late", MAY + 5, "100")
    late_us = usage.as_of()
    usage.expire()
    refused(
        usage,
        usage.asked(as_of_us=early_us),
        "does not say what it came to as of [^+]*Z, since it was corrected after that, or ",
    )
    assert usage.quantities(usage.asked(as_of_us=late_us)) == {"acme": 115, "bolt": 50}
    # Of the other customer nothing changed.
    assert usage.quantities(usage.asked(as_of_us=early_us, customers=["bolt"])) == {"bolt": 50}


@pytest.mark.parametrize("what", ["event", "fact"])
def test_what_slips_in_after_the_expiry_makes_an_error_for_ever(usage, what):
    """Also when upkeep has passed over it, and after another expiry, which lets the customer be; never less."""
    usage.expire()
    then_us = usage.as_of()
    if what == "event":
        usage.store_event("late", MAY + 5, "100")
    else:
        usage.void("a0", MAY)
    for _ in range(2):
        refused(usage, usage.asked(customers=["acme"]), "or after it had been kept")
        assert usage.quantities(usage.asked(as_of_us=then_us)) == {"acme": 15, "bolt": 50}
        assert usage.quantities(usage.asked(customers=["bolt"])) == {"bolt": 50}
        usage.rollups.keep_up(usage.meters[0])
    done = usage.expire(JULY)
    assert done.kept_customers == (1 if what == "event" or usage.left(JULY) else 0)
    assert usage.left() == (1 if what == "event" else 0)
    refused(usage, usage.asked(customers=["acme"]), "or after it had been kept")
    assert usage.quantities(usage.asked(bounds_us=(JUNE, JULY))) == {"acme": 6, "bolt": 10}


def test_upkeep_and_its_check_leave_expired_rows_alone(usage):
    """Computed from a log without events they would be nothing."""
    said = usage.reader.read(request := usage.asked(), GROUPS_MAX)
    usage.expire()
    check = RollupCheck(usage.store, usage.rollups, usage.reader, random.Random(1))
    for customer in ("acme", "bolt"):
        usage.rollups.roll_up_again(usage.meters[0], customer)
    usage.rollups.cover_by_hours(usage.meters[0], ["acme"])
    for _ in range(5):
        assert check.compare(usage.meters[0], usage.rollups.keep_up(usage.meters[0]).until_us) == 0
    assert usage.reader.read(request, GROUPS_MAX) == said


def test_a_meter_that_came_after_an_expiry_knows_what_came_after_it(usage):
    """Also when that expires in its turn; a meter that was there all along knows everything."""
    usage.expire()
    usage.meters.append(meter(COUNT, usage.tenant))
    usage.expire(JULY)
    assert usage.left(JULY) == 0
    assert usage.quantities(usage.asked(bounds_us=(JUNE, JULY), fields=COUNT)) == {"acme": 1, "bolt": 1}
    refused(usage, usage.asked(bounds_us=(MAY, JULY), fields=COUNT), "from then on")
    assert usage.quantities(usage.asked(bounds_us=(MAY, JULY))) == {"acme": 21, "bolt": 60}


def test_a_carried_total_reaches_back_into_what_has_expired(usage):
    """June's total of a meter that carries over is that of all time."""
    usage.meters.append(meter(CARRIED, usage.tenant))
    request = usage.asked(bounds_us=(JUNE, JULY), fields=CARRIED)
    assert usage.quantities(request) == {"acme": 21, "bolt": 60}
    usage.expire()
    assert usage.quantities(request) == {"acme": 21, "bolt": 60}


def test_customers_who_keep_their_events_are_read_from_them(usage):
    """To the microsecond, as before."""
    done = usage.expire(keep={"bolt"})
    assert (done.events, done.customers, done.kept_customers) == (5, 1, 1)
    assert usage.left() == 5
    assert usage.quantities(usage.asked(bounds_us=(MAY + 1, JUNE), customers=["bolt"])) == {"bolt": 40}
    assert usage.quantities(usage.asked()) == {"acme": 15, "bolt": 50}
    usage.void("b1", MAY + 7 * 24 * HOUR_US + 1, "bolt")
    usage.rollups.keep_up(usage.meters[0])
    assert usage.quantities(usage.asked()) == {"acme": 15, "bolt": 40}


def test_a_rollup_that_is_wrong_stops_the_expiry(usage):
    """Nothing is deleted; it is computed again, and then the expiry goes through."""
    usage.rollups.keep_up(usage.meters[0])
    usage.store.execute(
        Query(
            "INSERT INTO rollups SELECT * REPLACE (rolled_up_at + toIntervalMicrosecond(1) AS rolled_up_at, "
            "arrayMap(each -> each + 1, groups_total) AS groups_total) FROM rollups FINAL "
            "WHERE tenant = {tenant:String}",
            {"tenant": usage.tenant},
        )
    )
    with pytest.raises(MeterlineError, match="nothing was deleted"):
        usage.expire()
    assert usage.left() == 10
    usage.expire()
    assert usage.left() == 0
    assert usage.quantities(usage.asked()) == {"acme": 15, "bolt": 50}


def test_usage_that_changes_while_it_is_verified_stops_the_expiry(usage, monkeypatch):
    """It is in no row that was looked at."""
    from engine.upkeep.rollup_check import RollupVerification

    def check(self, *asked):
        real(self, *asked)
        usage.store_event("late", MAY + 5, "100")

    real = RollupVerification.check
    with monkeypatch.context() as patch:
        patch.setattr(RollupVerification, "check", check)
        with pytest.raises(StoreUnavailableError, match="expire again"):
            usage.expire()
    assert usage.left() == 11
    usage.expire()
    assert usage.quantities(usage.asked()) == {"acme": 115, "bolt": 50}


def test_what_has_expired_is_read_for_many_customers_at_once_too(usage):
    """From the same rows as for one, beside a customer whose period is later; and where these can't tell, it is refused."""
    usage.expire()

    def at_once(start_us, draft_id=None):
        request = PeriodsRequest(
            measures=usage.meters,
            periods=Periods(
                pa.array(["acme", "bolt", "bolt"]),
                np.array([start_us, start_us, JUNE]),
                np.array([JUNE, JUNE, JULY]),
            ),
            wanted=[np.arange(3)],
            as_of_us=usage.as_of(),
            draft_id=draft_id,
        )
        (found,) = PeriodsReader(usage.store, usage.reader).read(request)
        return list(zip(found.place.tolist(), map(int, found.quantity.to_decimals()), strict=True))

    # In May acme has 1 + ... + 5; bolt five times 10, and once in June.
    assert at_once(MAY) == [(0, 15), (1, 50), (2, 10)]
    with pytest.raises(UsageExpiredError, match="whole hours"):
        at_once(MAY + 1)
    with pytest.raises(UsageExpiredError, match="events"):
        at_once(MAY, draft_id=7)


PER_EVENT = """
meters:
  - {id: m, event_type: call, aggregation: sum, value: value, group_by: [region]}
plans:
  - id: p
    name: P
    currency: USD
    prices:
      - {id: fees, meter: m, model: percentage, percent: 10, free_events: 1}
      - {id: plain, meter: m, model: percentage, percent: 10}
customers:
  - {id: acme, name: A}
  - {id: bolt, name: B}
subscriptions:
  - {customer: acme, plan: p, start: 2025-05-01}
  - {customer: bolt, plan: p, start: 2025-06-01}
"""


def test_terms_per_event_of_what_has_expired_are_a_line_that_says_so(usage):
    """In May acme had 1 + ... + 5: 1.50 at 10 %, and 1.40 with the first one free, which nobody knows any more. What is billed
    of June stands, before and after.
    """
    catalog = catalog_of(PER_EVENT, usage.tenant)
    rater = Rater(None, PeriodsReader(usage.store, usage.reader), None, None)

    def lines(at_us):
        (rated,) = rater.rate_all(Snapshot(catalog, at_us, usage.as_of()))
        return [
            (
                each.charge.subscription.customer,
                str(each.rated.amount) if each.rated else each.unrateable_reason,
            )
            for each in rated.line_items(np.arange(len(rated)))
        ]

    assert lines(JUNE - 1) == [("acme", "1.40"), ("acme", "1.50")]
    june = lines(JULY - 1)
    usage.expire()
    assert lines(JUNE - 1) == [
        (
            "acme",
            "has events that have expired, and its price has terms per event: what each came to is known from events only",
        ),
        ("acme", "1.50"),
    ]
    assert lines(JULY - 1) == june == [("acme", "0.00"), ("acme", "0.60"), ("bolt", "0.00"), ("bolt", "1.00")]


def test_a_read_that_began_before_an_expiry_and_ends_after_it_is_read_again(usage, monkeypatch):
    """However long it waited for its turn at the store."""
    time_ns = [0]
    reader = UsageReader(
        usage.store,
        Coverages(usage.store, lambda: 0, age_max_ns=0),
        days_for_customers_min=1,
        expiries=Expiries(usage.store, lambda: time_ns[0]),
    )
    request = usage.asked()
    real = type(usage.store).query
    waited = []

    def slow(store, query):
        if "GROUP BY customer_id, dimension_0, window_start_us" in query.sql and not waited:
            waited.append(query)
            usage.expire(pause_s=lambda seconds: time_ns.__setitem__(0, int(seconds * 1e9)))
        return real(store, query)

    monkeypatch.setattr(type(usage.store), "query", slow)
    found = {each.customer_id: int(each.quantity) for each in reader.read(request, GROUPS_MAX)}
    assert waited
    assert usage.left() == 0
    assert found == {"acme": 15, "bolt": 50}
    assert WAIT_S * 10**9 > 2 * ANSWER_NS


def test_customers_whose_events_have_expired_are_still_listed(usage):
    """A page of customers comes from the log, and from what is known to have left it."""
    asked = replace(usage.asked(), customer_ids=None)
    assert customers_from(usage.store, asked, "", 10) == ["acme", "bolt"]
    usage.expire(keep={"bolt"})
    assert customers_from(usage.store, asked, "", 10) == ["acme", "bolt"]
    assert customers_from(usage.store, asked, "", 1) == ["acme"]
    assert customers_from(usage.store, asked, "acne", 10) == ["bolt"]


def test_an_expiry_again_does_nothing(usage):
    """And one of an earlier month neither."""
    usage.expire()
    assert usage.expire().events == 0
    assert usage.expire(MAY).events == 0
    assert usage.quantities(usage.asked()) == {"acme": 15, "bolt": 50}


def test_an_expiry_at_a_server_is_known_to_every_gateway(tmp_path):
    """One gateway has usage expire; another, over HTTP too, reads the same as before, or is refused."""
    with (
        ClickHouseProcess(tmp_path / "server") as server,
        closing(UsageStore.open_server(read_server_address(server.url()))) as one,
        closing(UsageStore.open_server(read_server_address(server.url()))) as other,
    ):
        usage = Usage(one, "t1")
        usage.reader = UsageReader(other, Coverages(other, lambda: 0, age_max_ns=0), days_for_customers_min=1)
        said = usage.reader.read(request := usage.asked(), GROUPS_MAX)
        usage.expire()
        assert usage.left() == 0
        assert usage.reader.read(request, GROUPS_MAX) == said
        refused(usage, usage.asked(fields=COUNT))
