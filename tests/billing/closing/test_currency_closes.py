"""One plan billed in two currencies: closed, corrected and reconciled, on both databases."""

import pytest

from engine.billing.reconciliation.findings import Check
from engine.errors import CatalogDocumentError
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_world import ClosingWorld
from tests.support.reconciled_world import reconciled

CATALOG = """
meters: [{id: calls, event_type: call, aggregation: sum, value: value}]
plans:
  - id: pro
    name: Pro
    currency: USD
    prices:
      - {id: fee, model: flat, flat_amount: 10}
      - {id: calls, meter: calls, model: per_unit, unit_amount: 0.50}
    currencies: {JPY: {prices: {fee: {flat_amount: 1500}, calls: {unit_amount: 75.4}}}}
customers:
  - {id: acme, name: Acme, currency: JPY}
  - {id: bolt, name: Bolt}
subscriptions:
  - {customer: acme, plan: pro, start: 2026-10-01}
  - {customer: bolt, plan: pro, start: 2026-10-01}
"""
NOVEMBER = ("2026-11-01", "2026-12-01")


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request, tmp_path):
    store = UsageStore.open_embedded(tmp_path / "usage")
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    else:
        url = request.getfixturevalue("postgres_server").new_url()
    made = ClosingWorld(url, store, CATALOG, "2026-11-20")
    yield made
    made.finish()
    store.close()


def due(invoices):
    return sorted((each.key.customer_id, each.key.currency, str(each.sums["due"])) for each in invoices)


def test_each_customer_is_billed_corrected_and_reconciled_in_its_currency(world):
    """4 calls are 301.6 yen, which is 302, or 2.00 dollars. One more in November, seen later: 377 yen, 75 more; and 0.50. With
    December's fees.
    """
    for customer in ("acme", "bolt"):
        world.use(customer, "2026-11-05", 4)
    (step,) = world.at("2026-12-02").close(*NOVEMBER)
    assert due(step.issued) == [("acme", "JPY", "1802"), ("bolt", "USD", "12.00")]
    for customer in ("acme", "bolt"):
        world.use(customer, "2026-11-06", 1)
    (step,) = world.at("2027-01-02").close("2026-12-01", "2027-01-01")
    assert due(step.issued) == [("acme", "JPY", "1575"), ("bolt", "USD", "10.50")]
    found = reconciled(world, "2026-11-01", "2027-01-01")
    assert found.differences == []
    # Two lines of each of four periods.
    assert found.judged[Check.LINES] == 8


def test_another_currency_is_another_subscription(world):
    """It doesn't change what was billed: the one in yen ends, one in dollars begins."""
    (step,) = world.at("2026-12-02").close(*NOVEMBER)
    assert due(step.issued) == [("acme", "JPY", "1500"), ("bolt", "USD", "10.00")]
    with pytest.raises(
        CatalogDocumentError, match="currency: can't change from JPY to USD once it has begun"
    ):
        world.apply("subscriptions: [{customer: acme, plan: pro, start: 2026-10-01, currency: USD}]")
    world.apply(
        "subscriptions: [{customer: acme, plan: pro, start: 2026-10-01, end: 2026-12-01}, "
        "{id: dollars, customer: acme, plan: pro, start: 2026-12-01, currency: USD}]"
    )
    (step,) = world.at("2027-01-02").close("2026-12-01", "2027-01-01")
    assert due(step.issued) == [("acme", "USD", "10.00"), ("bolt", "USD", "10.00")]
