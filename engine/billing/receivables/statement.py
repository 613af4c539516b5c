"""What an account comes to, and its statement: its documents in their order, with what is owed after each.

Rules:
1. The balance is what the customer owes in all: what is outstanding, less what lies unused. Negative: the customer has so much.
2. A statement shows what changes the balance: documents, money, write-offs. Which money pays which invoice changes nothing of it.
3. It is of entries that were recorded in [from, to), in the order of commits, as they were at its first page.
4. It adds up: what was owed before, and all entries, come to what is owed after, summed anew over everything; what is owed now comes to
   what is outstanding less what is unused. Or it is not given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, func, select

from engine.billing.accounts.account import EntryKind
from engine.billing.accounts.account_store import AccountKey, load
from engine.billing.accounts.document_numbers import credit_note_number, invoice_number
from engine.billing.accounts.figures import in_pieces
from engine.billing.accounts.invoice_states import InvoiceState, state_at
from engine.errors import MeterlineError
from engine.sql.account_tables import ACCOUNT_ENTRIES, CREDIT_NOTES
from engine.sql.database import Database
from engine.sql.invoice_tables import INVOICES
from engine.times import INSTANT_US_MAX

_ENTRIES: Final = ACCOUNT_ENTRIES.c


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """In minor units. balance = outstanding - unused. `overdue_minor`: the part of what is outstanding that is due."""

    account: AccountKey
    balance_minor: int
    outstanding_minor: int
    overdue_minor: int
    unused_minor: int
    written_off_minor: int
    open_invoice_count: int


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """`amount_minor`: what is owed more; `balance_minor`: what is owed after it. `document`: what it is known by: INV-000042, CN-000001, or the
    reporter's id of a payment or refund. `invoice`: the number of the invoice that it is about, '' for money.
    """

    number: int
    recorded_at_us: int
    kind: EntryKind
    document: str
    invoice: str
    payment_id: str
    amount_minor: int
    balance_minor: int
    reason: str


@dataclass(frozen=True, slots=True)
class StatementPlace:
    """Where a page begins: behind entry `after`, of a statement that knows the entries up to `until`."""

    after: int
    until: int


@dataclass(frozen=True, slots=True)
class StatementPage:
    """Some entries of a statement. `opening_minor`, `closing_minor`: of all of it. `until`: the last entry that it knows."""

    opening_minor: int
    closing_minor: int
    entries: Sequence[StatementEntry]
    until: int
    has_more: bool

    def place_behind(self, count: int = 0) -> StatementPlace:
        """Behind its first so many entries; 0: all."""
        return StatementPlace(self.entries[count - 1].number, self.until)


class Statements:
    """Thread-safe. Every method raises StoreUnavailableError when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def summary(self, key: AccountKey, now_us: int) -> AccountSummary | None:
        """As it is at this moment; None for who has no account. Raises MeterlineError (rule 4)."""
        with self._database.reading() as connection:
            account = load(connection, key)
            owed = _owed(connection, key)
            if not account.invoices and not account.lots:
                return None
        invoices = account.invoices.values()
        outstanding = sum(each.outstanding_minor for each in invoices)
        if owed != outstanding - account.balance_minor:
            raise _wrong(key)
        overdue = (
            each for each in invoices if state_at(each.state, each.due_at_us, now_us) is InvoiceState.OVERDUE
        )
        return AccountSummary(
            key,
            owed,
            outstanding,
            sum(each.outstanding_minor for each in overdue),
            account.balance_minor,
            sum(each.written_off_minor for each in invoices),
            sum(each.is_open for each in invoices),
        )

    def page(
        self,
        key: AccountKey,
        span: tuple[int | None, int | None],
        place: StatementPlace | None,
        count: int,
    ) -> StatementPage:
        """At most so many entries. `span`: from, to; None for no bound. `place`: None for the first page.

        Raises:
            MeterlineError: it does not add up (rule 4).
        """
        from_us, to_us = span[0] or 0, INSTANT_US_MAX + 1 if span[1] is None else span[1]
        with self._database.reading() as connection:
            newest = connection.scalar(select(func.max(_ENTRIES.number)).where(_of(key))) or 0
            until = newest if place is None else min(place.until, newest)
            after = 0 if place is None else place.after
            known = _ENTRIES.number <= until
            opening = _owed(connection, key, known, _ENTRIES.recorded_at_us < from_us)
            closing = _owed(connection, key, known, _ENTRIES.recorded_at_us < to_us)
            within = and_(known, _ENTRIES.recorded_at_us >= from_us, _ENTRIES.recorded_at_us < to_us)
            balance = opening + _owed(connection, key, within, _ENTRIES.number <= after)
            rows = connection.execute(
                select(ACCOUNT_ENTRIES)
                .where(_of(key), within, _ENTRIES.number > after, _ENTRIES.kind != EntryKind.APPLIED.value)
                .order_by(_ENTRIES.number)
                .limit(count + 1)
            ).all()
            shown, has_more = rows[:count], len(rows) > count
            names = DocumentNames.of(connection, key.tenant, shown)
            last = shown[-1].number if has_more else until
            wanted = opening + _owed(connection, key, within, _ENTRIES.number <= last)
        entries = _running(shown, balance, names)
        if (entries[-1].balance_minor if entries else balance) != wanted or (
            not has_more and wanted != closing
        ):
            raise _wrong(key)
        return StatementPage(opening, closing, entries, until, has_more)


