"""Customers whose closed periods can't have changed are not rated again, and all others are."""

import random

import pytest

from engine.billing.closing.invoice import Close
from engine.usage.corrections.voids import Kind
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_bills import AMOUNTS
from tests.support.closing_histories import CATALOG, MONTHS, use
from tests.support.closing_world import TENANT, ClosingWorld, instant_us
from tests.support.long_forms import numbered

ALL = {"acme", "bolt", "coil"}


@pytest.fixture
def store(tmp_path):
    opened = UsageStore.open_embedded(tmp_path / "usage")
    yield opened
    opened.close()


@pytest.fixture
def world(tmp_path, store):
    """August to October are closed, each a few days later; it is the 5th of December."""
    made = ClosingWorld(f"sqlite:///{tmp_path / 'c.sqlite'}", store, CATALOG, "2026-08-01")
    for start, before in (("2026-08-01", "2026-10-01"), ("2026-10-01", "2026-11-01")):
        made.at(f"{before[:8]}05")
        for customer in sorted(ALL):
            made.use(customer, f"{start[:8]}03")
        made.close(start, before)
    yield made.at("2026-12-05")
    made.finish()


def unchanged(world, start="2026-11-01", before="2026-12-01"):
    """As a run that begins now finds them."""
    snapshot = world.rater.snapshot(TENANT, None, None)
    close = Close(
        tenant=TENANT,
        close_id=f"run at {snapshot.as_of_us} {snapshot.catalog.revision}",
        from_us=instant_us(start),
        before_us=instant_us(before),
        grace_us=0,
        as_of_us=snapshot.as_of_us,
        catalog_revision=snapshot.catalog.revision,
        begun_at_us=world.now_us,
        begun_by="tests",
    )
    return world.unchanged.among(close, snapshot.catalog, sorted(ALL))


def test_nobody_has_changed_while_nothing_happens(world):
    assert unchanged(world) == ALL


def test_who_was_never_billed_is_never_unchanged(world):
    assert "dora" not in unchanged(world)


def test_an_event_that_comes_in_late_changes_its_customer(world):
    world.use("bolt", "2026-09-10")
    assert unchanged(world) == ALL - {"bolt"}


def test_an_event_of_the_span_changes_nobody(world):
    world.use("bolt", "2026-11-10")
    assert unchanged(world) == ALL


def test_a_late_event_under_an_alias_changes_whose_alias_it_is(world):
    """The alias is there since before the newest close."""
    world.apply(
        "customers: [{id: acme, name: A, tax_region: DE, aliases: [other], coupons: [{coupon: ten, start: 2026-09-01}]}]"
    )
    world.close("2026-11-01", "2026-12-01")
    world.at("2027-01-05")
    assert unchanged(world, "2026-12-01", "2027-01-01") == ALL
    world.use("other", "2026-09-10")
    assert unchanged(world, "2026-12-01", "2027-01-01") == ALL - {"acme"}


@pytest.mark.parametrize("kind", [Kind.VOID, Kind.ID_REUSED])
def test_a_correction_changes_its_customer(world, kind):
    event = world.use("acme", "2026-11-03")
    world.close("2026-11-01", "2026-12-01")
    world.at("2027-01-05")
    assert unchanged(world, "2026-12-01", "2027-01-01") == ALL
    world.correct(event, kind=kind)
    assert unchanged(world, "2026-12-01", "2027-01-01") == ALL - {"acme"}


def test_a_changed_customer_subscription_or_grant_changes_its_customer_alone(world):
    world.apply(
        "customers: [{id: dora, name: D}]\nsubscriptions: [{customer: dora, plan: pro, start: 2026-12-01}]"
    )
    assert unchanged(world) == ALL
    world.apply(
        "credit_grants: [{id: more, customer: acme, currency: USD, amount: 1, effective_at: 2026-08-01}]"
    )
    assert unchanged(world) == ALL - {"acme"}
    world.apply("subscriptions: [{customer: bolt, plan: euro, start: 2026-08-05, end: 2026-12-20}]")
    assert unchanged(world) == {"coil"}


@pytest.mark.parametrize(
    "text",
    [
        "tax_regions: [{id: GR, name: Greece, country: GR, rates: [{id: vat, percent: 23, inclusive: true}]}]",
        "coupons: [{id: ten, name: Ten, percent_off: 11}]",
        "meters: [{id: extra, event_type: call, aggregation: count}]",
    ],
)
def test_whatever_else_the_catalog_changes_may_concern_everybody(world, text):
    world.apply(text)
    assert unchanged(world) == set()


