"""Top-ups: who falls below what a rule says is granted credit, once each time, whoever races, whatever breaks off."""

import itertools
import json
import multiprocessing
import signal
import threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import pytest
from sqlalchemy import func, select

from engine.access.audit_log import AuditLog
from engine.billing.terms.history import History
from engine.billing.terms.settled import settled
from engine.catalog.kinds.alert import AlertMeasure
from engine.catalog.single.single_changes import end
from engine.catalog.store import CatalogStore, Write
from engine.errors import AlreadyExistsError, RetryLaterError
from engine.outbox.fact_types import FactType
from engine.spend.alerts.measuring import measured_at
from engine.spend.applied_terms import applied_credits
from engine.spend.top_ups.store import LowBalance, TopUpStore
from engine.spend.top_ups.top_up_pass import TopUpPass
from engine.sql.schema import AUDIT_RECORDS, OUTBOX
from engine.sql.top_up_table import TOP_UPS
from engine.times import datetime_us
from engine.usage.store.usage_store import UsageStore
from tests.support import killed_top_up
from tests.support.closing_world import TENANT, ClosingWorld

# A call is 0.50. Of 50.00 each: below 20.00 they are granted 100.00.
CATALOG = """
meters:
  - {id: calls, event_type: call, aggregation: sum, value: value}
plans:
  - {id: pro, name: Pro, currency: USD, prices: [{id: calls, meter: calls, model: per_unit, unit_amount: 0.50}]}
customers:
  - {id: acme, name: Acme}
  - {id: bolt, name: Bolt}
subscriptions:
  - {id: acme-pro, customer: acme, plan: pro, start: 2026-10-01}
  - {id: bolt-pro, customer: bolt, plan: pro, start: 2026-10-01}
credit_grants:
  - {id: first, customer: acme, currency: USD, amount: 50, category: paid, effective_at: 2026-11-01}
"""
RULE = "top_up_rules: [{id: auto, customer: acme, name: Auto, currency: USD, below: 20, amount: 100}]"
_FORK = multiprocessing.get_context("forkserver")
_FORK.set_forkserver_preload(["tests.support.killed_top_up"])
ON_BOTH = pytest.mark.parametrize("world", ["sqlite", "postgresql"], indirect=True)


class TopUpWorld(ClosingWorld):
    """A tenant whose customers pay ahead."""

    def __init__(self, url, store, text, **more):
        super().__init__(url, store, text, **more)
        self.restart()

    def restart(self):
        """Another engine goes on with what the stores have."""
        self.upkeep = self.another()

    def another(self, catalog=None):
        """The upkeep of one more gateway."""
        catalog = catalog or self.catalog
        return TopUpPass(
            catalog, self.rater, self.store, TopUpStore(self.database, catalog, lambda: self.now_us)
        )

    def passed(self, upkeep=None):
        """How many top-ups the next pass makes, a second later."""
        self.now_us += 1_000_000
        return (upkeep or self.upkeep).next_pass()

    def rows(self):
        with self.database.reading() as connection:
            return connection.execute(select(TOP_UPS).order_by(TOP_UPS.c.number)).all()

    def facts(self):
        wanted = select(OUTBOX).where(OUTBOX.c.fact_type == FactType.CREDIT_GRANT_TOPPED_UP.value)
        with self.database.reading() as connection:
            return [json.loads(row.payload) for row in connection.execute(wanted.order_by(OUTBOX.c.number))]

    def grants(self, customer="acme"):
        """(id, amount) of the customer's, as they were made."""
        found = self.catalog.snapshot(TENANT).credit_grants_of.get(customer, ())
        return [(each.id, each.amount) for each in found]

    def balance(self, customer="acme"):
        """As alerts measure it, and so `GetSpend` tells it."""
        snapshot = self.rater.snapshot(TENANT, None, None)
        (found,) = measured_at(self.rater, snapshot, (), [customer])
        return found.values.get((AlertMeasure.CREDIT_BALANCE, "USD"))


@pytest.fixture
def usage(tmp_path):
    store = UsageStore.open_embedded(tmp_path / "usage")
    yield store
    store.close()