def _of(key: AccountKey) -> ColumnElement[bool]:
    return and_(
        _ENTRIES.tenant == key.tenant,
        _ENTRIES.customer_id == key.customer_id,
        _ENTRIES.currency == key.currency,
    )


def _owed(connection: Connection, key: AccountKey, *which: ColumnElement[bool]) -> int:
    """The sum of all these entries, also of those that move money within the account."""
    total = connection.scalar(select(func.sum(_ENTRIES.amount_minor)).where(_of(key), *which))
    return int(total or 0)


def _running(rows: Sequence[Row[Any]], balance_minor: int, names: "DocumentNames") -> list[StatementEntry]:
    found: list[StatementEntry] = []
    for row in rows:
        balance_minor += row.amount_minor
        found.append(
            StatementEntry(
                *(row.number, row.recorded_at_us, EntryKind(row.kind), names.document(row)),
                names.invoices.get(row.invoice_id, ""),
                *(row.payment_id, row.amount_minor, balance_minor, row.reason),
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class DocumentNames:
    """Ids of documents -> their numbers."""

    invoices: Mapping[str, str]
    credit_notes: Mapping[str, str]

    @classmethod
    def of(cls, connection: Connection, tenant: str, rows: Sequence[Row[Any]]) -> "DocumentNames":
        def found(table: Table, own: str, ids: set[str], shown: Callable[[int], str]) -> Mapping[str, str]:
            name, by_id = table.c[own], dict[str, str]()
            for some in in_pieces(sorted(ids - {""})):
                wanted = select(name, table.c.number).where(table.c.tenant == tenant, name.in_(some))
                by_id.update({each: shown(number) for each, number in connection.execute(wanted)})
            return by_id

        documents = {row.document_id for row in rows}
        return cls(
            found(INVOICES, "invoice_id", {row.invoice_id for row in rows}, invoice_number),
            found(CREDIT_NOTES, "credit_note_id", documents, credit_note_number),
        )

    def document(self, row: Row[Any]) -> str:
        """What an entry's document is known by."""
        kind = EntryKind(row.kind)
        if kind is EntryKind.PAYMENT:
            return str(row.payment_id)
        if kind is EntryKind.REFUND:
            return str(row.document_id)
        if kind in (EntryKind.CREDIT_NOTE, EntryKind.CREDIT_NOTE_VOID):
            return self.credit_notes.get(row.document_id, "")
        return self.invoices.get(row.invoice_id, "")


def _wrong(key: AccountKey) -> MeterlineError:
    return MeterlineError(
        f"the account of {key.customer_id!r} in {key.currency} does not add up: it is not shown; report it"
    )
