"""Invoices that nobody expects to be paid any more: what is outstanding of them is written off."""

from engine.billing.accounts.account_store import load, save
from engine.billing.closing.invoice import Invoice
from engine.billing.closing.invoice_store import one_invoice
from engine.sql.database import Database


def write_off(
    database: Database, tenant: str, invoice_id: str, number: int, reason: str, now_us: int
) -> Invoice:
    """The invoice as it is then: uncollectible. What is paid of it later is no longer written off. By id, or by number.

    Raises:
        NotFoundError: there is no such invoice.
        InvoiceStateError: nothing of it is outstanding.
        StoreUnavailableError: the database does not answer.
    """
    with database.writing() as connection:
        found = one_invoice(connection, tenant, invoice_id, number)
        account = load(connection, found.account)
        account.write_off(found.invoice_id, reason)
        save(connection, found.account, account, now_us)
        return one_invoice(connection, tenant, found.invoice_id, 0)
