"""Creates and deletes invoice items.

Rules:
1. An item is a resource of the catalog: a write is one of the catalog's, with its audit, its facts and its idempotency.
2. What was read of invoices is looked at again in the transaction of the write. If they have moved, it is tried anew.
3. An item that an invoice has which stands is not deleted, and none that a run under way may have.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection

from engine.billing.items.billed_items import BilledItems, invoices_version, is_being_closed, is_closed
from engine.billing.items.item_periods import item_period
from engine.catalog.documents.changes import Applied
from engine.catalog.kinds.items.invoice_item import InvoiceItem
from engine.catalog.single.single_changes import create, end
from engine.catalog.snapshots.versions import Versioned
from engine.catalog.store import CatalogStore, Write
from engine.errors import InUseError, StaleError
from engine.times import datetime_us, rfc3339_us

_ATTEMPTS: Final = 5
_KIND: Final = InvoiceItem.kind


class InvoiceItems:
    """Thread-safe. Every method raises StoreUnavailableError when a store does not answer."""

    def __init__(self, catalog: CatalogStore, billed: BilledItems) -> None:
        self._catalog = catalog
        self._billed = billed

    def create(self, tenant: str, fields: Mapping[str, Any], at_us: int, write: Write) -> Applied:
        """An item of these fields, to which its billing period is added. `at_us`: when its service began.

        Raises:
            NotFoundError: the catalog doesn't have the customer.
            InvalidRequestError: a field is wrong, or all periods for years are closed.
            AlreadyExistsError, IdempotencyKeyUsedError: there is one already, or the key is another request's.
            StaleError: invoices are issued meanwhile; try again.
        """
        return _tried(lambda: self._create(tenant, fields, at_us, write))

    def _create(self, tenant: str, fields: Mapping[str, Any], at_us: int, write: Write) -> Applied:
        key = item_period(
            self._catalog.snapshot(tenant),
            str(fields["customer"]),
            str(fields["currency"]),
            at_us,
            lambda each: self._billed.is_closed(tenant, each),
        )

        def beside(connection: Connection) -> None:
            if is_closed(connection, tenant, key):
                raise StaleError("the billing period of the item was closed meanwhile: create it again")

        period = {"period_start": rfc3339_us(key.start_us), "period_end": rfc3339_us(key.end_us)}
        return self._catalog.write(
            tenant,
            lambda catalog: create(_KIND, {**fields, **period}, write.at, catalog),
            replace(write, beside=beside),
        )

    def delete(self, tenant: str, item_id: str, write: Write) -> Applied:
        """Raises NotFoundError; InUseError (rule 3); IdempotencyKeyUsedError; StaleError: try again."""
        return _tried(lambda: self._delete(tenant, item_id, write))

    def _delete(self, tenant: str, item_id: str, write: Write) -> Applied:
        version = self._billed.version(tenant)
        item = self._catalog.snapshot(tenant).invoice_items.get(item_id)
        invoices = {} if item is None else self._billed.on_invoices(tenant, [item.resource])

        def beside(connection: Connection) -> None:
            if item is None or invoices_version(connection, tenant) != version:
                raise StaleError("invoices were issued or voided meanwhile: delete the item again")
            if item_id in invoices:
                raise InUseError(
                    f"the invoice item {item_id!r} can't be deleted: {invoices[item_id]} has it; void that first, or give "
                    "the amount back with another item"
                )
            if is_being_closed(connection, tenant, item.resource, _since(item), datetime_us(write.at)):
                raise InUseError(
                    f"the invoice item {item_id!r} can't be deleted now: a close is under way that may have it; if that broke "
                    "off, close the same span again"
                )

        return self._catalog.write(
            tenant,
            lambda catalog: end(_KIND, item_id, "delete", "", write.at, catalog),
            replace(write, beside=beside),
        )


def _since(item: Versioned[InvoiceItem]) -> int:
    """The revision of the catalog before which no run has the item."""
    return item.revision if item.version == 1 else 0


def _tried(work: Callable[[], Applied]) -> Applied:
    """Rule 2."""
    for attempt in range(_ATTEMPTS):
        try:
            return work()
        except StaleError:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("there is one attempt at least")
