"""The journal out of the stores: entries of all accounts of a tenant in their order, with the lines that they are about."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, func, select

from engine.billing.accounts.account import BALANCE, EntryKind
from engine.billing.accounts.figures import in_pieces
from engine.billing.closing.booked_lines import BookedLines
from engine.billing.receivables.journal import (
    BilledLine,
    EnteredAmount,
    JournalEntry,
    postings,
    tax_account,
)
from engine.billing.receivables.statement import DocumentNames
from engine.errors import MeterlineError
from engine.sql.account_tables import ACCOUNT_ENTRIES, CREDIT_NOTE_LINES
from engine.sql.database import Database
from engine.sql.invoice_tables import INVOICES
from engine.times import INSTANT_US_MAX

_ENTRIES: Final = ACCOUNT_ENTRIES.c
_PARTS: Final = ("amount", "discount", "credit", "included_tax", "tax")
_BILLED: Final = (EntryKind.INVOICE, EntryKind.VOID)
_CREDITED: Final = (EntryKind.CREDIT_NOTE, EntryKind.CREDIT_NOTE_VOID)
# Some hundred MB as Python objects; an invoice of more comes alone.
_LINES_AT_ONCE: Final = 200_000


@dataclass(frozen=True, slots=True)
class JournalPage:
    """`until`: the newest entry that the journal knows; `after`: where the next page begins; 0 behind the last."""

    entries: Sequence[JournalEntry]
    until: int
    after: int


class JournalReader:
    """Thread-safe. `region_of`: the tax region of a tenant's customer at a revision of the catalog; empty for none."""

    def __init__(
        self, database: Database, booked: BookedLines, region_of: Callable[[str, str, int], str]
    ) -> None:
        self._database = database
        self._booked = booked
        self._region_of = region_of

    def page(
        self, tenant: str, span: tuple[int | None, int | None], after: int, until: int, count: int
    ) -> JournalPage:
        """Entries recorded in a span, behind entry `after`: at most so many. `until`: 0 for the first page.

        Raises:
            StoreUnavailableError: a store does not answer.
            MeterlineError: an entry does not balance, or an invoice has not all of its lines.
        """
        from_us, to_us = span[0] or 0, INSTANT_US_MAX + 1 if span[1] is None else span[1]
        with self._database.reading() as connection:
            of_tenant = _ENTRIES.tenant == tenant
            newest = connection.scalar(select(func.max(_ENTRIES.number)).where(of_tenant)) or 0
            until = min(until, newest) if until else newest
            within = and_(of_tenant, _ENTRIES.recorded_at_us >= from_us, _ENTRIES.recorded_at_us < to_us)
            known = and_(within, _ENTRIES.number > after, _ENTRIES.number <= until)
            # The last of two that belong together may be one behind the others.
            rows = connection.execute(
                select(ACCOUNT_ENTRIES).where(known).order_by(_ENTRIES.number).limit(count + 2)
            ).all()
            groups = list(_together(rows))
            more = len(rows) == count + 2
            invoices = _invoices(connection, tenant, rows)
            names = DocumentNames.of(connection, tenant, rows)
            notes = _note_lines(connection, tenant, rows)
        groups, was_cut = _bounded(groups[:-1] if more else groups, invoices)
        sources = _Sources(invoices, self._lines(tenant, groups, invoices), notes)
        entries = [self._entry(tenant, group, sources, names) for group in groups]
        return JournalPage(entries, until, entries[-1].number if more or was_cut else 0)

    def _lines(
        self, tenant: str, groups: Sequence[Sequence[Row[Any]]], invoices: Mapping[str, Row[Any]]
    ) -> Mapping[str, Mapping[int, BilledLine]]:
        """Invoice -> line number -> line, of the invoices that are billed, void or credited in these."""
        kinds = (*_BILLED, *_CREDITED)
        wanted = {each[0].invoice_id for each in groups if EntryKind(each[0].kind) in kinds}
        rows = self._booked.read(tenant, {each: invoices[each].line_count for each in wanted})
        found: dict[str, dict[int, BilledLine]] = {each: {} for each in wanted}
        columns = ("invoice_id", "line_number", "product", "plan_id", *(f"{each}_minor" for each in _PARTS))
        values = zip(*(rows[name].to_pylist() for name in columns), strict=True)
        for invoice_id, number, product, plan_id, *amounts in values:
            found[invoice_id][number] = BilledLine(product, plan_id, *map(int, amounts))
        return found

    def _entry(
        self, tenant: str, group: Sequence[Row[Any]], sources: "_Sources", names: DocumentNames
    ) -> JournalEntry:
        first = group[0]
        entered = [EnteredAmount(EntryKind(row.kind), row.invoice_id, row.amount_minor) for row in group]
        tax = ""
        if (invoice := sources.invoices.get(first.invoice_id)) is not None and len(group) == 1:
            tax = sources.tax_accounts.get((first.customer_id, invoice.catalog_revision), "")
            if not tax:
                tax = tax_account(self._region_of(tenant, first.customer_id, invoice.catalog_revision))
                sources.tax_accounts[first.customer_id, invoice.catalog_revision] = tax
        about = max(group, key=lambda row: row.invoice_id != BALANCE)
        return JournalEntry(
            number=group[-1].number,
            recorded_at_us=first.recorded_at_us,
            kind=entered[0].kind,
            document=names.document(about),
            invoice=names.invoices.get(about.invoice_id, ""),
            customer_id=first.customer_id,
            currency=first.currency,
            reason=first.reason,
            postings=postings(entered, sources.lines_of(first), tax),
        )


