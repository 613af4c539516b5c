"""Credit notes: header, lines, number, entries and fact in one transaction.

Rules:
1. Numbers are given in that transaction, in a series of the tenant's own: from 1, without a gap. One that is void keeps its number.
2. A note is created once under its creator's key: the same again is the same, and another one under the key is refused.
3. What was booked of the invoice never changes, so it is read before; what other notes give back is read in the transaction.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
from sqlalchemy import Connection, Row, Select, insert, select, update

from engine.billing.accounts.account_store import AccountKey, load, save
from engine.billing.accounts.amounts import minor_of, text_of
from engine.billing.accounts.document_numbers import credit_note_number, invoice_number
from engine.billing.accounts.figures import in_pieces
from engine.billing.accounts.invoice_states import InvoiceAction, check_allowed
from engine.billing.closing.invoice import SUMS
from engine.billing.closing.invoice_store import one_invoice
from engine.billing.receivables.credit_note import (
    NOTHING,
    CreditNoteRequest,
    LineAmounts,
    given_back,
)
from engine.billing.receivables.payment import check_repeated
from engine.errors import FieldMistake, InvalidRequestError, InvoiceStateError, NotFoundError
from engine.outbox.fact_types import FactType
from engine.outbox.facts import Fact, record_facts
from engine.sql.account_tables import CREDIT_NOTE_LINES, CREDIT_NOTES
from engine.sql.database import Database
from engine.sql.invoice_tables import INVOICE_SERIES, INVOICES

_ISSUED: Final = "issued"
_VOID: Final = "void"
_AMOUNTS: Final = tuple(f"{name}_minor" for name in LineAmounts.__slots__)


@dataclass(frozen=True, slots=True)
class CreditNote:
    """As it is kept. sums: SUMS, in units of the currency with its digits, what it gives back. `voided_at_us`: 0 unless it is void."""

    credit_note_id: str
    number: int
    is_void: bool
    invoice_id: str
    invoice_number: int
    account: AccountKey
    reason: str
    issued_at_us: int
    line_count: int
    sums: Mapping[str, Decimal]
    voided_at_us: int
    void_reason: str

    @property
    def name(self) -> str:
        """As people know it."""
        return credit_note_number(self.number)


@dataclass(frozen=True, slots=True)
class CreditableLines:
    """`amounts`: of each line of an invoice, by number; `commitments`: the numbers of those that commitments added."""

    amounts: Mapping[int, LineAmounts]
    commitments: frozenset[int]


def creditable_lines(rows: pa.Table) -> CreditableLines:
    """`rows`: all lines of an invoice (INVOICE_LINE_ROWS)."""
    numbers = rows["line_number"].to_pylist()
    amounts = zip(*(rows[name].to_pylist() for name in _AMOUNTS), strict=True)
    found = {number: LineAmounts(*map(int, each)) for number, each in zip(numbers, amounts, strict=True)}
    kinds = zip(numbers, rows["kind"].to_pylist(), strict=True)
    return CreditableLines(found, frozenset(number for number, kind in kinds if kind != "charge"))


class CreditNoteStore:
    """Thread-safe. Every method raises StoreUnavailableError when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self, request: CreditNoteRequest, booked: Callable[[], CreditableLines], now_us: int
    ) -> CreditNote:
        """`booked`: reads the lines of the invoice; it is not called for a request that is repeated.

        Raises:
            IdempotencyKeyUsedError: the key is that of another request.
            InvalidRequestError: there is no such line, or not so much is left of it.
            InvoiceStateError: the invoice is void.
            NotFoundError: there is no such invoice.
        """
        with self._database.reading() as connection:
            if (found := _repeated(connection, request)) is not None:
                return found
        lines = booked()
        with self._database.writing() as connection:
            if (found := _repeated(connection, request)) is not None:
                return found
            invoice = one_invoice(connection, request.tenant, request.invoice_id, 0)
            check_allowed(invoice.state, InvoiceAction.CREDIT, invoice.name)
            key = invoice.account
            given = _given(connection, request.tenant, request.invoice_id)
            own = given_back(invoice.name, key.currency, lines.amounts, given, request.lines)
            account = load(connection, key)
            due = sum(each.due for each in own.values())
            of_invoice = account.invoices[request.invoice_id]
            if due > (left := of_invoice.due_minor - of_invoice.credited_minor):
                raise InvalidRequestError(
                    FieldMistake(
                        "lines",
                        f"come to {text_of(due, key.currency)}: {text_of(left, key.currency)} {key.currency} "
                        f"are left of {invoice.name}",
                    )
                )
            account.credit(request.invoice_id, request.credit_note_id, due, request.reason)
            _insert(connection, request, key, own, lines.commitments, now_us)
            made = _one(connection, request.tenant, request.credit_note_id, 0)
            record_facts(connection, key.tenant, [_fact(FactType.CREDIT_NOTE_ISSUED, made)], now_us)
            save(connection, key, account, now_us)
            return made

    def void(self, tenant: str, credit_note_id: str, number: int, reason: str, now_us: int) -> CreditNote:
        """Makes a note void: what it gave back is owed again. By id, or by number.

        Raises:
            NotFoundError: there is no such credit note.
            InvoiceStateError: it is void already.
        """
        with self._database.writing() as connection:
            found = _one(connection, tenant, credit_note_id, number)
            if found.is_void:
                raise InvoiceStateError(f"{found.name} is void already")
            key = found.account
            account = load(connection, key)
            due = minor_of(found.sums["due"], key.currency)
            account.uncredit(found.invoice_id, found.credit_note_id, due, reason)
            columns = CREDIT_NOTES.c
            connection.execute(
                update(CREDIT_NOTES)
                .where(columns.tenant == tenant, columns.credit_note_id == found.credit_note_id)
                .values(state=_VOID, voided_at_us=now_us, void_reason=reason)
            )
            record_facts(connection, tenant, [_fact(FactType.CREDIT_NOTE_VOIDED, found)], now_us)
            save(connection, key, account, now_us)
            return _one(connection, tenant, found.credit_note_id, 0)

    def note(self, tenant: str, credit_note_id: str, number: int) -> CreditNote:
        """By its id, or by its number. Raises NotFoundError."""
        with self._database.reading() as connection:
            return _one(connection, tenant, credit_note_id, number)

    def lines(self, tenant: str, credit_note_id: str) -> Mapping[int, LineAmounts]:
        """What a note gives back, by the line of its invoice, in their order."""
        columns = CREDIT_NOTE_LINES.c
        wanted = (
            select(CREDIT_NOTE_LINES)
            .where(columns.tenant == tenant, columns.credit_note_id == credit_note_id)
            .order_by(columns.line_number)
        )
        with self._database.reading() as connection:
            return {row.line_number: _amounts(row) for row in connection.execute(wanted)}

    def notes(
        self, tenant: str, customer_id: str, invoice_id: str, before_number: int, count: int
    ) -> list[CreditNote]:
        """The newest first, those with a smaller number than `before_number` (0: all); of one customer, or of all; of one invoice, or any."""
        columns = CREDIT_NOTES.c
        wanted = _wanted(tenant)
        if customer_id:
            wanted = wanted.where(columns.customer_id == customer_id)
        if invoice_id:
            wanted = wanted.where(columns.invoice_id == invoice_id)
        if before_number:
            wanted = wanted.where(columns.number < before_number)
        with self._database.reading() as connection:
            return [
                _note(row) for row in connection.execute(wanted.order_by(columns.number.desc()).limit(count))
            ]