@pytest.fixture
def world(request, tmp_path, usage):
    """Before the first rule; on SQLite, or on PostgreSQL where a test asks for both."""
    on_postgresql = getattr(request, "param", "sqlite") == "postgresql"
    url = (
        request.getfixturevalue("postgres_server").new_url()
        if on_postgresql
        else f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    )
    made = TopUpWorld(url, usage, CATALOG, now="2026-11-02")
    made.url = url
    yield made
    made.finish()


@pytest.fixture
def ruled(world):
    """Acme has 50.00, and the rule."""
    world.apply(RULE)
    assert world.passed() == 0
    return world


@ON_BOTH
def test_who_falls_below_is_topped_up_once(ruled):
    """50 - 60 x 0.50 = 20.00 is not below 20.00; one more call leaves 19.50, and 119.50 then, which 199 calls bring to 20.00."""
    ruled.use("acme", "2026-11-02", 60)
    assert ruled.passed() == 0
    ruled.use("acme", "2026-11-02", 1)
    assert ruled.passed() == 1
    assert ruled.grants() == [("first", 50), ("auto:1", 100)]
    assert ruled.balance() == Decimal("119.50")
    assert ruled.passed() == 0
    ruled.restart()
    assert ruled.passed() == 0
    ruled.use("acme", "2026-11-02", 199)
    assert ruled.passed() == 0
    ruled.use("acme", "2026-11-02", 1)
    assert ruled.passed() == 1
    assert ruled.grants() == [("first", 50), ("auto:1", 100), ("auto:2", 100)]
    assert ruled.grants("bolt") == []


@ON_BOTH
def test_the_grant_its_record_and_its_fact_say_the_same(world):
    """Valid from the instant on at which it is made, for three months of the calendar; the fact has what is to be charged."""
    world.apply(RULE.replace("amount: 100", "amount: 100, cost_basis: 0.9, priority: 7, lasts_months: 3"))
    world.at("2026-11-30T12:00:00").use("acme", "2026-11-30", 61)
    assert world.passed() == 1
    grant = world.catalog.snapshot(TENANT).of_kind("credit_grant")["auto:1"].resource
    at = datetime(2026, 11, 30, 12, 0, 1, tzinfo=UTC)
    assert (grant.effective_at, grant.expires_at) == (at, at.replace(year=2027, month=2, day=28))
    assert (grant.category.value, grant.priority, grant.cost_basis) == ("paid", 7, Decimal("0.9"))
    (row,) = world.rows()
    assert (row.rule_id, row.number, row.customer_id, row.credit_grant_id) == ("auto", 1, "acme", "auto:1")
    assert (row.amount, row.balance, row.month) == ("100", "19.5", "2026-11")
    (fact,) = world.facts()
    as_of = fact.pop("as_of")
    assert (
        datetime_us(datetime.fromisoformat(as_of)) == row.as_of_us <= row.topped_up_at_us == datetime_us(at)
    )
    assert fact == {
        "credit_grant_id": "auto:1",
        "top_up_rule_id": "auto",
        "customer_id": "acme",
        "currency": "USD",
        "amount": "100",
        "below": "20",
        "balance": "19.5",
        "cost_basis": "0.9",
        "effective_at": "2026-11-30T12:00:01Z",
        "expires_at": "2027-02-28T12:00:01Z",
    }
    log = AuditLog(world.database, lambda: world.now_us, lambda: 0)
    (record,) = log.records(TENANT, None, 10)
    log.close()
    assert (record.credential, record.operation, record.subject, record.code) == (
        *("automatic", "TopUp", "auto:1", "OK"),
    )


@ON_BOTH
def test_the_most_of_a_month_holds_and_the_next_month_has_its_own(world):
    """The rule may grant 250 a month: two times 100. Of 400.00 that are used 250 are covered, and no third time."""
    world.apply(RULE.replace("amount: 100", "amount: 100, most_per_month: 250"))
    world.use("acme", "2026-11-02", 800)
    assert [world.passed() for _ in range(4)] == [1, 1, 0, 0]
    assert world.balance() == 0
    world.restart()
    assert world.passed() == 0
    world.at("2026-11-30T23:59:50")
    assert world.passed() == 0
    # December begins with nothing left: 100.00, and 160.50 of them are used.
    world.at("2026-12-01T01:00:00")
    assert [world.passed() for _ in range(3)] == [1, 0, 0]
    world.use("acme", "2026-12-01", 321)
    assert [world.passed() for _ in range(3)] == [1, 0, 0]
    assert world.balance() == Decimal("39.50")
    assert [(each.month, each.amount) for each in world.rows()] == [
        *(("2026-11", "100"), ("2026-11", "100")),
        *(("2026-12", "100"), ("2026-12", "100")),
    ]


