"""The budget that a customer sets for itself, in the catalog; on SQLite and PostgreSQL alike."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count

import pytest

from engine.catalog.single.customer_budget import (
    CustomerBudget,
    budget_currencies,
    checked_currency,
    own_budget,
    set_budget,
)
from engine.catalog.single.etags import etag_of
from engine.catalog.store import Write
from engine.errors import InvalidRequestError, NotFoundError, StaleError

AT = datetime(2026, 6, 1, tzinfo=UTC)
DOCUMENT = """
plans:
  - {id: pro, name: Pro, currency: EUR, prices: [{id: fee, model: flat, flat_amount: 5}]}
  - {id: us, name: US, currency: USD, prices: [{id: fee, model: flat, flat_amount: 5}]}
  - {id: yen, name: Yen, currency: JPY, prices: [{id: fee, model: flat, flat_amount: 5}]}
  - {id: both, name: Both, currency: EUR, prices: [{id: fee, model: flat, flat_amount: 5}], currencies: {USD: {prices: {fee: {flat_amount: 6}}}, GBP: {prices: {fee: {flat_amount: 4}}}}}
customers: [{id: acme, name: Acme}, {id: bolt, name: Bolt}, {id: new, name: New}, {id: abroad, name: Abroad, currency: USD}]
subscriptions:
  - {customer: acme, plan: pro, start: 2026-01-01}
  - {customer: bolt, plan: pro, start: 2026-01-01}
  - {customer: bolt, plan: us, start: 2026-07-01}
  - {customer: bolt, plan: yen, start: 2026-01-01, end: 2026-02-01}
  - {id: a1, customer: abroad, plan: both, start: 2026-01-01, end: 2026-09-01}
  - {id: a2, customer: abroad, plan: both, start: 2026-09-01, currency: GBP}
alerts:
  - {id: ours, name: Ours, measure: spend, customer: acme, currency: EUR, budget: 7, thresholds: [50]}
"""


@pytest.fixture
def world(store, apply):
    apply(DOCUMENT)
    numbers = count(1)

    def write(amount, *thresholds, customer="acme", currency="EUR", etag=""):
        budget = CustomerBudget(
            customer, currency, amount and Decimal(amount), [Decimal(each) for each in thresholds]
        )
        made = f"budget-{next(numbers)}"
        return store.write(
            "t",
            lambda catalog: set_budget(budget, etag, AT, catalog, lambda: made),
            Write(AT, "link:abc", "0" * 64),
        )

    return write


def test_a_customer_has_one_budget_in_a_currency(store, world):
    """The first write makes it, the next ones change it; what the company says of the customer stays, and so do other customers'."""
    assert [each.action for each in world("100", "80", "100").changes] == ["create"]
    assert [each.action for each in world("50.5", "90").changes] == ["update"]
    assert world("50.50", "90").changes == ()
    world("8", "50", customer="bolt", currency="USD")
    catalog = store.snapshot("t")
    found = own_budget(catalog, "acme", "EUR")
    assert found.resource.to_fields() == {
        "id": "budget-1",
        "name": "Budget",
        "measure": "spend",
        "customer": "acme",
        "currency": "EUR",
        "budget": "50.5",
        "thresholds": ["90"],
        "repeats": "every_period",
        "set_by_customer": True,
    }
    assert own_budget(catalog, "bolt", "EUR") is None
    assert {each.id: each.budget for each in catalog.alerts} == {
        "ours": 7, "budget-1": Decimal("50.5"), "budget-4": 8,
    }  # fmt: skip
    # Who changed it is kept with each version.
    versions = store.versions("t", "alert", "budget-1", None, 10)
    assert [each.changed_by for each in versions] == ["link:abc", "link:abc"]


def test_a_removed_budget_is_gone_and_can_be_set_anew(store, world):
    """Under another id. One that isn't there can't be removed."""
    with pytest.raises(NotFoundError, match="no budget in EUR"):
        world(None)
    world("100", "80")
    assert [each.action for each in world(None).changes] == ["delete"]
    assert own_budget(store.snapshot("t"), "acme", "EUR") is None
    world("100", "80")
    assert own_budget(store.snapshot("t"), "acme", "EUR").resource.id != "budget-2"


def test_a_write_goes_on_what_its_caller_has_seen(world):
    """An etag of an earlier version is stale, also of a budget that was removed since; one of something else is a mistake."""
    world("100", "80")
    first = etag_of("alert", "budget-1", 1)
    world("90", "80", etag=first)
    with pytest.raises(StaleError, match="changed since it was read"):
        world("80", "80", etag=first)
    with pytest.raises(StaleError):
        world(None, etag=first)
    with pytest.raises(InvalidRequestError, match="etag"):
        world("80", "80", etag=etag_of("alert", "ours", 1))
    world(None, etag=etag_of("alert", "budget-1", 2))
    with pytest.raises(StaleError, match="was removed"):
        world("80", "80", etag=etag_of("alert", "budget-1", 2))


def test_a_budget_is_in_a_currency_of_the_customer_s_plans(store, world):
    """Of subscriptions that run or will: their own, their customer's, or their plan's; where there is one, nobody has to say it."""
    catalog = store.snapshot("t")
    assert [budget_currencies(catalog, each, AT) for each in ("acme", "bolt", "new", "abroad")] == [
        ["EUR"], ["EUR", "USD"], [], ["GBP", "USD"],
    ]  # fmt: skip
    assert checked_currency(catalog, "acme", "", AT) == "EUR"
    assert checked_currency(catalog, "bolt", "USD", AT) == "USD"
    for customer, currency, words in (
        ("acme", "USD", "is 'USD': the customer is billed in EUR"),
        ("bolt", "", "is missing: give one of EUR, USD"),
        ("bolt", "JPY", "is 'JPY': the customer is billed in EUR, USD"),
        ("new", "EUR", "no currency, as it has no subscription"),
    ):
        with pytest.raises(InvalidRequestError, match=words):
            checked_currency(catalog, customer, currency, AT)
    with pytest.raises(NotFoundError):
        budget_currencies(catalog, "nobody", AT)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("customer: acme, budget: 5, measure: due", "belongs to spend"),
        ("budget: 5, measure: spend", "a customer sets a budget of its own"),
        ("customer: acme, measure: spend", "a customer sets a budget of its own"),
    ],
)
def test_a_document_can_t_say_that_a_customer_set_what_it_can_t_set(apply, world, fields, words):
    """An export of its budget is applied as any alert is."""
    alert = "alerts: [{id: b, name: B, currency: EUR, thresholds: [50], set_by_customer: true, %s}]"
    with pytest.raises(InvalidRequestError, match=words):
        apply(alert % fields)
    apply(alert % "customer: acme, measure: spend, budget: 5")
