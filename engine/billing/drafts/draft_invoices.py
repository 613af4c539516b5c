"""A tenant's drafts: the invoices that a close would issue now, looked at, held back, released, approved.

Rules:
1. A draft is never stored. It is rated by the close's own step whenever it is read (engine.billing.closing.closer): usage that comes
   in, one-off items and prices that change belong to it until it is approved.
2. Drafts are of the billing periods that ended in a span: what the engine has not closed by itself and what is held, up to now less
   the grace. Of what people close, be it held or not, they are of the span that is asked for: an approval of all leaves it alone.
3. An approval is a run of its own at a new watermark. It issues what it is to, held periods excepted, and leaves all else: repeated,
   raced or broken off, each period is billed once. Whoever broke off approves again.
4. Corrections of earlier periods are on the first of a customer's drafts that is approved. Invoices of corrections alone are no
   drafts, nor is what was made void: a close by hand issues these.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from sqlalchemy import Connection, select

from engine.billing.accounts.invoice_states import InvoiceState
from engine.billing.automatic.billing_settings import BillingSettingsStore, look_again
from engine.billing.closing.closer import Closed, Closer, Drafted
from engine.billing.closing.invoice import Close, PeriodSelection
from engine.billing.closing.invoice_store import changed_bills
from engine.billing.holds.held_periods import (
    HOLDS_MAX,
    CustomerPeriod,
    PeriodHold,
    PeriodStart,
    held_count,
    held_periods,
    remove_hold,
    write_hold,
)
from engine.billing.segments import periods_of_rows
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.store import CatalogStore
from engine.errors import FieldMistake, InvalidRequestError, InvoiceStateError, NotFoundError
from engine.sql.database import Database
from engine.sql.invoice_tables import INVOICES

_HOUR_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class DraftSpan:
    """Of billing periods that end in (after_us, until_us], each `grace_us` before the watermark."""

    after_us: int
    until_us: int
    grace_us: int


class DraftInvoices:
    """Thread-safe. Every method raises StoreUnavailableError when a store does not answer."""

    def __init__(
        self,
        database: Database,
        catalog: CatalogStore,
        settings: BillingSettingsStore,
        closer: Closer,
        now_us: Callable[[], int],
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._settings = settings
        self._closer = closer
        self._now_us = now_us

    def span(self, tenant: str, after_us: int | None, until_us: int | None) -> DraftSpan:
        """Rule 2. `after_us`, `until_us`: between which the periods end that are asked for.

        Raises:
            InvalidRequestError: people close all, and no span is asked for.
        """
        settings = self._settings.of(tenant)
        over_us = (self._now_us() - settings.grace_us) // _HOUR_US * _HOUR_US
        since_us = settings.closed_since_us if settings.is_automatic else None
        if after_us is not None and (since_us is None or after_us < since_us):
            # What people close.
            return DraftSpan(after_us, over_us if until_us is None else until_us, settings.grace_us)
        open_since = [settings.closed_until_us, settings.open_since_us] if settings.is_automatic else []
        starts = [each for each in open_since if each is not None]
        if since_us is None or not starts:
            raise InvalidRequestError(
                FieldMistake(
                    "filter.period_end_after", "is missing: the engine closes nothing by itself here"
                )
            )
        starts += [end_us - 1 for end_us in self._held_ends_us(tenant) if end_us > since_us]
        # Nothing that has ended is open where the engine has come to this hour.
        return DraftSpan(min(*starts, over_us - 1), over_us, settings.grace_us)

    def held(self, tenant: str) -> dict[PeriodStart, PeriodHold]:
        with self._database.reading() as connection:
            return {period.begin: hold for period, hold in held_periods(connection, tenant).items()}

    def _held_ends_us(self, tenant: str) -> list[int]:
        """Of all that is held, as it ends now, and as it did when it was held."""
        with self._database.reading() as connection:
            held = list(held_periods(connection, tenant))
        if not held:
            return []
        ends_us = _ends_us(self._catalog.snapshot(tenant), [each.begin for each in held])
        return [*ends_us, *(each.end_us for each in held)]

    def look(self, tenant: str, span: DraftSpan) -> Close:
        """What reads drafts, at the newest watermark and revision. Raises InvalidRequestError: the span is empty."""
        return self._closer.drafts(tenant, span.after_us, span.until_us, span.grace_us)

    def some(self, of: Close, selection: PeriodSelection, first_row: int, subscriptions: int) -> Drafted:
        """The drafts of some subscriptions, held ones too; as Closer.draft."""
        return self._closer.draft(of, first_row, subscriptions, selection)

    def approve(self, tenant: str, span: DraftSpan, by: str) -> Close:
        """Begins an approval (rule 3). `by`: whose credential."""
        return self._closer.begin_approval(self.look(tenant, span), by)

    def under_way(self, tenant: str, close_id: str) -> Close:
        """An approval that has begun. Raises NotFoundError."""
        found = self._closer.run(tenant, close_id)
        if not found.of_drafts:
            raise NotFoundError(f"there is no approval {close_id!r}")
        return found

    def issue(self, run: Close, selection: PeriodSelection, first_row: int, subscriptions: int) -> Closed:
        """A step of an approval; as Closer.step. `selection`: the same in all its steps."""
        return self._closer.step(run, first_row, subscriptions, selection)

    def hold(self, tenant: str, period: CustomerPeriod, hold: PeriodHold) -> None:
        """Holds a billing period back, be it over or not; with another reason if it is held.

        Raises:
            NotFoundError: the catalog doesn't have the customer.
            InvalidRequestError: the customer has no such billing period.
            InvoiceStateError: an invoice of it stands, or too much is held.
        """
        _check_period(self._catalog.snapshot(tenant), period)
        with self._database.writing() as connection:
            if _is_billed(connection, tenant, period):
                raise InvoiceStateError(
                    f"the billing period of {period.customer_id!r} can't be held: an invoice of it stands"
                )
            if held_count(connection, tenant) >= HOLDS_MAX:
                raise InvoiceStateError(f"{HOLDS_MAX:,} billing periods are held: release some")
            write_hold(connection, tenant, period, hold)
            changed_bills(connection, tenant)

    def release(self, tenant: str, period: CustomerPeriod) -> None:
        """What was held is a draft, or is closed by the engine within the hour; what people close, they close. Raises NotFoundError: it
        is not held.
        """
        ends_us = _ends_us(self._catalog.snapshot(tenant), [period.begin])
        with self._database.writing() as connection:
            held_until_us = remove_hold(connection, tenant, period.begin)
            if held_until_us is None:
                raise NotFoundError(f"the billing period of {period.customer_id!r} is not held")
            for end_us in {held_until_us, *ends_us}:
                look_again(connection, tenant, end_us - 1)
            changed_bills(connection, tenant)


def _is_billed(connection: Connection, tenant: str, period: CustomerPeriod) -> bool:
    columns = INVOICES.c
    wanted = select(columns.invoice_id).where(
        columns.tenant == tenant,
        columns.customer_id == period.customer_id,
        columns.period_start_us == period.start_us,
        columns.period_end_us == period.end_us,
        columns.part == 0,
        columns.state != InvoiceState.VOID.value,
    )
    return connection.execute(wanted.limit(1)).first() is not None


def _check_period(catalog: Catalog, period: CustomerPeriod) -> None:
    if period.customer_id not in catalog.customers:
        raise NotFoundError(f"customer {period.customer_id!r} is not in the catalog: apply it first")
    if period.end_us not in _ends_us(catalog, [period.begin]):
        raise InvalidRequestError(
            FieldMistake("period_start", "with period_end is no billing period of the customer")
        )


def _ends_us(catalog: Catalog, periods: Sequence[PeriodStart]) -> list[int]:
    """Where the billing periods end that begin so."""
    bounds = [catalog.subscription_columns.rows_of(each.customer_id) for each in periods]
    rows = np.concatenate([np.arange(own.start, own.stop, dtype=np.int64) for own in bounds])
    counts = [own.stop - own.start for own in bounds]
    starts_us = np.repeat(np.array([each.start_us for each in periods], dtype=np.int64), counts)
    found = periods_of_rows(catalog, rows, starts_us)
    ends_us: list[int] = found.end_us[found.exists & (found.start_us == starts_us)].tolist()
    return ends_us
