"""Runs, headers and numbers of invoices in the catalog store. The header is the commit point of an invoice.

Rules:
1. What is to be issued was computed from a state of the tenant's invoices, which has a version. If it has moved, nothing is issued:
   whoever computed computes again. So two runs at once bill nothing twice.
2. Numbers are given in the transaction that issues: from 1, without a gap. An invoice that is there already keeps its number.
3. Every invoice that is issued or voided leaves its entries in its account, and a fact in the outbox, in the same transaction.
4. Of one span one run is under way: whoever closes it joins that run, and goes on with its watermark. Nobody joins one of drafts.
5. What a run issued and somebody voided since, that run does not issue again, however often its steps are repeated: the next does.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from sqlalchemy import Connection, and_, insert, or_, select, true, update

from engine.billing.accounts.account import AccountEntry, AccountInvoice, EntryKind
from engine.billing.accounts.account_store import AccountKey, enter, load, save
from engine.billing.accounts.amounts import entry_minor
from engine.billing.accounts.document_numbers import invoice_number
from engine.billing.accounts.figures import Figures, balances, figures, in_pieces
from engine.billing.accounts.invoice_states import InvoiceState
from engine.billing.closing.invoice import Close, Invoice, InvoiceKey
from engine.billing.closing.invoice_rows import close_values, invoice_values, is_in, read_close, read_invoice
from engine.billing.holds.held_periods import PeriodStart, held_starts
from engine.errors import NotFoundError, StaleError
from engine.outbox.fact_types import FactType
from engine.outbox.facts import Fact, record_facts
from engine.sql.database import Database
from engine.sql.invoice_tables import CLOSES, INVOICE_SERIES, INVOICES
from engine.times import rfc3339_us


@dataclass(frozen=True, slots=True)
class StandingInvoices:
    """Of some customers, at one moment. `voided`: what is void and not to be billed by the run (rule 5). `ever_voided`: of which
    periods an invoice that closed them was made void, by whatever run; another may stand. `held`: what is held back.
    """

    invoices: Sequence[Invoice]
    voided: frozenset[InvoiceKey]
    ever_voided: frozenset[InvoiceKey]
    held: frozenset[PeriodStart]


class InvoiceStore:
    """Thread-safe. Every method raises StoreUnavailableError when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, close: Close) -> Close:
        """The run of this span that is under way (rule 4), or this one."""
        with self._database.writing() as connection:
            columns = CLOSES.c
            row = connection.execute(
                select(CLOSES).where(
                    columns.tenant == close.tenant,
                    columns.from_us == close.from_us,
                    columns.before_us == close.before_us,
                    columns.ended_at_us.is_(None),
                    columns.of_drafts == 0,
                )
            ).first()
            if row is not None and not close.of_drafts:
                return read_close(row)
            connection.execute(insert(CLOSES).values(**close_values(close)))
            return close

    def close(self, tenant: str, close_id: str) -> Close:
        """Raises NotFoundError."""
        with self._database.reading() as connection:
            row = connection.execute(
                select(CLOSES).where(CLOSES.c.tenant == tenant, CLOSES.c.close_id == close_id)
            ).first()
        if row is None:
            raise NotFoundError(f"there is no close {close_id!r}")
        return read_close(row)

    def end(self, close: Close, now_us: int) -> None:
        """All that the run had to issue is issued."""
        with self._database.writing() as connection:
            connection.execute(
                update(CLOSES)
                .where(
                    CLOSES.c.tenant == close.tenant,
                    CLOSES.c.close_id == close.close_id,
                    CLOSES.c.ended_at_us.is_(None),
                )
                .values(ended_at_us=now_us)
            )

    def held(self, tenant: str) -> frozenset[PeriodStart]:
        """What is held back."""
        with self._database.reading() as connection:
            return held_starts(connection, tenant)

    def version(self, tenant: str) -> int:
        """Of all invoices of a tenant, at this moment (rule 1); 0 before its first."""
        with self._database.reading() as connection:
            return _version(connection, tenant)

    def standing(
        self, close: Close, customers: Sequence[str], unchanged: frozenset[str], parts_since_us: int
    ) -> StandingInvoices:
        """All that are not void, and of which periods some are; of `unchanged` customers those of the run's span and later alone, and
        the parts of periods that began then or later.
        """
        tenant, columns = close.tenant, INVOICES.c
        changed = [each for each in customers if each not in unchanged]
        found: list[Invoice] = []
        is_later = or_(
            columns.period_end_us > close.from_us,
            and_(columns.part > 0, columns.period_start_us >= parts_since_us),
        )
        with self._database.reading() as connection:
            for whose, since in ((changed, true()), (unchanged, is_later)):
                for some in in_pieces(whose):
                    of_some = and_(columns.tenant == tenant, columns.customer_id.in_(some))
                    found += map(read_invoice, connection.execute(select(INVOICES).where(of_some, since)))
            held = held_starts(connection, tenant)
        void = [each for each in found if each.state is InvoiceState.VOID and not each.part]
        return StandingInvoices(
            [each for each in found if each.state is not InvoiceState.VOID],
            frozenset(
                each.key for each in void if not close.bills_void_anew or each.close_id == close.close_id
            ),
            frozenset(each.key for each in void),
            held,
        )

    def of_running(
        self, tenant: str, customers: Sequence[str], starts_us: AbstractSet[tuple[str, int]]
    ) -> list[Invoice]:
        """All invoices of some customers' periods that began at these instants, by customer and instant; also void ones."""
        columns, found = INVOICES.c, []
        since_us = min((start_us for _, start_us in starts_us), default=0)
        with self._database.reading() as connection:
            for some in in_pieces(customers):
                wanted = select(INVOICES).where(
                    columns.tenant == tenant,
                    columns.customer_id.in_(some),
                    columns.period_start_us >= since_us,
                )
                found += [
                    read_invoice(row)
                    for row in connection.execute(wanted)
                    if (row.customer_id, row.period_start_us) in starts_us
                ]
        return found

    def parts_before(self, invoice: Invoice) -> list[Invoice]:
        """The invoices of parts of its billing period that stood when it was issued, in order."""
        columns, key = INVOICES.c, invoice.key
        wanted = select(INVOICES).where(
            columns.tenant == invoice.tenant,
            columns.customer_id == key.customer_id,
            columns.currency == key.currency,
            columns.period_start_us == key.start_us,
            columns.part > 0,
            columns.number < invoice.number,
            or_(columns.voided_at_us.is_(None), columns.voided_at_us > invoice.issued_at_us),
        )
        with self._database.reading() as connection:
            return list(map(read_invoice, connection.execute(wanted.order_by(columns.number))))

    def issue(self, tenant: str, version: int, invoices: Sequence[Invoice], now_us: int) -> list[Invoice]:
        """Issues these, whose numbers are still 0, in their order.

        Raises:
            StaleError: the tenant's invoices are not those of `version` any more (rule 1): compute them again.
        """
        with self._database.writing() as connection:
            if _version(connection, tenant) != version:
                raise StaleError("invoices were issued or voided meanwhile: compute these again")
            first = _take_numbers(connection, tenant, len(invoices))
            values = [invoice_values(each) | {"number": first + place} for place, each in enumerate(invoices)]
            for some in in_pieces(values):
                connection.execute(insert(INVOICES), some)
            issued = [
                replace(
                    each,
                    number=first + place,
                    figures=Figures(outstanding_minor=entry_minor(each.sums["due"], each.key.currency)),
                )
                for place, each in enumerate(invoices)
            ]
            facts = [_fact(FactType.INVOICE_ISSUED, each) for each in issued]
            facts += [_fact(FactType.INVOICE_PAID, each) for each in issued if each.sums["due"] <= 0]
            record_facts(connection, tenant, facts, now_us)
            return _enter_issued(connection, tenant, issued, now_us)

    def invoice(self, tenant: str, invoice_id: str = "", number: int = 0) -> Invoice:
        """By its id, or by its number. Raises NotFoundError."""
        with self._database.reading() as connection:
            return one_invoice(connection, tenant, invoice_id, number)

    def numbers(self, tenant: str, invoice_ids: Iterable[str]) -> Mapping[str, int]:
        """The numbers of invoices, also of void ones, by their ids."""
        with self._database.reading() as connection:
            return invoice_numbers(connection, tenant, invoice_ids)

    def invoices(
        self,
        tenant: str,
        customer_id: str,
        before_number: int,
        count: int,
        *,
        state: InvoiceState | None = None,
        now_us: int = 0,
    ) -> list[Invoice]:
        """The newest first, those with a smaller number than `before_number` (0: all); of one customer, or of all; in one state at an
        instant, or in any.
        """
        columns = INVOICES.c
        wanted = select(INVOICES).where(columns.tenant == tenant)
        if customer_id:
            wanted = wanted.where(columns.customer_id == customer_id)
        if before_number:
            wanted = wanted.where(columns.number < before_number)
        if state is not None:
            wanted = wanted.where(is_in(state, now_us))
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(columns.number.desc()).limit(count)).all()
            found = figures(connection, tenant, [row.invoice_id for row in rows])
            return [replace(read_invoice(row), figures=found[row.invoice_id]) for row in rows]

    def void(self, tenant: str, invoice_id: str, number: int, reason: str, now_us: int) -> Invoice:
        """Makes an invoice void; what was paid of it is balance then.

        Raises:
            NotFoundError: there is no such invoice.
            InvoiceStateError: it is void already, or credit notes of it stand.
        """
        with self._database.writing() as connection:
            found = one_invoice(connection, tenant, invoice_id, number)
            key = found.account
            account = load(connection, key)
            account.void(found.invoice_id, reason)
            changed_bills(connection, tenant)
            connection.execute(
                update(INVOICES)
                .where(INVOICES.c.tenant == tenant, INVOICES.c.invoice_id == found.invoice_id)
                .values(voided_at_us=now_us, void_reason=reason)
            )
            record_facts(connection, tenant, [_fact(FactType.INVOICE_VOIDED, found)], now_us)
            save(connection, key, account, now_us)
            return one_invoice(connection, tenant, found.invoice_id, 0)


