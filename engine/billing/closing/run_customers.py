"""Some customers of a run, with what is known of them before their invoices are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from engine.billing.closing.going_on import GoingOn
from engine.billing.closing.invoice import Close, Invoice, InvoiceKey, PeriodSelection
from engine.billing.holds.held_periods import PeriodStart
from engine.billing.segments import Index
from engine.billing.terms.places import CustomerNumbers
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.subscription_columns import SubscriptionColumns
from engine.errors import FieldMistake, InvalidRequestError


@dataclass(frozen=True, slots=True)
class RunCustomers:
    """Some customers of a run, by number: their ids, their invoices that stand, and what the run billed that is void now.

    version: of the tenant's invoices, from which this is computed.
    going_on: who of them has a later billing period, in which currencies.
    unchanged: whose closed periods need no adjustments; of these `standing` has no invoice from before the span.
    parts: invoices that stand of parts of periods, which `standing` does not have.
    ever_voided: of which periods an invoice that closed them was made void, by whatever run.
    held: what people hold back. selection: which periods are to be billed.
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
    held: frozenset[PeriodStart]
    selection: PeriodSelection

    def subscriptions(self) -> dict[str, tuple[str, int]]:
        """The customers' subscriptions: id -> customer, and row in the catalog's columns."""
        columns = self.catalog.subscription_columns
        rows = self.numbers.rows(np.arange(len(self.ids)))
        ids, owners = (each.take(pa.array(rows)) for each in (columns.subscription_id, columns.customer_id))
        of_id = zip(owners.to_pylist(), rows.tolist(), strict=True)
        return dict(zip(ids.to_pylist(), of_id, strict=True))


def step_rows(
    columns: SubscriptionColumns, selection: PeriodSelection, first_row: int, subscriptions: int
) -> tuple[Index, int]:
    """The subscriptions of a step, whole customers, and where the next one begins; 0 behind the last.

    Raises:
        InvalidRequestError: no customer begins there.
    """
    if first_row and (first_row >= len(columns) or columns.customer_end(first_row - 1) != first_row):
        # Half a customer would be billed.
        raise InvalidRequestError(
            FieldMistake("page_token", "names no place at which a step of this run begins")
        )
    if not selection.customers:
        last = min(first_row + subscriptions, len(columns))
        last = columns.customer_end(last - 1) if last > first_row else first_row
        return np.arange(first_row, last), last if last < len(columns) else 0
    bounds = sorted((own.start, own.stop) for own in map(columns.rows_of, selection.customers))
    left = [np.arange(start, stop) for start, stop in bounds if start >= first_row]
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *left])
    if len(rows) <= subscriptions:
        return rows, 0
    last = int(np.searchsorted(rows, columns.customer_end(int(rows[subscriptions - 1]))))
    return rows[:last], int(rows[last]) if last < len(rows) else 0
