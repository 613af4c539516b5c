"""Closing has the turn of rollups: while a backup or an erasure is at work, it waits, and says so in the end."""

from functools import partial

import pytest

from engine.access.caller import Caller, Scope
from engine.api.operation import Call
from engine.api.services.invoices.invoice_service import InvoiceParts, InvoiceService
from engine.billing.automatic.billing_settings import BillingSettingsStore
from engine.cluster.locks import FileLocks, rollups_turn
from engine.errors import StoreUnavailableError
from engine.usage.store.usage_store import UsageStore
from meterline.v1.invoices_pb2 import ClosePeriodsRequest
from tests.support.closing_world import TENANT, ClosingWorld

CATALOG = """
plans: [{id: pro, name: Pro, currency: USD, prices: [{id: fee, model: flat, flat_amount: 10}]}]
customers: [{id: acme, name: Acme}]
subscriptions: [{customer: acme, plan: pro, start: 2026-10-01}]
"""


@pytest.fixture
def world(tmp_path):
    store = UsageStore.open_embedded(tmp_path / "usage")
    made = ClosingWorld(f"sqlite:///{tmp_path / 'catalog.sqlite'}", store, CATALOG, "2026-11-20")
    yield made.at("2026-12-02")
    made.finish()
    store.close()


def test_closing_waits_for_who_has_the_turn_and_says_when_to_come_again(world, tmp_path):
    """Nothing is issued meanwhile; afterwards it is."""
    locks = FileLocks(tmp_path)
    settings = BillingSettingsStore(world.database)
    turn = partial(rollups_turn, locks, 0)
    parts = InvoiceParts(settings, world.closer, world.biller, world.invoices, world.booked, turn)
    service = InvoiceService(parts, world.catalog, lambda: world.now_us)
    call = Call(Caller(TENANT, "key:test", frozenset({Scope.BILL})), lambda: True)
    request = ClosePeriodsRequest()
    request.period_end_after.FromJsonString("2026-11-01T00:00:00Z")
    request.period_end_until.FromJsonString("2026-12-01T00:00:00Z")
    with rollups_turn(locks, 0):
        with pytest.raises(StoreUnavailableError) as waited:
            service.close_periods(request, call)
        assert waited.value.retry_after_ms > 0
    assert world.standing() == []
    assert service.close_periods(request, call).issued_invoice_count == 1