def test_a_void_changes_its_customer_until_it_is_billed_anew(world):
    """Its corrections and its period are open again."""
    (own, *_) = [each for each in world.standing() if each.key.customer_id == "bolt"]
    world.invoices.void(TENANT, own.invoice_id, 0, "said so", world.now_us)
    assert unchanged(world) == ALL - {"bolt"}


def test_periods_that_no_newer_run_looked_at_are_in_doubt(world):
    """October of all is closed anew at once, and says nothing of August and September."""
    world.close("2026-11-01", "2026-12-01")
    for each in [each for each in world.standing() if each.key.customer_id == "acme"]:
        if instant_us("2026-10-01") < each.key.end_us <= instant_us("2026-11-01"):
            world.invoices.void(TENANT, each.invoice_id, 0, "said so", world.now_us)
    world.at("2026-12-06").close("2026-10-01", "2026-11-01")
    world.at("2027-01-05")
    assert unchanged(world, "2026-12-01", "2027-01-01") == ALL - {"acme"}


def test_nobody_is_unchanged_where_events_expire(world):
    """What came in late may have gone since."""
    world.catalog.refuse_events_before(TENANT, instant_us("2026-08-02"))
    assert unchanged(world) == set()


class _All:
    """Nobody is unchanged: all closed periods are rated again."""

    def among(self, _close, _catalog, _customers):
        return frozenset()


class _Counting:
    def __init__(self, real):
        self.real, self.skipped = real, 0

    def among(self, *arguments):
        found = self.real.among(*arguments)
        self.skipped += len(found)
        return found


CHANGES = (
    "coupons: [{id: ten, name: Ten, percent_off: 12}]",
    "customers: [{id: dora, name: D}]\nsubscriptions: [{customer: dora, plan: fine, start: 2026-09-20}]",
    "credit_grants: [{id: late, customer: coil, currency: USD, amount: 4, effective_at: 2026-08-01}]",
    "customers: [{id: bolt, name: B, tax_region: DE}]",
)


@pytest.mark.parametrize("number", numbered(2, 60))
def test_documents_are_those_of_closes_that_rate_everything_again(tmp_path, store, seed, number):
    """Invoice by invoice and line by line, whatever comes in late, is corrected, changed in the catalog or made void."""
    dice = random.Random(f"{seed}-{number}")
    worlds = [ClosingWorld(f"sqlite:///{tmp_path / 'skips.sqlite'}", store, CATALOG, "2026-08-01")]
    worlds.append(
        ClosingWorld(f"sqlite:///{tmp_path / 'all.sqlite'}", store, CATALOG, "2026-08-01", worlds[0].clock)
    )
    skips = _Counting(worlds[0].unchanged)
    worlds[0].closer._unchanged, worlds[1].closer._unchanged = skips, _All()
    events, closed_until = [], 0
    for place in range(1, len(MONTHS)):
        day = dice.choice(("01", "03", "14"))
        for each in worlds:
            each.at(f"{MONTHS[place][:8]}{day}")
        _happen(dice, worlds, events, MONTHS[place])
        if dice.random() < 0.85:
            at_once = dice.choice((1, 2, 10_000))
            for each in worlds:
                each.close(MONTHS[closed_until], MONTHS[place], subscriptions=at_once, grace_us=0)
            closed_until = place
        standing = worlds[0].standing()
        if standing and dice.random() < 0.2:
            gone = dice.choice(standing).number
            for each in worlds:
                each.invoices.void(TENANT, "", gone, "said so", each.now_us)
        assert _documents(worlds[0]) == _documents(worlds[1])
    print(f"{skips.skipped} times a customer was unchanged")
    for each in worlds:
        each.finish()


def _happen(dice, worlds, events, until):
    """Events, some of them late, corrections, and changes of the catalog."""
    events += [use(dice, worlds[0], MONTHS[0], until) for _ in range(dice.randint(0, 3))]
    if events and dice.random() < 0.4:
        worlds[0].correct(dice.choice(events), voided=dice.random() < 0.7)
    if dice.random() < 0.4:
        change = dice.choice(CHANGES)
        for each in worlds:
            each.apply(change)


def _documents(world):
    """Of each invoice that stands: what the header and the lines say, but for ids that are of the run."""
    names = ("line_item_id", "period_start", "quantity", "event_count", "event_digest", *AMOUNTS)
    return [
        (each.number, each.key, each.sums, [[line[name] for name in names] for line in world.lines(each)])
        for each in world.standing()
    ]