@dataclass(frozen=True, slots=True)
class _Sources:
    """What entries are about: headers and lines of invoices, what notes give back, and accounts of taxes that are known."""

    invoices: Mapping[str, Row[Any]]
    lines: Mapping[str, Mapping[int, BilledLine]]
    notes: Mapping[str, Sequence[Row[Any]]]
    tax_accounts: dict[tuple[str, int], str] = field(default_factory=dict)

    def lines_of(self, row: Row[Any]) -> Iterator[BilledLine]:
        kind = EntryKind(row.kind)
        if kind in _BILLED:
            yield from self.lines[row.invoice_id].values()
        elif kind in _CREDITED:
            of_invoice = self.lines[row.invoice_id]
            for each in self.notes.get(row.document_id, ()):
                amounts = (int(getattr(each, f"{name}_minor")) for name in _PARTS)
                billed = of_invoice[each.line_number]
                yield BilledLine(billed.product, billed.plan_id, *amounts)


def _together(rows: Sequence[Row[Any]]) -> Iterator[Sequence[Row[Any]]]:
    """Each entry; the two that move balance together. The first of two whose second is not there is alone, and the last.

    Raises:
        MeterlineError: half of two stands in the middle.
    """
    place = 0
    while place < len(rows):
        size = 2 if rows[place].kind == EntryKind.APPLIED.value else 1
        group = rows[place : place + size]
        if len(group) == size > 1 and (
            group[1].kind != group[0].kind or [row.invoice_id for row in group].count(BALANCE) != 1
        ):
            raise MeterlineError("half of a movement of balance is missing: no journal is given; report it")
        yield group
        place += size


def _bounded(
    groups: Sequence[Sequence[Row[Any]]], invoices: Mapping[str, Row[Any]]
) -> tuple[list[Sequence[Row[Any]]], bool]:
    """The first groups with not too many lines, and at least one; whether some are left out."""
    found: list[Sequence[Row[Any]]] = []
    lines = 0
    for group in groups:
        if EntryKind(group[0].kind) in (*_BILLED, *_CREDITED):
            lines += invoices[group[0].invoice_id].line_count
        if found and lines > _LINES_AT_ONCE:
            return found, True
        found.append(group)
    return found, False


def _invoices(connection: Connection, tenant: str, rows: Sequence[Row[Any]]) -> Mapping[str, Row[Any]]:
    columns, found = INVOICES.c, dict[str, Row[Any]]()
    for some in in_pieces(sorted({row.invoice_id for row in rows} - {BALANCE})):
        wanted = select(columns.invoice_id, columns.line_count, columns.catalog_revision).where(
            columns.tenant == tenant, columns.invoice_id.in_(some)
        )
        found.update({row.invoice_id: row for row in connection.execute(wanted)})
    return found


def _note_lines(
    connection: Connection,
    tenant: str,
    rows: Sequence[Row[Any]],
) -> Mapping[str, Sequence[Row[Any]]]:
    columns = CREDIT_NOTE_LINES.c
    found: dict[str, list[Row[Any]]] = {}
    notes = {row.document_id for row in rows if EntryKind(row.kind) in _CREDITED}
    for some in in_pieces(sorted(notes)):
        wanted = select(CREDIT_NOTE_LINES).where(columns.tenant == tenant, columns.credit_note_id.in_(some))
        for row in connection.execute(wanted):
            found.setdefault(row.credit_note_id, []).append(row)
    return found