def test_a_top_up_that_was_deleted_counts_toward_the_most_of_its_month(world):
    """100 of 150 are granted; the grant is deleted, since the payment failed: 100 more would be 200."""
    world.apply(RULE.replace("amount: 100", "amount: 100, most_per_month: 150"))
    world.use("acme", "2026-11-02", 80)
    assert world.passed() == 1
    _end(world, "delete", "credit_grant", "auto:1")
    assert world.balance() == 10
    assert [world.passed() for _ in range(2)] == [0, 0]
    # A rule of the same name later goes on with its numbers.
    _end(world, "delete", "top_up_rule", "auto")
    world.apply(RULE)
    assert world.passed() == 1
    assert world.grants() == [("first", 50), ("auto:2", 100)]


@ON_BOTH
def test_two_gateways_that_look_at_once_top_up_once(world):
    """Each with a catalog store of its own; both have measured 19.50 before either writes."""
    world.apply(RULE)
    world.use("acme", "2026-11-02", 61)
    both = threading.Barrier(2, timeout=60)
    stores = [CatalogStore(world.database) for _ in range(2)]
    upkeeps = [world.another(each) for each in stores]
    for each in upkeeps:
        each._top_ups.top_up = partial(_together, both, each._top_ups.top_up)
    found = []

    def look(upkeep):
        try:
            found.append(upkeep.next_pass())
        except RetryLaterError as error:
            found.append(str(error))

    threads = [threading.Thread(target=look, args=[each]) for each in upkeeps]
    world.now_us += 1_000_000
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(map(str, found)) == [
        "1",
        "what the top-up rule 'auto' looks at has changed meanwhile",
    ]
    for each in upkeeps:
        each._top_ups = TopUpStore(world.database, each._catalog, lambda: world.now_us)
        assert world.passed(each) == 0
    assert (len(world.rows()), len(world.facts())) == (1, 1)
    assert world.balance() == Decimal("119.50")


def _together(both, top_up, low):
    both.wait()
    return top_up(low)


@ON_BOTH
def test_a_top_up_by_a_killed_engine_is_made_once_by_the_next(world):
    """Killed before and after each statement, up to its commit: either all of it was made or nothing, and the next engine makes it."""
    world.apply(RULE)
    for touch in itertools.count(1):
        # 61 calls leave 19.50 of the 50.00, 200 leave 19.50 of what is there after each top-up.
        world.use("acme", "2026-11-02", 61 if touch == 1 else 200)
        world.now_us += 1_000_000
        arguments = (world.url, TENANT, "acme", world.now_us, touch)
        process = _FORK.Process(target=killed_top_up.top_up, args=arguments)
        process.start()
        process.join(120)
        assert process.exitcode in (0, -signal.SIGKILL)
        assert _made(world) in ((touch - 1,) * 4, (touch,) * 4)
        world.restart()
        world.passed()
        assert (_made(world), world.balance()) == ((touch,) * 4, Decimal("119.50"))
        if process.exitcode == 0:
            break
    print(f"{touch - 1} kills")
    # Of what it reads before, of the four rows that it inserts, and of the commit.
    assert touch > 12


def _made(world):
    """How many grants, rows, facts and audit records there are."""
    with world.database.reading() as connection:
        audited = connection.scalar(select(func.count()).select_from(AUDIT_RECORDS))
    return len(world.grants()) - 1, len(world.rows()), len(world.facts()), audited


