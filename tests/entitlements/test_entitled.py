"""What a customer has: plans, add-ons, a subscription's own, phases, several subscriptions. Worked out by hand."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from engine.catalog.documents.document import read_document
from engine.catalog.snapshots.snapshot import Catalog
from engine.entitlements.access import AccessRefusal, access_to
from engine.entitlements.entitled import entitled_at
from engine.errors import NotFoundError
from engine.times import datetime_us
from tests.support.catalogs import catalog_of

CATALOG = """
meters: [{id: calls, event_type: call, aggregation: count}]
plans:
  - id: pro
    name: Pro
    currency: USD
    prices: []
    features: {sso: true, support: standard, audit: false}
    limits: [{id: calls, meter: calls, quantity: 100}, {id: budget, amount: 50, enforcement: soft}]
  - id: boost
    name: Boost
    currency: USD
    prices: []
    features: {support: gold, sso: false}
    limits: [{id: calls, meter: calls, quantity: "0.5", enforcement: soft}, {id: extra, meter: calls, quantity: 7}]
  - {id: side, name: Side, currency: USD, prices: [], features: {audit: true}, limits: [{id: calls, meter: calls, quantity: 3}]}
customers: [{id: a, name: A}, {id: b, name: B}, {id: c, name: C}]
subscriptions:
  - customer: a
    plan: pro
    start: 2026-01-15
    add_ons: {boost: 3}
    limits: {calls: {when_unreachable: open}, budget: {amount: 60}}
    features: {audit: "on"}
    phases: [{start: 2026-03-01, limits: {}, features: {}, add_ons: {}}]
  - {customer: b, plan: pro, start: 2026-01-01, end: 2026-06-01}
  - {customer: b, plan: side, start: 2026-01-10}
"""


@pytest.fixture(scope="module")
def catalog():
    document = read_document(CATALOG, "c.yaml")
    resources = document.resources(Catalog.empty("t"), datetime(2026, 1, 1, tzinfo=UTC))
    return catalog_of(resources)


def at(catalog, customer, *when):
    return entitled_at(catalog, customer, datetime_us(datetime(*when, tzinfo=UTC)))


def test_add_ons_add_to_limits_and_the_subscription_has_the_last_word(catalog):
    """100 and three times 0.5; boost's own limit three times; the add-on's gold, and not its false."""
    found = at(catalog, "a", 2026, 2, 20)
    assert found.features == {"sso": True, "support": "gold", "audit": "on"}
    said = {each.limit.id: each.limit for each in found.limits}
    assert {name: each.bound for name, each in said.items()} == {
        "calls": Decimal("101.5"),
        "budget": Decimal(60),
        "extra": Decimal(21),
    }
    assert said["calls"].is_hard
    assert said["calls"].opens_when_unreachable
    # The billing period of a subscription that started on the 15th.
    period = datetime_us(datetime(2026, 2, 15, tzinfo=UTC)), datetime_us(datetime(2026, 3, 15, tzinfo=UTC))
    assert {(each.start_us, each.end_us) for each in found.limits} == {period}


def test_a_phase_takes_back_what_was_said_before(catalog):
    """From 1 March on it is the plan alone."""
    found = at(catalog, "a", 2026, 3, 1)
    assert found.features == {"sso": True, "support": "standard", "audit": False}
    assert {each.limit.id: str(each.limit.bound) for each in found.limits} == {"calls": "100", "budget": "50"}


def test_several_subscriptions_each_have_their_limits(catalog):
    """A feature is had if one has it. After an end only the other is there."""
    both = at(catalog, "b", 2026, 2, 20)
    assert both.features == {"sso": True, "support": "standard", "audit": True}
    assert [str(each.limit.bound) for each in both.limits_of("calls")] == ["100", "3"]
    assert [str(each.limit.bound) for each in at(catalog, "b", 2026, 6, 1).limits_of("calls")] == ["3"]


def test_without_a_subscription_nothing_is_had(catalog):
    """The reason tells it from a feature that nobody has."""
    found = at(catalog, "c", 2026, 2, 20)
    refused = access_to(["sso", "calls", "nothing"], found, {}, {})
    assert [each.refusal for each in refused] == [
        AccessRefusal.NO_SUBSCRIPTION,
        AccessRefusal.NO_SUBSCRIPTION,
        AccessRefusal.UNKNOWN_FEATURE,
    ]
    with pytest.raises(NotFoundError, match="customer 'd' is not in the catalog"):
        at(catalog, "d", 2026, 2, 20)


@pytest.mark.parametrize(
    ("used", "reserved", "refusal", "remaining"),
    [
        # b's bounds are 100 and 3: both must have room.
        (("99", "2"), "0", None, ["1", "1"]),
        (("99", "2"), "1", AccessRefusal.LIMIT_REACHED, ["0", "0"]),
        (("0", "3"), "0", AccessRefusal.LIMIT_REACHED, ["100", "0"]),
        (("120", "0"), "0", AccessRefusal.LIMIT_REACHED, ["0", "3"]),
        (("0", "2.999999999999"), "0", None, ["100", "0.000000000001"]),
    ],
)
def test_a_hard_limit_ends_access_when_nothing_remains(catalog, used, reserved, refusal, remaining):
    """Of every subscription that has it."""
    found = at(catalog, "b", 2026, 2, 20)
    read = dict(zip(found.limits_of("calls"), map(Decimal, used), strict=True))
    (access,) = access_to(["calls"], found, read, {"calls": Decimal(reserved)})
    assert access.refusal is refusal
    assert [format(each.remaining, "f") for each in access.limits] == remaining
    assert not access.allowed_when_unreachable


def test_a_soft_limit_refuses_nothing_and_says_that_it_is_reached(catalog):
    """Also where nobody knows what is spent."""
    found = at(catalog, "a", 2026, 3, 20)
    (budget,) = found.limits_of("budget")
    for used in (Decimal(50), None):
        (access,) = access_to(["budget"], found, {budget: used}, {})
        assert (access.refusal, access.limits[0].is_reached, access.allowed_when_unreachable) == (
            None,
            True,
            True,
        )