def _repeated(connection: Connection, request: CreditNoteRequest) -> CreditNote | None:
    """Rule 2. Raises IdempotencyKeyUsedError."""
    columns = CREDIT_NOTES.c
    own = (columns.tenant == request.tenant, columns.credit_note_id == request.credit_note_id)
    digest = connection.scalar(select(columns.digest).where(*own))
    if digest is None:
        return None
    check_repeated(digest, request.digest(), "a credit note was created under this idempotency key")
    return _one(connection, request.tenant, request.credit_note_id, 0)


def _given(connection: Connection, tenant: str, invoice_id: str) -> Mapping[int, LineAmounts]:
    """What the notes that stand give back of an invoice, by line."""
    notes, lines = CREDIT_NOTES.c, CREDIT_NOTE_LINES.c
    standing = select(notes.credit_note_id).where(
        notes.tenant == tenant, notes.invoice_id == invoice_id, notes.state == _ISSUED
    )
    wanted = select(CREDIT_NOTE_LINES).where(lines.tenant == tenant, lines.credit_note_id.in_(standing))
    found: dict[int, LineAmounts] = {}
    for row in connection.execute(wanted):
        found[row.line_number] = found.get(row.line_number, NOTHING).plus(_amounts(row))
    return found


def _insert(
    connection: Connection,
    request: CreditNoteRequest,
    key: AccountKey,
    own: Mapping[int, LineAmounts],
    commitments: frozenset[int],
    now_us: int,
) -> None:
    sums = dict.fromkeys(SUMS, 0)
    for number, each in own.items():
        sums["commitments" if number in commitments else "amount"] += each.amount
        sums["discounts"] += each.discount
        sums["credits"] += each.credit
        for name in ("included_tax", "tax", "due"):
            sums[name] += getattr(each, name)
    connection.execute(
        insert(CREDIT_NOTES).values(
            tenant=key.tenant,
            credit_note_id=request.credit_note_id,
            number=_take_number(connection, key.tenant),
            state=_ISSUED,
            invoice_id=request.invoice_id,
            customer_id=key.customer_id,
            currency=key.currency,
            digest=request.digest(),
            corrects_usage=0,
            reason=request.reason,
            issued_at_us=now_us,
            line_count=len(own),
            **{name: text_of(minor, key.currency) for name, minor in sums.items()},
        )
    )
    of_note = {"tenant": key.tenant, "credit_note_id": request.credit_note_id}
    rows = [
        of_note
        | {"line_number": number}
        | {name: getattr(each, name.removesuffix("_minor")) for name in _AMOUNTS}
        for number, each in sorted(own.items())
    ]
    for some in in_pieces(rows):
        connection.execute(insert(CREDIT_NOTE_LINES), some)


