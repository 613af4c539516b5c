"""Some customers of a run, with what is known of them before their invoices are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from engine.billing.closing.going_on import GoingOn
from engine.billing.closing.invoice import Close, Invoice, InvoiceKey
from engine.billing.terms.places import CustomerNumbers
from engine.catalog.snapshots.snapshot import Catalog


@dataclass(frozen=True, slots=True)
class RunCustomers:
    """Some customers of a run, by number: their ids, their invoices that stand, and what the run billed that is void now.

    version: of the tenant's invoices, from which this is computed.
    going_on: who of them has a later billing period, in which currencies.
    unchanged: whose closed periods need no adjustments; of these `standing` has no invoice from before the span.
    parts: invoices that stand of parts of periods, which `standing` does not have.
    ever_voided: of which periods an invoice that closed them was made void, by whatever run.
    """

    close: Close
    version: int
    catalog: Catalog
    numbers: CustomerNumbers
    ids: Sequence[str]
    going_on: GoingOn
    standing: Mapping[InvoiceKey, Invoice]
    voided: frozenset[InvoiceKey]
    unchanged: frozenset[str]
    parts: Sequence[Invoice]
    ever_voided: frozenset[InvoiceKey]

    def subscriptions(self) -> dict[str, tuple[str, int]]:
        """The customers' subscriptions: id -> customer, and row in the catalog's columns."""
        columns = self.catalog.subscription_columns
        rows = self.numbers.rows(np.arange(len(self.ids)))
        ids, owners = (each.take(pa.array(rows)) for each in (columns.subscription_id, columns.customer_id))
        of_id = zip(owners.to_pylist(), rows.tolist(), strict=True)
        return dict(zip(ids.to_pylist(), of_id, strict=True))
