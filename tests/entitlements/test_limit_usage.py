"""What is used of limits, read at one watermark. Every figure is worked out by hand."""

from decimal import Decimal

from engine.entitlements.entitled import entitled_at
from engine.entitlements.limit_usage import LimitUsage
from engine.usage.query.periods_reader import PeriodsReader
from engine.usage.query.usage_reader import UsageReader
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_world import TENANT, ClosingWorld

CATALOG = """
meters: [{id: calls, event_type: call, aggregation: sum, value: value}]
plans:
  - id: pro
    name: Pro
    currency: USD
    prices: [{id: calls, meter: calls, model: per_unit, unit_amount: 1}]
    limits: [{id: budget, amount: 20}]
  - {id: euro, name: Euro, currency: EUR, prices: [{id: more, meter: calls, model: per_unit, unit_amount: 2}]}
customers: [{id: acme, name: A}]
subscriptions: [{customer: acme, plan: pro, start: 2026-11-01, add_ons: {euro: 1}}]
"""


def test_spend_in_another_currency_does_not_count_for_a_limit(tmp_path):
    """7 calls are 7.00 in the plan's dollars; the 14.00 in euros of the add-on are not added to them."""
    store = UsageStore.open_embedded(tmp_path / "usage")
    world = ClosingWorld(f"sqlite:///{tmp_path / 'a.sqlite'}", store, CATALOG, "2026-11-10")
    try:
        world.use("acme", "2026-11-09", 7)
        snapshot = world.rater.snapshot(TENANT, None, None)
        limits = entitled_at(snapshot.catalog, "acme", snapshot.at_us).limits
        used = LimitUsage(world.rater, PeriodsReader(store, UsageReader(store))).used(
            snapshot, "acme", limits
        )
        assert {each.limit.id: amount for each, amount in used.items()} == {"budget": Decimal(7)}
    finally:
        world.finish()
        store.close()
