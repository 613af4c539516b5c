"""What may expire: the policy, the catalog's meters and customers, and the events that are refused from then on."""

from datetime import UTC, datetime

import pytest

from engine.billing.meter_usage import measure_of
from engine.catalog.admission_rules import FENCE_AGE_MAX_S, AdmissionRules
from engine.catalog.documents.document import read_document
from engine.catalog.kinds.meter import Meter
from engine.catalog.store import CatalogStore
from engine.errors import InvalidRequestError, UsageExpiredError
from engine.times import datetime_us
from engine.upkeep.expire import Clock, Expire
from engine.upkeep.retention import FENCE_WAIT_S, Retention, RetentionPolicy
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.query.expiries import WAIT_S
from engine.usage.query.usage_reader import UsageReader
from engine.usage.rollups.coverage import Coverages
from engine.usage.rollups.rollups import Rollups
from engine.usage.store.query import Query
from engine.usage.store.usage_store import UsageStore
from ingest import IngestClock, Limits
from tests.support.usage.meter_reads import deliver
from tests.support.usage.undisturbed import undisturbed_turn

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
METER = "meters: [{id: m, event_type: call, aggregation: sum, value: VALUE}]\n"
CATALOG = """
plans: [{id: p, name: P, currency: USD, prices: [{id: fee, model: flat, flat_amount: "1"}]}]
customers: [{id: acme, name: Acme}, {id: bolt, name: Bolt}, {id: cut, name: Cut}]
subscriptions:
  - {customer: acme, plan: p, start: 2025-06-01}
  - {customer: bolt, plan: p, start: "2025-06-01T10:00:00Z", end: "2025-09-01T11:00:00Z"}
  - {customer: cut, plan: p, start: 2025-06-01END}
"""