def test_what_the_rule_looks_at_is_what_spend_tells(ruled):
    """61 calls of October and 20 of November are 40.50; the coupon of November takes 1.00 off: 50 - 30.50 - 9 are 10.50."""
    ruled.apply(
        "coupons: [{id: off, name: Off, percent_off: 10}]\n"
        "customers: [{id: acme, name: Acme, coupons: [{coupon: off, start: 2026-11-01}]}]\n"
        "credit_grants: [{id: first, customer: acme, currency: USD, amount: 50, category: paid, effective_at: 2026-10-01}]"
    )
    ruled.use("acme", "2026-10-05", 61)
    ruled.use("acme", "2026-11-02", 20)
    assert ruled.balance() == Decimal("10.50")
    snapshot = ruled.rater.snapshot(TENANT, None, None)
    (rated,) = ruled.rater.rate_customers(snapshot, ["acme"])
    told = applied_credits(settled(rated, History.of(ruled.rater, snapshot)))
    assert sum(each.balance for each in told) == Decimal("10.50")
    assert ruled.passed() == 1
    assert ruled.rows()[0].balance == "10.5"
    assert ruled.balance() == Decimal("110.50")


def test_what_comes_back_by_a_correction_takes_no_top_up_back(ruled):
    """The 61 calls never were: 50 + 100 are left, and the grant stays."""
    used = ruled.use("acme", "2026-11-02", 61)
    assert ruled.passed() == 1
    ruled.correct(used)
    assert ruled.passed() == 0
    assert ruled.grants() == [("first", 50), ("auto:1", 100)]
    assert ruled.balance() == 150


def test_who_never_had_credit_has_nothing(world):
    """Bolt is topped up as soon as it has the rule; acme's rule in euros, too, though it has dollars."""
    world.apply(
        RULE.replace("customer: acme", "customer: bolt").replace("]", ",")
        + " {id: euros, customer: acme, currency: EUR, below: 5, amount: 10}]"
    )
    assert world.passed() == 2
    assert world.grants("bolt") == [("auto:1", 100)]
    assert world.grants() == [("first", 50), ("euros:1", 10)]
    assert world.passed() == 0


def test_credit_that_expires_is_made_up_for_within_the_hour(world):
    """Nothing is used and nobody changes anything; the 50.00 expire with November."""
    world.apply(
        CATALOG.replace("effective_at: 2026-11-01", "effective_at: 2026-11-01, expires_at: 2026-12-01")
    )
    world.apply(RULE)
    world.at("2026-11-30T23:30:00")
    assert world.passed() == 0
    world.at("2026-12-01T00:31:00")
    assert world.passed() == 1
    assert world.grants() == [("first", 50), ("auto:1", 100)]


def test_a_top_up_that_would_pay_for_nothing_is_not_made(world):
    """The plan bills by the year: what expires after a month is not valid at the end of the period, and would never be enough."""
    world.apply(
        "plans: [{id: yearly, name: Y, currency: USD, billing_period: year, "
        "prices: [{id: calls, meter: calls, model: per_unit, unit_amount: 0.50}]}]\n"
        "customers: [{id: coil, name: Coil}]\n"
        "subscriptions: [{customer: coil, plan: yearly, start: 2026-10-01}]"
    )
    rule = RULE.replace("acme", "coil").replace("amount: 100", "amount: 100, lasts_months: 1")
    world.apply(rule)
    assert [world.passed() for _ in range(2)] == [0, 0]
    # Until 2027-10-02: the period ends on 2027-10-01.
    world.apply(rule.replace("lasts_months: 1", "lasts_months: 11"))
    assert [world.passed() for _ in range(2)] == [1, 0]


def test_a_customer_without_a_running_period_is_not_topped_up(world):
    """Its subscription ended with October: nothing would draw on the credit."""
    world.apply(
        CATALOG.replace("plan: pro, start: 2026-10-01", "plan: pro, start: 2026-10-01, end: 2026-11-01", 1)
    )
    world.apply(RULE.replace("below: 20", "below: 80"))
    assert world.passed() == 0


