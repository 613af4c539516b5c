"""Accounts out of the catalog store, and their new entries into it: in the transaction of the cause, with the facts that follow.

    account = load(connection, AccountKey(tenant, customer_id, currency))
    account.pay(...)
    save(connection, key, account, now_us)

Writers take turns (engine.sql.database): nobody else changes the account between the two.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from sqlalchemy import Connection, bindparam, func, insert, select, update

from engine.billing.accounts.account import (
    BALANCE,
    Account,
    AccountEntry,
    AccountInvoice,
    EntryKind,
)
from engine.billing.accounts.amounts import minor_of, text_of
from engine.billing.accounts.document_numbers import invoice_number
from engine.billing.accounts.figures import in_pieces
from engine.billing.accounts.invoice_states import InvoiceState
from engine.outbox.fact_types import FactType
from engine.outbox.facts import Fact, record_facts
from engine.sql.account_tables import ACCOUNT_ENTRIES
from engine.sql.invoice_tables import INVOICES

_OPEN: Final = (InvoiceState.ISSUED, InvoiceState.PARTLY_PAID)


class AccountKey(NamedTuple):
    """A customer's in one currency."""

    tenant: str
    customer_id: str
    currency: str


def load(connection: Connection, key: AccountKey) -> Account:
    """One account with all its invoices."""
    columns = INVOICES.c
    invoices: dict[str, AccountInvoice] = {}
    wanted = select(columns.invoice_id, columns.number, columns.state, columns.due_at_us, columns.due).where(
        columns.tenant == key.tenant,
        columns.customer_id == key.customer_id,
        columns.currency == key.currency,
    )
    for row in connection.execute(wanted):
        due = minor_of(Decimal(row.due), key.currency)
        state = InvoiceState(row.state)
        invoices[row.invoice_id] = AccountInvoice(
            row.invoice_id, row.number, invoice_number(row.number), state, row.due_at_us, due
        )
    lots: dict[str, int] = {}
    for invoice_id, kind, lot, amount in _sums(connection, key):
        if invoice_id == BALANCE:
            lots[lot] = lots.get(lot, 0) - amount
        else:
            _add(invoices[invoice_id], kind, lot, -amount)
    return Account(invoices.values(), lots)


def _sums(connection: Connection, key: AccountKey) -> Iterator[tuple[str, EntryKind, str, int]]:
    """Of invoices in the order of their last entries; of the balance in that of the first."""
    entries = ACCOUNT_ENTRIES.c
    is_balance = entries.invoice_id == BALANCE
    names = (entries.invoice_id, entries.kind, entries.payment_id)
    for chosen, order in ((is_balance, func.min(entries.number)), (~is_balance, func.max(entries.number))):
        rows = connection.execute(
            select(*names, func.sum(entries.amount_minor))
            .where(
                entries.tenant == key.tenant,
                entries.customer_id == key.customer_id,
                entries.currency == key.currency,
                chosen,
            )
            .group_by(*names)
            .order_by(order)
        )
        for invoice_id, kind, lot, amount in rows:
            yield invoice_id, EntryKind(kind), lot, int(amount)


def _add(invoice: AccountInvoice, kind: EntryKind, lot: str, less: int) -> None:
    """A sum of entries of an invoice, of which so much less is outstanding."""
    if kind is EntryKind.APPLIED:
        if less:
            invoice.applied[lot] = less
    elif kind in (EntryKind.CREDIT_NOTE, EntryKind.CREDIT_NOTE_VOID):
        invoice.credited_minor += less
    elif kind in (EntryKind.WRITE_OFF, EntryKind.RECOVERY):
        invoice.written_off_minor += less
    elif kind is EntryKind.VOID:
        invoice.voided_minor += less


def save(connection: Connection, key: AccountKey, account: Account, now_us: int) -> None:
    """The new entries, the states that they lead to, and the facts of these."""
    enter(connection, key.tenant, [(key, each) for each in account.entries], now_us)
    changed = {
        invoice_id: account.invoices[invoice_id]
        for invoice_id, before in account.touched.items()
        if account.invoices[invoice_id].state is not before
    }
    if changed:
        connection.execute(
            update(INVOICES)
            .where(INVOICES.c.tenant == key.tenant, INVOICES.c.invoice_id == bindparam("of_invoice"))
            .values(state=bindparam("new_state")),
            [{"of_invoice": each.invoice_id, "new_state": each.state.value} for each in changed.values()],
        )
        settled = [each.invoice_id for each in changed.values() if each.state not in _OPEN]
        for some in in_pieces(settled):
            # It is told anew, should it be overdue again.
            connection.execute(
                update(INVOICES)
                .where(INVOICES.c.tenant == key.tenant, INVOICES.c.invoice_id.in_(some))
                .values(overdue_told_at_us=None)
            )
    facts = [
        invoice_fact(of, key, account.invoices[invoice_id])
        for invoice_id, before in account.touched.items()
        if (of := _fact_type(before, account.invoices[invoice_id])) is not None
    ]
    record_facts(connection, key.tenant, facts, now_us)


def enter(
    connection: Connection, tenant: str, entries: Sequence[tuple[AccountKey, AccountEntry]], now_us: int
) -> None:
    """Adds entries, in this order."""
    rows = [
        {
            "tenant": tenant,
            "customer_id": key.customer_id,
            "currency": key.currency,
            "invoice_id": each.invoice_id,
            "kind": each.kind.value,
            "amount_minor": each.amount_minor,
            "payment_id": each.payment_id,
            "document_id": each.document_id,
            "reason": each.reason,
            "recorded_at_us": now_us,
        }
        for key, each in entries
    ]
    for some in in_pieces(rows):
        connection.execute(insert(ACCOUNT_ENTRIES), some)


def _fact_type(before: InvoiceState, invoice: AccountInvoice) -> FactType | None:
    """What is told of an invoice whose sums have changed. A void is told by whoever makes it void."""
    after = invoice.state
    if after in _OPEN and before not in _OPEN:
        return FactType.INVOICE_REOPENED
    if after is InvoiceState.PARTLY_PAID:
        return FactType.INVOICE_PARTLY_PAID
    if after is before:
        return None
    return _TOLD.get(after)


_TOLD: Final[Mapping[InvoiceState, FactType]] = {
    InvoiceState.PAID: FactType.INVOICE_PAID,
    InvoiceState.UNCOLLECTIBLE: FactType.INVOICE_UNCOLLECTIBLE,
}


def invoice_fact(of: FactType, key: AccountKey, invoice: AccountInvoice, **more: str) -> Fact:
    """With what is paid and outstanding of the invoice. `more`: what else is told."""
    amounts = {"due": invoice.due_minor, "paid": invoice.paid_minor, "outstanding": invoice.outstanding_minor}
    payload = {name: text_of(minor, key.currency) for name, minor in amounts.items()}
    told = {"number": invoice.name, "customer_id": key.customer_id, "currency": key.currency}
    return Fact(of, "invoice", invoice.invoice_id, told | payload | more)
