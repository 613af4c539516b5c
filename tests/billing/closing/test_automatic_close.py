"""Billing periods that are over become invoices by themselves, for tenants that say so."""

import contextlib
from datetime import UTC, datetime

import pytest

from engine.billing.automatic.automatic_close import AutomaticClose
from engine.billing.automatic.billing_settings import GRACE_US, BillingSettings, BillingSettingsStore
from engine.catalog.documents.document import read_document
from engine.errors import InvalidRequestError, MeterlineError, StoreUnavailableError
from engine.metrics import REGISTRY
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_world import TENANT, ClosingWorld, instant_us

# acme's months begin on the 1st, bolt's on the 15th; trips are priced on the moon alone.
CATALOG = """
meters:
  - {id: calls, event_type: call, aggregation: sum, value: value}
  - {id: trips, event_type: trip, aggregation: sum, value: value, group_by: [region]}
plans:
  - id: pro
    name: Pro
    currency: USD
    prices:
      - {id: fee, model: flat, flat_amount: 10}
      - {id: calls, meter: calls, model: per_unit, unit_amount: 0.50}
  - id: far
    name: Far
    currency: USD
    prices:
      - {id: trips, meter: trips, model: matrix, dimensions: [region], cells: [{match: {region: moon}, unit_amount: 1}]}
customers:
  - {id: acme, name: Acme}
  - {id: bolt, name: Bolt}
subscriptions:
  - {customer: acme, plan: pro, start: 2026-10-01}
  - {customer: bolt, plan: pro, start: 2026-10-15}
"""
MARS = "plans: [{id: far, name: Far, currency: USD, prices: [{id: trips, meter: trips, model: matrix, dimensions: [region], cells: [{match: {region: moon}, unit_amount: 1}, {match: {region: mars}, unit_amount: 2}]}]}]"


class Engine:
    """What closes by itself, beside a world. `busy`: somebody else has the turn; `stopping`: the engine ends."""

    def __init__(self, world):
        self.world = world
        self.settings = BillingSettingsStore(world.database)
        self.busy = False
        self.stopping = False
        self.upkeep = AutomaticClose(
            self.settings, world.closer, self._turn, lambda: world.now_us, lambda: self.stopping
        )

    @contextlib.contextmanager
    def _turn(self):
        if self.busy:
            raise StoreUnavailableError("a backup is at work", retry_after_ms=1)
        yield

    def turn_on(self, since, now=None):
        self.world.at(now or since)
        return self.settings.change(
            TENANT, grace_us=None, automatic=True, since_us=instant_us(since), now_us=self.world.now_us
        )

    def passes(self, at):
        """A pass at an instant; every invoice that stands then."""
        self.world.at(at)
        self.upkeep.next_pass()
        return [(each.name, each.key.customer_id, str(each.sums["due"])) for each in self.world.standing()]


@pytest.fixture
def world(tmp_path):
    store = UsageStore.open_embedded(tmp_path / "usage")
    made = ClosingWorld(f"sqlite:///{tmp_path / 'catalog.sqlite'}", store, CATALOG, "2026-11-01")
    yield made
    made.finish()
    store.close()


@pytest.fixture
def engine(world):
    return Engine(world)


def test_nothing_is_closed_for_a_tenant_that_did_not_say_so(engine):
    assert engine.passes("2026-12-05") == []
    assert engine.settings.of(TENANT) == BillingSettings()


def test_a_period_is_closed_once_its_grace_is_over(world, engine):
    """Acme's November: not a minute before one o'clock; bolt's, which ends on the 15th, as its own day comes."""
    engine.turn_on("2026-11-01")
    world.use("acme", "2026-11-05", 4)
    bolts_first = ("INV-000001", "bolt", "10.00")
    assert engine.passes("2026-11-30T12:00:00") == [bolts_first]
    assert engine.passes("2026-12-01T00:59:59") == [bolts_first]
    acmes = ("INV-000002", "acme", "12.00")
    assert engine.passes("2026-12-01T01:00:00") == [bolts_first, acmes]
    assert engine.settings.of(TENANT).closed_until_us == instant_us("2026-12-01")
    assert engine.passes("2026-12-01T01:00:10") == [bolts_first, acmes]


def test_what_ended_before_it_was_turned_on_is_left_to_people(engine):
    engine.turn_on("2026-11-01")
    assert [each for each in engine.passes("2026-11-02") if each[1] == "acme"] == []


def test_an_engine_that_stood_still_closes_all_that_it_missed(world, engine):
    """Three of acme's months and three of bolt's, in one run; late usage of the first on no invoice twice."""
    engine.turn_on("2026-10-15")
    world.use("acme", "2026-10-20", 6)
    made = engine.passes("2027-01-20")
    assert sorted((who, due) for _, who, due in made) == [
        *[("acme", "10.00")] * 2,
        ("acme", "13.00"),
        *[("bolt", "10.00")] * 3,
    ]
    assert engine.passes("2027-01-20T05:00:00") == made


def test_late_usage_is_on_the_next_invoice(world, engine):
    """Recorded on 3 December; bolt's invoice of the 15th brings acme none of its own."""
    engine.turn_on("2026-11-15")
    engine.passes("2026-12-02")
    world.at("2026-12-03").use("acme", "2026-11-30", 3)
    assert [each[1] for each in engine.passes("2026-12-20")] == ["acme", "bolt"]
    assert engine.passes("2027-01-02")[-1] == ("INV-000003", "acme", "11.50")


