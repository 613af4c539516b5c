"""A world of closed periods, reconciled: all steps of a run together."""

from engine.billing.reconciliation.billing_reconciliation import BillingReconciliation
from engine.billing.reconciliation.booked_documents import BookedDocuments
from engine.billing.reconciliation.findings import Findings
from engine.billing.reconciliation.raw_usage import RawUsage
from tests.support.closing_world import TENANT, instant_us


def reconciled(world, start="2026-08-01", before="2027-04-01", customers=500):
    """All steps of a run, together."""
    documents = BookedDocuments(world.database, world.store)
    reconciliation = BillingReconciliation(world.catalog, documents, RawUsage(world.store))
    found, after = Findings(), ""
    as_of_us = world.clock.watermark(world.now_us)
    while True:
        step = reconciliation.step(TENANT, instant_us(start), instant_us(before), as_of_us, after, customers)
        found.add(step.findings)
        after = step.next_customer
        if not after:
            return found
