"""Alerts: each threshold that is reached is told once, and taken back once, whatever comes late, is corrected, or breaks off."""

import json
import random
from fractions import Fraction

import pytest
from sqlalchemy import select

from engine.errors import RetryLaterError
from engine.outbox.fact_types import FactType
from engine.spend.alerts import store as alert_store
from engine.spend.alerts.alert_pass import AlertPass
from engine.spend.alerts.store import CrossingStore, Cursor
from engine.sql.schema import OUTBOX
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_world import TENANT, ClosingWorld, instant_us

# 10.00 a month, and 0.50 a call.
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
      - {id: trips, meter: trips, model: per_unit, unit_amount: 0}
customers:
  - {id: acme, name: Acme}
  - {id: bolt, name: Bolt}
subscriptions:
  - {id: acme-pro, customer: acme, plan: pro, start: 2026-10-01}
  - {id: bolt-pro, customer: bolt, plan: pro, start: 2026-10-01}
"""
ON_BOTH = pytest.mark.parametrize("world", ["sqlite", "postgresql"], indirect=True)
SPEND = "alerts: [{id: spend, name: Spend, measure: spend, currency: USD, thresholds: ['12', '20']}]"


class AlertWorld(ClosingWorld):
    """A tenant with alerts, and what is told of them."""

    def __init__(self, url, store, text, **more):
        super().__init__(url, store, text, **more)
        self.restart()

    def restart(self):
        """Another engine goes on with what the stores have."""
        self.crossings = CrossingStore(self.database)
        self.upkeep = AlertPass(self.catalog, self.rater, self.store, self.crossings, lambda: self.now_us)

    def told(self):
        """What a pass tells: ("crossed" or "recovered", customer, threshold, value, month of the period's start)."""
        before = self._newest_fact()
        self.upkeep.next_pass()
        columns = OUTBOX.c
        wanted = select(OUTBOX).where(columns.fact_type.like("alert.%ed"), columns.number > before)
        with self.database.reading() as connection:
            rows = connection.execute(wanted.order_by(columns.number)).all()
        kinds = {FactType.ALERT_CROSSED: "crossed", FactType.ALERT_RECOVERED: "recovered"}
        return [
            (
                *(kinds[row.fact_type], row.object_id),
                *(json.loads(row.payload)[name] for name in ("threshold", "value")),
                json.loads(row.payload)["period_start"][:7],
            )
            for row in rows
            if row.fact_type in kinds
        ]

    def _newest_fact(self):
        with self.database.reading() as connection:
            return connection.scalar(select(OUTBOX.c.number).order_by(OUTBOX.c.number.desc()).limit(1)) or 0


@pytest.fixture
def usage(tmp_path):
    store = UsageStore.open_embedded(tmp_path / "usage")
    yield store
    store.close()


@pytest.fixture
def world(request, tmp_path, usage):
    """Before the first alert; on SQLite, or on PostgreSQL where a test asks for both."""
    on_postgresql = getattr(request, "param", "sqlite") == "postgresql"
    url = (
        request.getfixturevalue("postgres_server").new_url()
        if on_postgresql
        else f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    )
    made = AlertWorld(url, usage, CATALOG, now="2026-11-02")
    yield made
    made.finish()


@pytest.fixture
def spend(world):
    """With thresholds of 12 and 20 on everybody's spend."""
    world.apply(SPEND)
    assert world.told() == []
    return world


def test_a_threshold_that_is_reached_is_told_once(spend):
    """10.00 + 4 x 0.50 = 12.00 reaches 12; 10.00 + 20 x 0.50 = 20.00 reaches 20; what follows tells nothing."""
    spend.use("acme", "2026-11-02", 3)
    assert spend.told() == []
    spend.use("acme", "2026-11-02", 1)
    assert spend.told() == [("crossed", "acme", "12", "12", "2026-11")]
    assert spend.told() == []
    spend.use("acme", "2026-11-02", 16)
    spend.restart()
    assert spend.told() == [("crossed", "acme", "20", "20", "2026-11")]
    spend.use("acme", "2026-11-02", 100)
    assert spend.told() == []


def test_several_thresholds_that_one_event_reaches_are_told_in_their_order(spend):
    spend.use("bolt", "2026-11-02", 50)
    assert [each[1:3] for each in spend.told()] == [("bolt", "12"), ("bolt", "20")]


@ON_BOTH
def test_a_correction_takes_a_crossing_back_once_and_it_may_be_reached_again(spend):
    event = spend.use("acme", "2026-11-02", 5)
    assert spend.told() == [("crossed", "acme", "12", "12.5", "2026-11")]
    spend.correct(event)
    assert spend.told() == [("recovered", "acme", "12", "10", "2026-11")]
    assert spend.told() == []
    spend.correct(event, voided=False)
    assert spend.told() == [("crossed", "acme", "12", "12.5", "2026-11")]


def test_a_coupon_takes_a_crossing_back(spend):
    """12.50 less 20 % are 10.00: spend is what is left after discounts."""
    spend.use("acme", "2026-11-02", 5)
    assert [each[0] for each in spend.told()] == ["crossed"]
    spend.apply(
        "coupons: [{id: off, name: Off, percent_off: 20}]\n"
        "customers: [{id: acme, name: Acme, coupons: [{coupon: off, start: 2026-11-01}]}]"
    )
    assert spend.told() == [("recovered", "acme", "12", "10", "2026-11")]


def test_every_period_is_told_anew(spend):
    spend.use("acme", "2026-11-02", 5)
    assert len(spend.told()) == 1
    spend.at("2026-12-03")
    assert spend.told() == []
    spend.use("acme", "2026-12-03", 5)
    assert spend.told() == [("crossed", "acme", "12", "12.5", "2026-12")]


def test_an_alert_that_is_told_once_is_not_told_in_the_next_period(world):
    world.apply(SPEND.replace("thresholds", "repeats: once, thresholds"))
    first = world.use("acme", "2026-11-02", 5)
    assert [each[0] for each in world.told()] == ["crossed"]
    world.at("2026-12-03")
    second = world.use("acme", "2026-12-03", 5)
    assert world.told() == []
    world.correct(first)
    assert world.told() == [("recovered", "acme", "12", "10", "2026-11")]
    world.correct(second)
    assert world.told() == []
    world.correct(second, voided=False)
    assert world.told() == [("crossed", "acme", "12", "12.5", "2026-12")]


def test_what_is_used_in_the_last_moment_of_a_period_counts_there(spend):
    """It is stored after midnight, when another period has begun."""
    spend.at("2026-12-01T00:00:05")
    spend.use("acme", "2026-11-30T23:59:59", 5)
    assert spend.told() == [("crossed", "acme", "12", "12.5", "2026-11")]


def test_what_comes_weeks_late_counts_in_its_period(spend):
    spend.at("2027-01-20")
    assert spend.told() == []
    spend.use("acme", "2026-11-05", 5)
    assert spend.told() == [("crossed", "acme", "12", "12.5", "2026-11")]


@ON_BOTH
def test_what_comes_in_behind_the_end_of_a_subscription_counts_in_its_last_periods(world):
    """It ended with November. 10 + 5 x 0.50 in the last second; 10 + 30 x 0.50 in October; in February the first is void."""
    world.apply(
        CATALOG.replace("plan: pro, start: 2026-10-01", "plan: pro, start: 2026-10-01, end: 2026-12-01", 1)
    )
    world.apply(SPEND)
    assert world.told() == []
    last = world.at("2026-12-01T00:00:10").use("acme", "2026-11-30T23:59:59", 5)
    assert world.told() == [("crossed", "acme", "12", "12.5", "2026-11")]
    assert world.at("2026-12-01T02:00:10").told() == []
    world.use("acme", "2026-10-29", 30)
    assert world.told() == [
        ("crossed", "acme", "12", "25", "2026-10"),
        ("crossed", "acme", "20", "25", "2026-10"),
    ]
    world.at("2027-02-01").correct(last)
    assert world.told() == [("recovered", "acme", "12", "10", "2026-11")]


def test_a_subscription_that_ends_takes_no_crossing_back(world):
    """Beside the fee of 10 another subscription has 5 trips at 1 until the 15th: 15 are reached, and nothing is corrected then."""
    two = "  - {id: two, name: Two, currency: USD, prices: [{id: two, meter: trips, model: per_unit, unit_amount: 1}]}\n"
    own = "  - {id: acme-two, customer: acme, plan: two, start: 2026-10-15, end: 2026-11-15}\n"
    world.apply(CATALOG.replace("customers:", two + "customers:") + own)
    world.apply(SPEND)
    assert world.told() == []
    trips = world.at("2026-11-10").use("acme", "2026-11-09", 5, "trip", region="eu")
    assert world.told() == [("crossed", "acme", "12", "15", "2026-11")]
    assert world.at("2026-11-15T02:00:00").told() == []
    world.use("acme", "2026-11-14", 1)
    assert world.told() == []
    world.correct(trips)
    assert world.told() == [("recovered", "acme", "12", "10.5", "2026-11")]


def test_what_comes_in_for_an_earlier_period_before_the_first_look_is_told(world):
    """The alert is made, and usage of October comes in before an engine looks; what October had before tells nothing."""
    world.use("bolt", "2026-10-05", 30)
    world.at("2026-11-02T00:00:10").apply(SPEND)
    world.at("2026-11-02T00:00:20").use("acme", "2026-10-05", 4)
    assert world.told() == [("crossed", "acme", "12", "12", "2026-10")]


@ON_BOTH
def test_a_fee_reaches_a_threshold_without_an_event(world):
    """At the beginning of each period, as soon as an engine looks: 10.00 reaches 10."""
    world.apply(SPEND.replace("'12', '20'", "'10'"))
    both = ["acme", "bolt"]
    assert [each[1] for each in world.told()] == both
    world.at("2026-11-30T23:59:00")
    assert world.told() == []
    world.at("2026-12-01T00:00:00")
    assert [(each[1], each[4]) for each in world.told()] == [(each, "2026-12") for each in both]
    assert world.told() == []


def test_what_was_stored_before_a_restart_is_told_by_the_next_engine(spend):
    spend.use("acme", "2026-11-02", 5)
    spend.restart()
    assert len(spend.told()) == 1


@ON_BOTH
def test_a_pass_that_breaks_off_tells_all_or_nothing(spend, monkeypatch):
    """The outbox refuses: the crossing isn't known either, and the next pass tells it."""

    def refuse(*_):
        raise ValueError("no space")

    spend.use("acme", "2026-11-02", 5)
    with monkeypatch.context() as patched:
        patched.setattr(alert_store, "record_facts", refuse)
        with pytest.raises(ValueError, match="no space"):
            spend.told()
    assert (
        spend.crossings.told(TENANT, customer_id="", alert_id="", reached_only=False, before=0, count=9) == []
    )
    assert len(spend.told()) == 1


@ON_BOTH
def test_of_two_passes_at_once_one_writes(spend):
    """The slower one began at a cursor that has moved: what it found is dropped."""
    before = spend.crossings.cursor(TENANT)
    spend.use("acme", "2026-11-02", 5)
    assert len(spend.told()) == 1
    with pytest.raises(RetryLaterError, match="another engine"):
        spend.crossings.record(TENANT, lambda _: [], [], before, Cursor(1, 1, 1), spend.now_us)
    assert spend.told() == []


def test_thresholds_of_a_budget_are_percentages_of_it(world):
    """80 % of 15.00 are 12.00."""
    world.apply(SPEND.replace("thresholds: ['12', '20']", "budget: 15, thresholds: ['80', '100']"))
    world.use("acme", "2026-11-02", 4)
    assert world.told() == [("crossed", "acme", "80", "12", "2026-11")]
    world.use("acme", "2026-11-02", 5)
    assert world.told() == []
    world.use("acme", "2026-11-02", 1)
    assert world.told() == [("crossed", "acme", "100", "15", "2026-11")]


def test_an_alert_of_one_customer_is_about_nobody_else(world):
    world.apply(SPEND.replace("measure", "customer: bolt, measure"))
    world.use("acme", "2026-11-02", 50)
    world.use("bolt", "2026-11-02", 4)
    assert world.told() == [("crossed", "bolt", "12", "12", "2026-11")]


def test_usage_is_the_quantity_over_all_groups_of_a_meter(world):
    """3 on the moon and 4 on mars are 7."""
    world.apply("alerts: [{id: t, name: Trips, measure: usage, meter: trips, thresholds: ['7']}]")
    world.use("acme", "2026-11-02", 3, "trip", region="moon")
    assert world.told() == []
    world.use("acme", "2026-11-02", 4, "trip", region="mars")
    assert world.told() == [("crossed", "acme", "7", "7", "2026-11")]


def test_a_credit_balance_reaches_a_threshold_from_above(world):
    """Of 30.00 the fee takes 10.00; 20 calls take 10.00 more, and leave 10.00."""
    grant = "credit_grants: [{id: gift, customer: acme, currency: USD, amount: 30, effective_at: 2026-11-01}]"
    low = "alerts: [{id: low, name: Low, measure: credit_balance, currency: USD, thresholds: ['10', '0']}]"
    world.apply(f"{grant}\n{low}")
    assert world.told() == []
    world.use("acme", "2026-11-02", 19)
    assert world.told() == []
    world.use("acme", "2026-11-02", 1)
    assert world.told() == [("crossed", "acme", "10", "10", "2026-11")]
    world.use("acme", "2026-11-02", 100)
    assert world.told() == [("crossed", "acme", "0", "0", "2026-11")]


def test_a_commitment_is_measured_in_percent_of_what_is_committed(world):
    """Of 30.00 a month: the fee is a third, 33.33 %; with 10 calls it is 15.00, which is half."""
    world.apply(
        "subscriptions: [{id: acme-pro, customer: acme, plan: pro, start: 2026-10-01, commitments: [{amount: 30}]}]\n"
        "alerts: [{id: c, name: Commitment, measure: commitment, thresholds: ['33.34', '50']}]"
    )
    assert world.told() == []
    world.use("acme", "2026-11-02", 10)
    assert [each[2:4] for each in world.told()] == [("33.34", "50"), ("50", "50")]


@ON_BOTH
def test_a_crossing_lasts_while_one_of_the_periods_goes_on(world):
    """Bolt has a month from the 15th, too, whose fee is 10.00: 20.00 in all. On 15 November and on 1 December a period begins, and the
    other one goes on: 25.00 is reached by 10 calls in the older month of November, and by as many of December anew.
    """
    world.apply(
        "plans: [{id: flat, name: Flat, currency: USD, prices: [{id: fee, model: flat, flat_amount: 10}]}]\n"
        "subscriptions: [{id: bolt-flat, customer: bolt, plan: flat, start: 2026-10-15}]\n"
        + SPEND.replace("'12', '20'", "'25'")
    )
    assert world.told() == []
    world.use("bolt", "2026-11-02", 10)
    assert [each[1:4] for each in world.told()] == [("bolt", "25", "25")]
    world.at("2026-11-15T00:00:10")
    assert world.told() == []
    world.use("bolt", "2026-11-15", 2)
    assert world.told() == []
    world.at("2026-12-01T00:00:10")
    assert world.told() == []
    world.use("bolt", "2026-12-01", 10)
    assert [each[:4] for each in world.told()] == [("crossed", "bolt", "25", "25")]


def test_a_tenant_that_can_not_be_measured_holds_up_no_other(spend, monkeypatch):
    """The tenant before it fails."""
    snapshot = spend.rater.snapshot

    def failing(tenant, *more):
        if tenant == "a-tenant":
            raise RetryLaterError("its store is away", retry_after_ms=1)
        return snapshot(tenant, *more)

    monkeypatch.setattr(spend.catalog, "tenants_with", lambda _kind: ["a-tenant", TENANT])
    monkeypatch.setattr(spend.rater, "snapshot", failing)
    spend.use("acme", "2026-11-02", 5)
    with pytest.raises(RetryLaterError, match="its store is away"):
        spend.upkeep.next_pass()
    monkeypatch.undo()
    assert spend.told() == []
    found = spend.crossings.told(TENANT, customer_id="", alert_id="", reached_only=True, before=0, count=9)
    assert [each.crossing.key.customer_id for each in found] == ["acme"]


@ON_BOTH
def test_the_last_alert_that_goes_ends_what_is_known(spend):
    """Made again, everybody is measured anew: who has reached it meanwhile is told."""
    spend.apply(SPEND.replace("'12', '20'", "'99'"))
    spend.use("acme", "2026-11-02", 5)
    assert spend.told() == []
    spend.apply(SPEND)
    assert spend.told() == [("crossed", "acme", "12", "12.5", "2026-11")]


class Model:
    """What is reached is computed anew from all events that stand; nothing is remembered but what was told."""

    def __init__(self, thresholds):
        self.thresholds = thresholds
        self.events = []
        self.standing = set()

    def told(self):
        """Sorted: what a look at everything tells."""
        spends = {}
        for event, stands in self.events:
            month = event["customer"], event["month"]
            spends.setdefault(month, Fraction(10))
            if stands:
                spends[month] += Fraction(event["properties"]["value"]) / 2
        found = []
        for (customer, month), spend in spends.items():
            for threshold in self.thresholds:
                key = customer, month, threshold
                if (spend >= threshold) != (key in self.standing):
                    found.append(
                        ("recovered" if key in self.standing else "crossed", customer, str(threshold), month)
                    )
                    self.standing ^= {key}
        return sorted(found)


_DAY_US = 86_400_000_000


@pytest.mark.parametrize("history", range(6))
def test_any_history_tells_what_a_look_at_everything_tells(tmp_path, usage, seed, history):
    """Events on time and late, voids and their ends, restarts, periods that begin: each pass tells each change once."""
    dice = random.Random(f"{seed}/{history}")
    world = AlertWorld(f"sqlite:///{tmp_path / 'catalog.sqlite'}", usage, CATALOG, now="2026-11-02")
    thresholds = sorted(dice.sample(range(11, 30), 4))
    world.apply(SPEND.replace("'12', '20'", ", ".join(f"'{each}'" for each in thresholds)))
    world.told()
    model = Model(thresholds)
    for _ in range(40):
        match dice.choice(["use", "use", "use", "late", "correct", "restart", "later", "look", "look"]):
            case "use" | "late" as what:
                back_us = dice.randrange(30 * _DAY_US) if what == "late" else 0
                at_us = max(world.now_us - back_us, instant_us("2026-10-01"))
                event = world.use(dice.choice(["acme", "bolt"]), at_us, dice.randrange(1, 12))
                month = next(
                    each
                    for each in ("2027-02", "2027-01", "2026-12", "2026-11", "2026-10")
                    if at_us >= instant_us(f"{each}-01")
                )
                model.events.append([event | {"month": month}, True])
            case "correct" if model.events:
                chosen = dice.choice(model.events)
                chosen[1] = not chosen[1]
                world.correct(chosen[0], voided=not chosen[1])
            case "restart":
                world.restart()
            case "later":
                world.now_us = min(world.now_us + dice.randrange(6 * _DAY_US), instant_us("2027-02-20"))
            case _:
                found = sorted((*each[:3], each[4]) for each in world.told())
                assert found == model.told()
    assert sorted((*each[:3], each[4]) for each in world.told()) == model.told()
    assert world.told() == []
    world.finish()