def test_a_customer_that_cannot_be_rated_is_billed_within_an_hour_of_a_price_that_can(world, engine):
    """Others are billed meanwhile; the metric counts it, and says so no more afterwards."""
    world.apply("subscriptions: [{customer: acme, plan: far, start: 2026-11-01}]")
    engine.turn_on("2026-11-15")
    world.use("acme", "2026-11-20", 4, "trip", region="mars")
    assert engine.passes("2026-12-01T02:00:00") == []
    left = engine.settings.of(TENANT)
    assert (left.open_customer_count, left.open_since_us) == (1, instant_us("2026-11-15"))
    assert REGISTRY.get_sample_value("meterline_open_customers") == 1
    assert [each[1] for each in engine.passes("2026-12-15T02:00:00")] == ["bolt"]
    world.at("2026-12-15T02:30:00").apply(MARS)
    assert [each[1] for each in engine.passes("2026-12-15T02:40:00")] == ["bolt"]
    # The subscription keeps the version that it started with: it is moved by a start of its own.
    world.apply(
        "subscriptions: [{id: 'acme:far', customer: acme, plan: far, plan_version: 2, start: 2026-11-01}]"
    )
    assert ("INV-000002", "acme", "18.00") in engine.passes("2026-12-15T03:00:00")
    assert engine.settings.of(TENANT).open_since_us is None
    assert REGISTRY.get_sample_value("meterline_open_customers") == 0


def test_a_period_that_comes_to_end_in_a_closed_hour_is_billed_within_a_day(world, engine):
    """On 10 December acme's subscription is ended as of the 5th: 4 of 31 days of 10.00, and two calls. carol's starts with
    November.
    """
    engine.turn_on("2026-11-15")
    engine.passes("2026-12-10T10:00:00")
    world.use("acme", "2026-12-02", 2)
    world.apply("subscriptions: [{customer: acme, plan: pro, start: 2026-10-01, end: 2026-12-05}]")
    world.apply(
        "customers: [{id: carol, name: Carol}]\nsubscriptions: [{customer: carol, plan: pro, start: 2026-11-01}]"
    )
    assert len(engine.passes("2026-12-10T11:00:00")) == 1
    after = engine.passes("2026-12-11T11:00:00")
    assert ("carol", "10.00") in [each[1:] for each in after]
    assert ("acme", "2.29") in [each[1:] for each in after]
    assert engine.passes("2026-12-13") == after
    assert engine.settings.of(TENANT).open_since_us is None


def test_a_tenant_that_fails_holds_no_other_up(world, engine, monkeypatch):
    """And is closed once what was wrong is mended, with a watermark of then."""
    world.catalog.apply(
        "zeta", read_document(CATALOG, "c.yaml"), applied_at=datetime(2026, 11, 1, tzinfo=UTC)
    )
    engine.turn_on("2026-11-15")
    engine.settings.change(
        "zeta", grace_us=None, automatic=True, since_us=instant_us("2026-11-15"), now_us=world.now_us
    )
    step = world.closer.step

    def failing(close, *arguments):
        if close.tenant == TENANT:
            raise MeterlineError("what is booked is not whole")
        return step(close, *arguments)

    monkeypatch.setattr(world.closer, "step", failing)
    with pytest.raises(MeterlineError, match="not whole"):
        engine.passes("2026-12-01T02:00:00")
    assert [each.key.customer_id for each in world.invoices.invoices("zeta", "", 0, 10)] == ["acme"]
    monkeypatch.setattr(world.closer, "step", step)
    world.use("acme", "2026-11-20", 2)
    assert engine.passes("2026-12-01T03:30:00") == [("INV-000001", "acme", "11.00")]


def test_what_is_made_void_waits_for_a_close_by_hand(world, engine):
    engine.turn_on("2026-11-15")
    engine.passes("2026-12-01T01:00:00")
    (acmes,) = world.standing()
    world.invoices.void(TENANT, acmes.invoice_id, 0, "wrong address", world.now_us)
    assert engine.passes("2026-12-10") == []
    world.close("2026-11-15", "2026-12-01")
    assert [(each.name, each.key.customer_id) for each in world.standing()] == [("INV-000002", "acme")]


def test_a_pass_that_must_wait_or_stop_goes_on_with_its_run(world, engine):
    """The end of its span stays what it was: usage that came in since is late."""
    engine.turn_on("2026-11-15")
    engine.stopping = True
    assert engine.passes("2026-12-01T01:30:00") == []
    world.use("acme", "2026-11-20", 2)
    engine.stopping, engine.busy = False, True
    with pytest.raises(StoreUnavailableError):
        engine.passes("2026-12-01T03:00:00")
    engine.busy = False
    assert engine.passes("2026-12-01T04:30:00") == [("INV-000001", "acme", "10.00")]
    assert engine.settings.of(TENANT).closed_until_us == instant_us("2026-12-01")
    engine.passes("2026-12-01T04:31:00")
    assert engine.settings.of(TENANT).closed_until_us == instant_us("2026-12-01T03:00:00")


def test_turned_off_and_on_again_it_begins_anew(world, engine):
    engine.turn_on("2026-11-15")
    off = engine.settings.change(
        TENANT, grace_us=7_200_000_000, automatic=False, since_us=None, now_us=world.now_us
    )
    assert (off.is_automatic, off.grace_us) == (False, 2 * GRACE_US)
    assert engine.passes("2026-12-05") == []
    engine.turn_on("2026-12-04")
    assert engine.settings.of(TENANT).grace_us == 2 * GRACE_US
    assert engine.passes("2026-12-05T03:00:00") == []


def test_a_start_in_the_future_or_of_what_runs_already_is_refused(engine):
    with pytest.raises(InvalidRequestError, match="is in the future"):
        engine.turn_on("2026-11-02", now="2026-11-01")
    engine.turn_on("2026-11-15")
    with pytest.raises(InvalidRequestError, match="goes with turning automatic closing on"):
        engine.turn_on("2026-11-16")
