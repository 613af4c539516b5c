"""The daily run over closed periods: once a day, step by step, and what it found in metrics."""

import pytest
from sqlalchemy import update

from engine.billing.reconciliation.billing_reconciliation import BillingReconciliation
from engine.billing.reconciliation.booked_documents import BookedDocuments
from engine.billing.reconciliation.daily_reconciliation import DailyReconciliation
from engine.billing.reconciliation.raw_usage import RawUsage
from engine.metrics import REGISTRY
from engine.sql.invoice_tables import INVOICES
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_histories import CATALOG
from tests.support.closing_world import ClosingWorld, instant_us


@pytest.fixture
def world(tmp_path):
    store = UsageStore.open_embedded(tmp_path / "usage")
    made = ClosingWorld(f"sqlite:///{tmp_path / 'a.sqlite'}", store, CATALOG, "2026-09-20")
    yield made
    made.finish()
    store.close()


def found():
    names = ("meterline_billing_differences", "meterline_billing_reconciled_timestamp_seconds")
    return tuple(REGISTRY.get_sample_value(name) for name in names)


def test_a_difference_is_in_the_metrics_from_the_next_day_on(world):
    """A header that is changed after the first run; an hour later nobody looks again."""
    world.use("acme", "2026-09-05", 4)
    world.at("2026-10-02").close("2026-09-01", "2026-10-01")
    documents = BookedDocuments(world.database, world.store)
    reconciliation = BillingReconciliation(world.catalog, documents, RawUsage(world.store))
    daily = DailyReconciliation(
        world.catalog, reconciliation, lambda: world.now_us, lambda: world.clock.watermark(world.now_us)
    )
    daily.next_pass()
    assert found() == (0, instant_us("2026-10-02") / 1_000_000)
    with world.database.writing() as connection:
        connection.execute(update(INVOICES).where(INVOICES.c.number == 1).values(tax="0.01"))
    world.at("2026-10-02T01:00:00")
    daily.next_pass()
    assert found() == (0, instant_us("2026-10-02") / 1_000_000)
    world.at("2026-10-03")
    daily.next_pass()
    assert found() == (1, instant_us("2026-10-03") / 1_000_000)
