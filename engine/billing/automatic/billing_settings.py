"""How a tenant's billing periods are closed: when, and whether by the engine itself; and how far that has come.

Rules:
1. Without settings a period is closed by whoever asks, an hour after its end.
2. Automatic closing begins at an instant that is chosen when it is turned on: what ended before stays a person's to close. From there
   spans follow each other without a gap, also over a time in which no engine ran; turned off and on again it begins anew.
3. The end of a span is written down before its run begins: a run that broke off is joined (engine.billing.closing.closer), not
   begun beside.
4. Under review nothing is closed by the engine: what it would issue waits as drafts (engine.billing.drafts), and it says how far all
   that ended is billed.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from engine.billing.closing.invoice import AUTOMATIC
from engine.errors import FieldMistake, InvalidRequestError
from engine.sql.database import Database
from engine.sql.invoice_tables import BILLING_SETTINGS, CLOSES

GRACE_US: Final = 3_600_000_000
"""How long after its end a billing period takes in what was under way, where nothing else is said: an hour."""

_YES_OR_NO: Final = ("is_automatic", "is_reviewed")


@dataclass(frozen=True, slots=True)
class BillingSettings:
    """Of one tenant. Instants and spans of time are in microseconds; None where there is no such thing.

    closed_until_us: what ended by then has been closed automatically. closing_until_us: the end of the span that is under way.
    closed_since_us: since when; what ended before is left to people.
    open_since_us: where the first span begins in which customers are left open; open_customer_count: how many in the newest run over
    it; retried_at_us: when that was.
    is_reviewed: whether what would be issued automatically waits for an approval; draft_count: how much did when it was counted last,
    at retried_at_us.
    looked_at_us, looked_revision: when, and at which revision of the catalog, past spans were looked through last.
    """

    grace_us: int = GRACE_US
    is_automatic: bool = False
    closed_since_us: int | None = None
    closed_until_us: int | None = None
    closing_until_us: int | None = None
    open_since_us: int | None = None
    open_customer_count: int = 0
    retried_at_us: int | None = None
    looked_at_us: int | None = None
    looked_revision: int = 0
    is_reviewed: bool = False
    draft_count: int = 0


class BillingSettingsStore:
    """Thread-safe. Every method raises StoreUnavailableError when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, tenant: str) -> BillingSettings:
        """Those of rule 1 for a tenant that has none."""
        with self._database.reading() as connection:
            return _read(connection, tenant)

    def automatic(self, *, reviewed: bool = True) -> list[str]:
        """The tenants whose periods the engine closes, in alphabetical order. `reviewed`: also those that approve what is issued."""
        columns = BILLING_SETTINGS.c
        wanted = select(columns.tenant).where(columns.is_automatic == 1).order_by(columns.tenant)
        if not reviewed:
            wanted = wanted.where(columns.is_reviewed == 0)
        with self._database.reading() as connection:
            return list(connection.scalars(wanted))

    def change(
        self,
        tenant: str,
        *,
        grace_us: int | None,
        automatic: bool | None,
        since_us: int | None,
        now_us: int,
        reviewed: bool | None = None,
    ) -> BillingSettings:
        """Changes what is not None. `since_us`: what ends after it is closed automatically; None: after now (rule 2).

        Raises:
            InvalidRequestError: `since_us` goes without turning it on, or is in the future.
        """
        with self._database.writing() as connection:
            found = _read(connection, tenant)
            turns_on = automatic is True and not found.is_automatic
            if since_us is not None and (not turns_on or since_us > now_us):
                why = (
                    "is in the future"
                    if turns_on
                    else "goes with turning automatic closing on: it is not given otherwise"
                )
                raise InvalidRequestError(FieldMistake("closed_since", why))
            if grace_us is not None:
                found = replace(found, grace_us=grace_us)
            if reviewed is not None and reviewed != found.is_reviewed:
                found = _under_review(found) if reviewed else replace(found, is_reviewed=False, draft_count=0)
                if reviewed:
                    _end_runs(connection, tenant, now_us)
            if turns_on:
                begin_us = now_us if since_us is None else since_us
                found = BillingSettings(
                    found.grace_us,
                    is_automatic=True,
                    closed_since_us=begin_us,
                    closed_until_us=begin_us,
                    looked_at_us=now_us,
                    is_reviewed=found.is_reviewed,
                )
            elif automatic is False:
                found = replace(found, is_automatic=False, closing_until_us=None, draft_count=0)
            _write(connection, tenant, found)
            return found

    def advance(self, tenant: str, before: BillingSettings, after: BillingSettings) -> BillingSettings:
        """Writes how far automatic closing is, unless somebody has changed the settings meanwhile; what they are then."""
        with self._database.writing() as connection:
            found = _read(connection, tenant)
            if found != before:
                return found
            _write(connection, tenant, after)
            return after


def look_again(connection: Connection, tenant: str, from_us: int) -> None:
    """A billing period that ends behind this instant is open, of which the engine may have left the span behind, or may be leaving it
    behind by a run that is under way.
    """
    found = _read(connection, tenant)
    since_us, until_us = found.closed_since_us, found.closed_until_us
    if not found.is_automatic or since_us is None or until_us is None:
        return
    if not since_us <= from_us < max(until_us, found.closing_until_us or 0):
        return
    if found.is_reviewed:
        after = replace(found, closed_until_us=from_us, retried_at_us=None)
    else:
        open_us = from_us if found.open_since_us is None else min(from_us, found.open_since_us)
        after = replace(found, open_since_us=open_us, retried_at_us=None)
    _write(connection, tenant, after)


def _under_review(found: BillingSettings) -> BillingSettings:
    """What was left open is behind how far all is billed, and a run that is under way ends."""
    until_us = found.closed_until_us
    if until_us is not None and found.open_since_us is not None:
        until_us = min(until_us, found.open_since_us)
    return replace(
        found,
        is_reviewed=True,
        closed_until_us=until_us,
        closing_until_us=None,
        open_since_us=None,
        retried_at_us=None,
    )


def _end_runs(connection: Connection, tenant: str, now_us: int) -> None:
    """Of the engine's own what is under way: nobody goes on with it, and an item of it may be taken back."""
    columns = CLOSES.c
    connection.execute(
        update(CLOSES)
        .where(columns.tenant == tenant, columns.begun_by == AUTOMATIC, columns.ended_at_us.is_(None))
        .values(ended_at_us=now_us)
    )


def _read(connection: Connection, tenant: str) -> BillingSettings:
    row = connection.execute(select(BILLING_SETTINGS).where(BILLING_SETTINGS.c.tenant == tenant)).first()
    return BillingSettings() if row is None else _settings(row)


def _settings(row: Row[Any]) -> BillingSettings:
    found = {name: getattr(row, name) for name in BillingSettings.__slots__}
    return BillingSettings(**found | {name: bool(found[name]) for name in _YES_OR_NO})


def _write(connection: Connection, tenant: str, settings: BillingSettings) -> None:
    values = {name: getattr(settings, name) for name in BillingSettings.__slots__}
    values |= {"tenant": tenant} | {name: int(values[name]) for name in _YES_OR_NO}
    connection.execute(delete(BILLING_SETTINGS).where(BILLING_SETTINGS.c.tenant == tenant))
    connection.execute(insert(BILLING_SETTINGS).values(**values))