def _take_number(connection: Connection, tenant: str) -> int:
    """Rule 1. Whoever has an invoice has a series."""
    columns = INVOICE_SERIES.c
    number = connection.execute(select(columns.next_credit_note).where(columns.tenant == tenant)).scalar_one()
    connection.execute(
        update(INVOICE_SERIES).where(columns.tenant == tenant).values(next_credit_note=number + 1)
    )
    return int(number)


def _fact(of: FactType, note: CreditNote) -> Fact:
    key = note.account
    told = {
        "number": note.name,
        "invoice": invoice_number(note.invoice_number),
        "customer_id": key.customer_id,
        "currency": key.currency,
        "due": format(note.sums["due"], "f"),
    }
    return Fact(of, "credit_note", note.credit_note_id, told)


def _wanted(tenant: str) -> Select[Any]:
    same = (INVOICES.c.tenant == CREDIT_NOTES.c.tenant) & (INVOICES.c.invoice_id == CREDIT_NOTES.c.invoice_id)
    joined = CREDIT_NOTES.join(INVOICES, same)
    return (
        select(CREDIT_NOTES, INVOICES.c.number.label("invoice_number"))
        .select_from(joined)
        .where(CREDIT_NOTES.c.tenant == tenant)
    )


def _one(connection: Connection, tenant: str, credit_note_id: str, number: int) -> CreditNote:
    columns = CREDIT_NOTES.c
    by = columns.credit_note_id == credit_note_id if credit_note_id else columns.number == number
    row = connection.execute(_wanted(tenant).where(by)).first()
    if row is None:
        raise NotFoundError(f"there is no credit note {credit_note_id or credit_note_number(number)}")
    return _note(row)


def _note(row: Row[Any]) -> CreditNote:
    return CreditNote(
        credit_note_id=row.credit_note_id,
        number=row.number,
        is_void=row.state == _VOID,
        invoice_id=row.invoice_id,
        invoice_number=row.invoice_number,
        account=AccountKey(row.tenant, row.customer_id, row.currency),
        reason=row.reason,
        issued_at_us=row.issued_at_us,
        line_count=row.line_count,
        sums={name: Decimal(getattr(row, name)) for name in SUMS},
        voided_at_us=row.voided_at_us or 0,
        void_reason=row.void_reason,
    )


def _amounts(row: Row[Any]) -> LineAmounts:
    return LineAmounts(*(int(getattr(row, name)) for name in _AMOUNTS))
