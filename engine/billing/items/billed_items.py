"""Which invoices have which items."""

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Connection, or_, select

from engine.billing.accounts.document_numbers import invoice_number
from engine.billing.accounts.figures import in_pieces
from engine.billing.accounts.invoice_states import InvoiceState
from engine.billing.closing.booked_lines import BookedLines
from engine.billing.closing.invoice import InvoiceKey
from engine.billing.holds.held_periods import held_starts
from engine.catalog.kinds.items.invoice_item import InvoiceItem, item_name
from engine.sql.database import Database
from engine.sql.invoice_tables import BILLING_SETTINGS, CLOSES, INVOICE_SERIES, INVOICES
from engine.times import datetime_us

_COLUMNS: Final = INVOICES.c
_APPROVAL_US: Final = 3_600_000_000
"""Within an hour an approval has ended, or was broken off."""
_STANDS: Final = _COLUMNS.state != InvoiceState.VOID.value


class BilledItems:
    """Thread-safe. Every method raises StoreUnavailableError when a store does not answer."""

    def __init__(self, database: Database, booked: BookedLines) -> None:
        self._database = database
        self._booked = booked

    def on_invoices(self, tenant: str, items: Iterable[InvoiceItem]) -> Mapping[str, str]:
        """Item -> the number of the first invoice that stands and has it; no entry for one that none has."""
        names = {item_name(each.id): each.id for each in items}
        if not names:
            return {}
        # An item is on the invoice of its period, or on a later one.
        since_us = min(datetime_us(each.period_end) for each in items)
        numbers: dict[str, int] = {}
        with self._database.reading() as connection:
            for some in in_pieces(sorted({each.customer for each in items})):
                wanted = select(_COLUMNS.invoice_id, _COLUMNS.number).where(
                    _COLUMNS.tenant == tenant,
                    _COLUMNS.customer_id.in_(some),
                    _COLUMNS.period_end_us >= since_us,
                    _STANDS,
                )
                numbers |= {row.invoice_id: row.number for row in connection.execute(wanted)}
        found: dict[str, int] = {}
        for invoice_id, name in self._booked.with_subscriptions(tenant, list(numbers), list(names)):
            number = numbers[invoice_id]
            found[names[name]] = min(number, found.get(names[name], number))
        return {item_id: invoice_number(number) for item_id, number in found.items()}

    def is_closed(self, tenant: str, key: InvoiceKey) -> bool:
        with self._database.reading() as connection:
            return is_closed(connection, tenant, key)

    def version(self, tenant: str) -> int:
        """Of all invoices of a tenant; 0 before its first."""
        with self._database.reading() as connection:
            return invoices_version(connection, tenant)


def is_closed(connection: Connection, tenant: str, key: InvoiceKey) -> bool:
    """Whether a period's invoice stands, or a run has closed what ended then: it bills nothing more. What is held is not closed, nor
    is a draft that waits for its approval.
    """
    closes, settings = CLOSES.c, BILLING_SETTINGS.c
    invoice = select(_COLUMNS.invoice_id).where(
        _COLUMNS.tenant == tenant,
        _COLUMNS.customer_id == key.customer_id,
        _COLUMNS.currency == key.currency,
        _COLUMNS.period_start_us == key.start_us,
        _COLUMNS.period_end_us == key.end_us,
        _COLUMNS.part == 0,
        _STANDS,
    )
    run = select(closes.close_id).where(
        closes.tenant == tenant,
        closes.of_drafts == 0,
        closes.from_us < key.end_us,
        closes.before_us >= key.end_us,
        closes.as_of_us - closes.grace_us >= key.end_us,
    )
    approved = select(settings.tenant).where(
        settings.tenant == tenant,
        settings.is_automatic == 1,
        settings.is_reviewed == 1,
        settings.closed_since_us < key.end_us,
        settings.closed_until_us >= key.end_us,
    )
    if connection.execute(invoice.limit(1)).first() is not None:
        return True
    if key.begin in held_starts(connection, tenant):
        return False
    return any(connection.execute(each.limit(1)).first() is not None for each in (run, approved))


def is_being_closed(
    connection: Connection, tenant: str, item: InvoiceItem, revision: int, now_us: int
) -> bool:
    """Whether a run is under way that may bill an item of a revision of the catalog. Nobody goes on with an approval that broke off."""
    closes = CLOSES.c
    wanted = select(closes.close_id).where(
        closes.tenant == tenant,
        closes.ended_at_us.is_(None),
        or_(closes.of_drafts == 0, closes.begun_at_us > now_us - _APPROVAL_US),
        closes.before_us >= datetime_us(item.period_end),
        closes.catalog_revision >= revision,
    )
    return connection.execute(wanted.limit(1)).first() is not None


def invoices_version(connection: Connection, tenant: str) -> int:
    """As `BilledItems.version`."""
    columns = INVOICE_SERIES.c
    return connection.scalar(select(columns.version).where(columns.tenant == tenant)) or 0