@pytest.fixture
def catalog(tmp_path):
    opened = CatalogStore.open(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
    yield opened
    opened.close()


def apply(catalog, document):
    catalog.apply("t1", read_document(document, "test.yaml"), applied_at=NOW)


class World:
    """A real store with a clock of its own; `pauses` notes each pause, and before which instant events were refused."""

    def __init__(self, catalog, store):
        self.catalog, self.store, self.pauses = catalog, store, []
        self.order = IngestClock(0, lambda _ceiling_us: None)
        self.now_us = iter(range(datetime_us(NOW), 2**62)).__next__
        self.rollups = Rollups(store, self.order, self.now_us)

    def retention(self, days=400):
        clock = Clock(self.order, self.now_us, self.pause)
        reconciler = Reconciler(self.store, self.order, self.now_us)
        expire = Expire(self.store, self.rollups, reconciler, clock)
        return Retention(
            self.catalog,
            expire,
            RetentionPolicy(days),
            undisturbed_turn,
            lambda: datetime_us(NOW),
            self.pause,
        )

    def pause(self, seconds):
        self.pauses.append((seconds, self.catalog.events_refused_before_us("t1")))

    def record(self, *customers):
        stamp_us = self.order.begin(self.now_us())
        event = {"tenant": "t1", "event_type": "call", "time_us": us(2025, 6, 3), "ingested_us": stamp_us}
        properties = {"tokens": "5", "bytes": "70"}
        deliver(
            self.store,
            [{**event, "event_id": each, "customer": each, "properties": properties} for each in customers],
        )
        self.order.end(stamp_us)

    def quantities(self, value, **options):
        fields = {"id": "m", "event_type": "call", "aggregation": "sum", "value": value}
        request = measure_of("t1", Meter.read(fields)).asked(
            ["acme", "bolt", "cut"], (us(2025, 6), us(2025, 7)), self.order.watermark(self.now_us())
        )
        reader = UsageReader(self.store, Coverages(self.store, lambda: 0, age_max_ns=0))
        return {each.customer_id: int(each.quantity) for each in reader.read(request, 10, **options)}


@pytest.fixture
def world(catalog, tmp_path):
    store = UsageStore.open_embedded(tmp_path / "usage")
    yield World(catalog, store)
    store.close()


def us(year, month, day=1, hour=0):
    return datetime_us(datetime(year, month, day, hour, tzinfo=UTC))


@pytest.mark.parametrize(
    ("before_us", "match"),
    [
        (us(2025, 6, 2), "first of a month"),
        (us(2025, 6, 1, 1), "first of a month"),
        (us(2025, 11), "at least 400 days .* name 2025-10-01 or earlier"),
        (us(2027, 1), "at least 400 days"),
    ],
)
def test_what_the_policy_keeps_is_refused(world, before_us, match):
    """Nothing happens: no event is refused from then on."""
    with pytest.raises(InvalidRequestError, match=match):
        world.retention().expire("t1", before_us, dry_run=False)
    assert world.catalog.events_refused_before_us("t1") == 0


def test_events_are_refused_before_anything_is_looked_at(world):
    """And that is waited for, longer than a gateway remembers; a dry run changes nothing."""
    world.record("acme")
    apply(world.catalog, METER.replace("VALUE", "tokens"))
    assert world.retention().expire("t1", us(2025, 10), dry_run=True).events == 1
    assert (world.pauses, world.catalog.events_refused_before_us("t1")) == ([], 0)
    assert world.retention().expire("t1", us(2025, 10), dry_run=False).events == 1
    assert world.pauses == [(FENCE_WAIT_S, us(2025, 10)), (WAIT_S, us(2025, 10))]
    assert FENCE_WAIT_S > 2 * FENCE_AGE_MAX_S
    assert world.quantities("tokens") == {"acme": 5}


def test_every_meter_that_ever_was_is_kept_and_whose_periods_cut_hours_keeps_events(world):
    """Also a meter, and an end within an hour, that a later revision took back."""
    apply(
        world.catalog,
        METER.replace("VALUE", "tokens") + CATALOG.replace("END", ', end: "2025-08-01T00:30:00Z"'),
    )
    apply(world.catalog, METER.replace("VALUE", "bytes") + CATALOG.replace("END", ""))
    world.record("acme", "bolt", "cut")
    done = world.retention().expire("t1", us(2025, 10), dry_run=False)
    assert (done.events, done.customers, done.kept_customers) == (2, 2, 1)
    assert world.store.query(Query("SELECT customer_id FROM events", {})) == [("cut",)]
    assert world.quantities("tokens") == {"acme": 5, "bolt": 5, "cut": 5}
    assert world.quantities("bytes") == {"acme": 70, "bolt": 70, "cut": 70}
    with pytest.raises(UsageExpiredError):
        world.quantities("other")


def test_events_of_customers_with_aliases_stay_under_all_their_ids(world):
    """Also of one that a later revision took back: an earlier one is still rated with it."""
    catalog = METER.replace("VALUE", "tokens") + CATALOG.replace("END", "")
    apply(world.catalog, catalog.replace("name: Acme", "name: Acme, aliases: [device]"))
    apply(world.catalog, catalog)
    world.record("acme", "cut", "device")
    done = world.retention().expire("t1", us(2025, 10), dry_run=False)
    assert (done.events, done.kept_customers) == (1, 2)
    assert world.store.query(Query("SELECT customer_id FROM events ORDER BY customer_id", {})) == [
        ("acme",),
        ("device",),
    ]


def test_a_gateway_learns_within_a_second_that_events_are_refused(catalog):
    """It asks again when what it knows is that old."""
    apply(catalog, METER.replace("VALUE", "tokens"))
    now_ns = [10**12]
    rules = AdmissionRules(catalog, Limits(), lambda: now_ns[0])
    assert rules.for_tenant("t1").expired_before_us == 0
    catalog.refuse_events_before("t1", us(2025, 10))
    catalog.refuse_events_before("t1", us(2025, 9))
    catalog.refuse_events_before("t2", us(2025, 11))
    assert rules.for_tenant("t1").expired_before_us == 0
    now_ns[0] += FENCE_AGE_MAX_S * 10**9
    assert rules.for_tenant("t1").expired_before_us == us(2025, 10)