def test_what_changes_while_a_balance_is_measured_is_measured_anew(ruled, monkeypatch):
    """A gift of 30.00 comes in behind the measuring of 19.50: with it 49.50 are left, which is not below. So does another rule."""
    ruled.use("acme", "2026-11-02", 61)
    rule = ruled.catalog.snapshot(TENANT).top_up_rules_of["acme"][0]
    snapshot = ruled.rater.snapshot(TENANT, None, None)
    low = LowBalance(
        snapshot.catalog, rule, Decimal("19.50"), snapshot.at_us, snapshot.as_of_us, snapshot.at_us
    )
    store = TopUpStore(ruled.database, ruled.catalog, lambda: ruled.now_us)
    ruled.apply(
        "credit_grants: [{id: gift, customer: acme, currency: USD, amount: 30, effective_at: 2026-11-01}]"
    )
    with pytest.raises(RetryLaterError, match="has changed meanwhile"):
        store.top_up(low)
    assert ruled.passed() == 0
    snapshot = ruled.rater.snapshot(TENANT, None, None)
    low = replace(low, catalog=snapshot.catalog)
    ruled.apply(RULE.replace("amount: 100", "amount: 200"))
    with pytest.raises(RetryLaterError, match="has changed meanwhile"):
        store.top_up(low)
    assert ruled.rows() == []


def test_what_was_measured_before_a_top_up_is_not_believed_after_it(ruled):
    """By a gateway whose clock is behind: its balance is that of before the grant, which isn't valid yet there."""
    ruled.use("acme", "2026-11-02", 61)
    assert ruled.passed() == 1
    snapshot = ruled.rater.snapshot(TENANT, None, None)
    rule = snapshot.catalog.top_up_rules_of["acme"][0]
    low = LowBalance(
        snapshot.catalog, rule, Decimal("19.50"), snapshot.at_us - 1, snapshot.as_of_us, snapshot.at_us
    )
    store = TopUpStore(ruled.database, ruled.catalog, lambda: ruled.now_us)
    with pytest.raises(RetryLaterError, match="has changed meanwhile"):
        store.top_up(low)


def test_an_archived_rule_tops_up_nothing(ruled):
    _end(ruled, "archive", "top_up_rule", "auto")
    ruled.use("acme", "2026-11-02", 61)
    assert [ruled.passed() for _ in range(2)] == [0, 0]


def test_a_rule_that_fails_holds_up_no_other(world):
    """Somebody has called a grant of his own as the rule would call its first; bolt's rule comes behind."""
    world.apply(
        CATALOG
        + "  - {id: 'auto:1', customer: bolt, currency: EUR, amount: 1, effective_at: 2026-11-01}\n"
        + RULE.replace("]", ",").replace("below: 20", "below: 80")
        + " {id: other, customer: bolt, currency: USD, below: 5, amount: 10}]"
    )
    for _ in range(2):
        with pytest.raises(AlreadyExistsError, match="auto:1"):
            world.passed()
        assert [each.credit_grant_id for each in world.rows()] == ["other:1"]


def test_usage_under_an_alias_counts(world):
    world.apply("customers: [{id: acme, name: Acme, aliases: [acme-old]}]")
    world.apply(RULE)
    assert world.passed() == 0
    world.use("acme-old", "2026-11-02", 61)
    assert world.passed() == 1


def test_a_tenant_without_rules_costs_no_read_of_the_usage_store(world, monkeypatch):
    """Nor does one that had one: the statements of the usage store are counted, and those of a tenant with a rule are some."""
    statements = []
    for name in ("query", "execute", "transform"):
        if hasattr(UsageStore, name):
            monkeypatch.setattr(UsageStore, name, _counted(getattr(UsageStore, name), statements))
    world.use("acme", "2026-11-02", 61)
    statements.clear()
    assert [world.passed() for _ in range(3)] == [0, 0, 0]
    assert statements == []
    world.apply(RULE)
    assert world.passed() == 1
    assert statements
    _end(world, "delete", "top_up_rule", "auto")
    statements.clear()
    assert [world.passed() for _ in range(3)] == [0, 0, 0]
    assert statements == []


def _counted(done, statements):
    def counted(*arguments, **options):
        statements.append(done.__name__)
        return done(*arguments, **options)

    return counted


def _end(world, action, kind, key):
    """Archives or deletes."""
    at = datetime.fromtimestamp(world.now_us // 1_000_000, UTC)
    done = partial(end, kind, key, action, "", at)
    world.catalog.write(TENANT, done, Write(at, "tests", ""))