def invoice_numbers(connection: Connection, tenant: str, invoice_ids: Iterable[str]) -> Mapping[str, int]:
    """The numbers of invoices, also of void ones, by their ids."""
    columns, found = INVOICES.c, {}
    for some in in_pieces(sorted(set(invoice_ids))):
        wanted = select(columns.invoice_id, columns.number).where(
            columns.tenant == tenant, columns.invoice_id.in_(some)
        )
        found.update({row.invoice_id: row.number for row in connection.execute(wanted)})
    return found


def _version(connection: Connection, tenant: str) -> int:
    """0 of a tenant without invoices."""
    columns = INVOICE_SERIES.c
    return connection.scalar(select(columns.version).where(columns.tenant == tenant)) or 0


def _take_numbers(connection: Connection, tenant: str, count: int) -> int:
    """The first of so many numbers, which nobody else gets; the version rises."""
    columns = INVOICE_SERIES.c
    row = connection.execute(select(INVOICE_SERIES).where(columns.tenant == tenant)).first()
    if row is None:
        connection.execute(insert(INVOICE_SERIES).values(tenant=tenant, next_number=1 + count, version=1))
        return 1
    connection.execute(
        update(INVOICE_SERIES)
        .where(columns.tenant == tenant)
        .values(next_number=row.next_number + count, version=row.version + 1)
    )
    return int(row.next_number)


