"""Invoices that have become overdue, told to the outbox: each once, and once more should it be paid and then owed again.

What an invoice's state is, whoever looks works out at that moment (engine.billing.accounts.invoice_states): this tells it to those
who wait to hear, a moment later.
"""

from collections.abc import Callable
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Row, Select, bindparam, select, update

from engine.billing.accounts.account import CREDIT, AccountInvoice
from engine.billing.accounts.account_store import AccountKey, invoice_fact
from engine.billing.accounts.amounts import minor_of
from engine.billing.accounts.document_numbers import invoice_number
from engine.billing.accounts.figures import Figures, figures
from engine.billing.accounts.invoice_states import InvoiceState
from engine.outbox.fact_types import FactType
from engine.outbox.facts import Fact, record_facts
from engine.sql.database import Database
from engine.sql.invoice_tables import INVOICES
from engine.times import rfc3339_us

# Of one transaction, for which other writers wait: some ten milliseconds.
_AT_ONCE: Final = 500


class OverdueInvoices:
    """An upkeep: one at a time in a deployment."""

    def __init__(self, database: Database, now_us: Callable[[], int]) -> None:
        self._database = database
        self._now_us = now_us

    def next_pass(self) -> int:
        """Tells all that there are; how many. Raises StoreUnavailableError."""
        told = 0
        while some := self._tell_some():
            told += some
        return told

    def _tell_some(self) -> int:
        now_us = self._now_us()
        with self._database.reading() as connection:
            if connection.execute(_falling_due(now_us).limit(1)).first() is None:
                return 0
        with self._database.writing() as connection:
            rows = connection.execute(_falling_due(now_us).limit(_AT_ONCE)).all()
            for tenant, group in groupby(
                sorted(rows, key=lambda row: row.tenant), key=lambda row: row.tenant
            ):
                own = list(group)
                found = figures(connection, tenant, [row.invoice_id for row in own])
                facts = [_fact(row, found[row.invoice_id]) for row in own]
                record_facts(connection, tenant, facts, now_us)
                connection.execute(
                    update(INVOICES)
                    .where(INVOICES.c.tenant == tenant, INVOICES.c.invoice_id == bindparam("of_invoice"))
                    .values(overdue_told_at_us=now_us),
                    [{"of_invoice": row.invoice_id} for row in own],
                )
            return len(rows)


def _falling_due(now_us: int) -> Select[Any]:
    columns = INVOICES.c
    return (
        select(INVOICES)
        .where(
            # As the index has it, to be found by it.
            columns.state.in_([InvoiceState.ISSUED.value, InvoiceState.PARTLY_PAID.value]),
            columns.overdue_told_at_us.is_(None),
            columns.due_at_us <= now_us,
        )
        .order_by(columns.due_at_us, columns.number)
    )


def _fact(row: Row[Any], of: Figures) -> Fact:
    invoice = AccountInvoice(
        row.invoice_id,
        row.number,
        invoice_number(row.number),
        InvoiceState(row.state),
        row.due_at_us,
        minor_of(Decimal(row.due), row.currency),
        of.credited_minor,
        of.written_off_minor,
        applied={CREDIT: of.paid_minor},
    )
    key = AccountKey(row.tenant, row.customer_id, row.currency)
    return invoice_fact(FactType.INVOICE_OVERDUE, key, invoice, due_at=rfc3339_us(row.due_at_us))
