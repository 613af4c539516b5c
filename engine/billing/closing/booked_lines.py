"""The booked lines in the usage store: written before their header, read by their invoice.

Rules:
1. Lines without a header were never issued: who reads them names invoices that are in the catalog store.
2. An invoice has exactly the lines that its header counts, or the read raises: nothing is shown, or measured against, that is not
   whole.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.billing.closing.invoice import Invoice
from engine.billing.closing.settled_lines import LINE_ROWS
from engine.billing.terms.settled_amounts import AMOUNTS
from engine.decimal_texts import combined, decimal128_column, fixed_texts
from engine.errors import MeterlineError
from engine.usage.store.query import Parameters, Query
from engine.usage.store.tables.booked_schema import BOOKED_LINES_TABLE
from engine.usage.store.usage_store import UsageStore
from rating import DecimalColumn, minor_unit_digits

OF_INVOICE: Final = (
    ("invoice_id", pa.string()),
    ("line_number", pa.uint32()),
    ("corrects_invoice_id", pa.string()),
)
INVOICE_LINE_ROWS: Final = pa.schema([*OF_INVOICE, *LINE_ROWS])
_READ = (
    f"SELECT {', '.join(INVOICE_LINE_ROWS.names)} FROM {BOOKED_LINES_TABLE} FINAL "  # noqa: S608 - own names
    "WHERE tenant = {tenant:String} AND invoice_id IN (SELECT invoice_id FROM wanted_invoices) "
    "ORDER BY invoice_id, line_number"
)
_READ_SOME = (
    f"SELECT {', '.join(INVOICE_LINE_ROWS.names)} FROM {BOOKED_LINES_TABLE} FINAL "  # noqa: S608 - own names
    "WHERE tenant = {tenant:String} AND invoice_id = {invoice_id:String} "
    "AND line_number > {after:UInt32} AND line_number <= {until:UInt32} ORDER BY line_number"
)
_READ_LINE = (
    f"SELECT {', '.join(INVOICE_LINE_ROWS.names)} FROM {BOOKED_LINES_TABLE} FINAL "  # noqa: S608 - own names
    "WHERE tenant = {tenant:String} AND invoice_id IN (SELECT invoice_id FROM wanted_invoices) "
    "AND line_item_id = {line_item_id:String} ORDER BY invoice_id, line_number"
)
_READ_SUBSCRIPTIONS = (
    f"SELECT DISTINCT invoice_id, subscription_id FROM {BOOKED_LINES_TABLE} "  # noqa: S608 - own names
    "WHERE tenant = {tenant:String} AND invoice_id IN (SELECT invoice_id FROM wanted_invoices) "
    "AND subscription_id IN (SELECT subscription_id FROM wanted_subscriptions) ORDER BY invoice_id, subscription_id"
)
# A hundred thousand ids are a few MB, their lines some hundred.
_INVOICES_AT_ONCE: Final = 100_000


class BookedLines:
    """Thread-safe."""

    def __init__(self, store: UsageStore) -> None:
        self._store = store

    def write(self, tenant: str, rows: pa.Table) -> None:
        """Stores lines (INVOICE_LINE_ROWS); the same again are the same.

        Raises:
            StoreUnavailableError: some may be stored: write them again.
        """
        self._store.insert_booked_lines(rows.add_column(0, "tenant", pa.repeat(pa.scalar(tenant), len(rows))))

    def read(self, tenant: str, line_counts: Mapping[str, int]) -> pa.Table:
        """The lines (INVOICE_LINE_ROWS) of these invoices, by id and number. `line_counts`: how many each has.

        Raises:
            StoreUnavailableError: the store does not answer.
            MeterlineError: an invoice has not the lines that it had when it was issued.
        """
        ids = sorted(line_counts)
        pieces = [
            self._read(tenant, ids[first : first + _INVOICES_AT_ONCE])
            for first in range(0, len(ids), _INVOICES_AT_ONCE)
        ]
        rows = pa.concat_tables(pieces) if pieces else INVOICE_LINE_ROWS.empty_table()
        _check_whole(rows, ids, line_counts)
        return rows

    def of_invoice(self, invoice: Invoice) -> pa.Table:
        """The lines of one invoice. Raises as `read`."""
        return self.read(invoice.tenant, {invoice.invoice_id: invoice.line_count})

    def of_line(self, tenant: str, invoice_ids: Sequence[str], line_item_id: str) -> pa.Table:
        """What these invoices have of one line (INVOICE_LINE_ROWS). Raises StoreUnavailableError."""
        wanted = pa.table({"invoice_id": pa.array(invoice_ids, pa.string())})
        bounds: Parameters = {"tenant": tenant, "line_item_id": line_item_id}
        found = self._store.query_columns(Query(_READ_LINE, bounds, {"wanted_invoices": wanted}))
        return found.cast(INVOICE_LINE_ROWS)

    def with_subscriptions(
        self, tenant: str, invoice_ids: Sequence[str], subscription_ids: Sequence[str]
    ) -> list[tuple[str, str]]:
        """Which of these invoices have lines of which of these. Raises StoreUnavailableError."""
        if not invoice_ids:
            return []
        wanted = {
            "wanted_invoices": pa.table({"invoice_id": pa.array(invoice_ids, pa.string())}),
            "wanted_subscriptions": pa.table({"subscription_id": pa.array(subscription_ids, pa.string())}),
        }
        found = self._store.query_columns(Query(_READ_SUBSCRIPTIONS, {"tenant": tenant}, wanted))
        return list(zip(found["invoice_id"].to_pylist(), found["subscription_id"].to_pylist(), strict=True))

    def some_of_invoice(self, invoice: Invoice, after: int, count: int) -> pa.Table:
        """At most so many lines of an invoice, behind its first `after`. Raises as `read`."""
        until = min(after + count, invoice.line_count)
        if until <= after:
            return INVOICE_LINE_ROWS.empty_table()
        bounds = {"tenant": invoice.tenant, "invoice_id": invoice.invoice_id, "after": after, "until": until}
        rows = self._store.query_columns(Query(_READ_SOME, bounds)).cast(INVOICE_LINE_ROWS)
        if len(rows) != until - after:
            raise _not_whole(invoice.invoice_id, len(rows), f"in {after + 1} to {until}", until - after)
        return rows

    def _read(self, tenant: str, ids: Sequence[str]) -> pa.Table:
        wanted = pa.table({"invoice_id": pa.array(ids, pa.string())})
        found = self._store.query_columns(Query(_READ, {"tenant": tenant}, {"wanted_invoices": wanted}))
        return found.cast(INVOICE_LINE_ROWS)


def _check_whole(rows: pa.Table, ids: Sequence[str], line_counts: Mapping[str, int]) -> None:
    """Rule 2."""
    place = pc.index_in(rows["invoice_id"], value_set=pa.array(ids, pa.string()))
    found = (
        np.bincount(np.asarray(place, dtype=np.int64), minlength=len(ids))
        if len(rows)
        else np.zeros(len(ids))
    )
    wanted = np.array([line_counts[each] for each in ids], dtype=np.int64)
    wrong = np.flatnonzero(found != wanted)
    if len(wrong):
        first = int(wrong[0])
        raise _not_whole(ids[first], int(found[first]), "in all", int(wanted[first]))


def _not_whole(invoice_id: str, found: int, where: str, wanted: int) -> MeterlineError:
    return MeterlineError(
        f"invoice {invoice_id} has {found} lines {where} in the usage store, and was issued with {wanted}: "
        "restore the usage store from a backup, and bill nothing of it until then"
    )


def amount_texts(rows: pa.Table, currency: str) -> Mapping[str, Sequence[str]]:
    """The amounts of lines (INVOICE_LINE_ROWS) in one currency, in its units with all its digits: by AMOUNTS, without "_minor"."""
    digits, found = minor_unit_digits(currency), {}
    for name in AMOUNTS:
        minor = decimal128_column(combined(rows[name]), 0)
        found[name.removesuffix("_minor")] = fixed_texts(DecimalColumn(minor.mantissa, digits)).to_pylist()
    return found