def changed_bills(connection: Connection, tenant: str) -> None:
    """What is billed is other than before: whoever computes from it computes again (rule 1)."""
    _take_numbers(connection, tenant, 0)


def _enter_issued(
    connection: Connection, tenant: str, issued: Sequence[Invoice], now_us: int
) -> list[Invoice]:
    """What is owed now, as their figures say; and balance that pays it, or that it makes. The invoices as they are then."""
    has_balance = balances(connection, tenant, sorted({each.key.customer_id for each in issued}))
    entries = [
        (each.account, AccountEntry(each.invoice_id, EntryKind.INVOICE, each.figures.outstanding_minor))
        for each in issued
    ]
    enter(connection, tenant, entries, now_us)
    settled: dict[AccountKey, list[str]] = {}
    for each in issued:
        if each.sums["due"] < 0 or (each.key.customer_id, each.key.currency) in has_balance:
            settled.setdefault(each.account, []).append(each.invoice_id)
    found: dict[str, AccountInvoice] = {}
    for key, invoice_ids in settled.items():
        account = load(connection, key)
        for invoice_id in invoice_ids:
            account.issued(invoice_id)
        save(connection, key, account, now_us)
        found |= account.invoices
    return [
        each
        if (own := found.get(each.invoice_id)) is None
        else replace(each, state=own.state, figures=Figures.of(own))
        for each in issued
    ]


def one_invoice(connection: Connection, tenant: str, invoice_id: str, number: int) -> Invoice:
    """By its id, or by its number. Raises NotFoundError."""
    columns = INVOICES.c
    by = columns.invoice_id == invoice_id if invoice_id else columns.number == number
    row = connection.execute(select(INVOICES).where(columns.tenant == tenant, by)).first()
    if row is None:
        raise NotFoundError(f"there is no invoice {invoice_id or invoice_number(number)}")
    return replace(read_invoice(row), figures=figures(connection, tenant, [row.invoice_id])[row.invoice_id])


def _fact(of: FactType, invoice: Invoice) -> Fact:
    key = invoice.key
    return Fact(
        of,
        "invoice",
        invoice.invoice_id,
        {
            "number": invoice.name,
            "customer_id": key.customer_id,
            "currency": key.currency,
            "due": format(invoice.sums["due"], "f"),
            "period_start": rfc3339_us(key.start_us),
            "period_end": rfc3339_us(key.end_us),
        },
    )
