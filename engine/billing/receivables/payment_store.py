"""Payments and refunds into accounts, and out of them: each in one transaction, with its entries and its facts.

Writers take turns (engine.sql.database), so of two who report the same at once one changes the account, and the other finds it done.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, func, insert, or_, select

from engine.billing.accounts.account import BALANCE, Account
from engine.billing.accounts.account_store import AccountKey, invoice_fact, load, save
from engine.billing.accounts.amounts import text_of
from engine.billing.accounts.document_numbers import read_invoice_number
from engine.billing.accounts.figures import in_pieces
from engine.billing.closing.invoice_store import invoice_numbers
from engine.billing.receivables.payment import (
    Payment,
    PaymentReport,
    PaymentState,
    Refund,
    RefundReport,
    check_repeated,
)
from engine.errors import FieldMistake, InvalidRequestError, NotFoundError
from engine.outbox.fact_types import FactType
from engine.outbox.facts import Fact, record_facts
from engine.sql.account_tables import ACCOUNT_ENTRIES, PAYMENTS, REFUNDS
from engine.sql.database import Database
from engine.sql.invoice_tables import INVOICES

_FACTS: Final = {
    PaymentState.SUCCEEDED: FactType.PAYMENT_SUCCEEDED,
    PaymentState.FAILED: FactType.PAYMENT_FAILED,
}


class PaymentStore:
    """Thread-safe. Every method raises StoreUnavailableError when the database does not answer."""

    def __init__(self, database: Database, is_customer: Callable[[str, str], bool]) -> None:
        """`is_customer`: whether the catalog of a tenant has the customer. Who has an account is one, too."""
        self._database = database
        self._is_customer = is_customer

    def record(self, report: PaymentReport, now_us: int) -> Payment:
        """Enters money that came in; of a failed payment, that it has failed. The same again is the same.

        Raises:
            IdempotencyKeyUsedError: the id is that of another report.
            InvalidRequestError: an invoice is not of this account.
            NotFoundError: no such customer or invoice.
        """
        key = report.account
        is_known = self._is_customer(key.tenant, key.customer_id)
        with self._database.writing() as connection:
            invoice_ids = _named(connection, key.tenant, report.invoices)
            digest = report.digest(invoice_ids)
            row = _payment_row(connection, key.tenant, report.payment_id)
            if row is not None:
                check_repeated(row.digest, digest, f"payment {report.payment_id!r} was reported")
            else:
                if not is_known:
                    check_has_account(connection, key.tenant, key.customer_id)
                account = load(connection, key)
                _check_own(account, invoice_ids, key)
                _insert(connection, report, invoice_ids, digest, now_us)
                _enter(connection, account, report, invoice_ids, now_us)
            return _one(connection, key.tenant, report.payment_id)

    def refund(self, report: RefundReport, now_us: int) -> tuple[Refund, Payment]:
        """Enters money that went back; the payment as it is now. The same again is the same.

        Raises:
            IdempotencyKeyUsedError: the id is that of another report.
            InvalidRequestError: the payment failed, or has not so much left.
            NotFoundError: no such payment.
        """
        tenant = report.tenant
        with self._database.writing() as connection:
            columns = REFUNDS.c
            wanted = select(REFUNDS).where(columns.tenant == tenant, columns.refund_id == report.refund_id)
            row = connection.execute(wanted).first()
            if row is None:
                payment = _one(connection, tenant, report.payment_id)
                _check_left(payment, report.amount_minor)
                _enter_refund(connection, payment, report, now_us)
                row = connection.execute(wanted).one()
            else:
                check_repeated(row.digest, report.digest(), f"refund {report.refund_id!r} was reported")
            payment = _one(connection, tenant, row.payment_id)
            made = (row.refund_id, row.payment_id, row.amount_minor, row.reason, row.recorded_at_us)
            return Refund(payment.account, *made), payment

    def currency_of(self, tenant: str, payment_id: str) -> str:
        """Raises NotFoundError."""
        with self._database.reading() as connection:
            return _one(connection, tenant, payment_id).account.currency

    def payments(
        self, tenant: str, customer_id: str, before: tuple[int, str] | None, count: int
    ) -> list[Payment]:
        """The newest first, those behind `before` (when recorded, id); of one customer, or of all."""
        columns = PAYMENTS.c
        wanted = select(PAYMENTS).where(columns.tenant == tenant)
        if customer_id:
            wanted = wanted.where(columns.customer_id == customer_id)
        if before is not None:
            at_us, payment_id = before
            is_later = and_(columns.recorded_at_us == at_us, columns.payment_id < payment_id)
            wanted = wanted.where(or_(columns.recorded_at_us < at_us, is_later))
        order = (columns.recorded_at_us.desc(), columns.payment_id.desc())
        with self._database.reading() as connection:
            return _read(connection, wanted.order_by(*order).limit(count))


def check_has_account(connection: Connection, tenant: str, customer_id: str) -> None:
    """Raises NotFoundError for who never owed or paid anything."""
    columns = ACCOUNT_ENTRIES.c
    wanted = select(columns.number).where(columns.tenant == tenant, columns.customer_id == customer_id)
    if connection.execute(wanted.limit(1)).first() is None:
        raise NotFoundError(f"there is no customer {customer_id!r}")


def _named(connection: Connection, tenant: str, names: Sequence[str]) -> list[str]:
    """The ids of invoices that are named by number or id. Raises NotFoundError."""
    found: list[str] = []
    columns = INVOICES.c
    for name in names:
        number = read_invoice_number(name)
        by = columns.invoice_id == name if number is None else columns.number == number
        invoice_id = connection.scalar(select(columns.invoice_id).where(columns.tenant == tenant, by))
        if invoice_id is None:
            raise NotFoundError(f"there is no invoice {name}")
        found.append(invoice_id)
    return found


def _check_own(account: Account, invoice_ids: Sequence[str], key: AccountKey) -> None:
    for place, invoice_id in enumerate(invoice_ids):
        if invoice_id not in account.invoices:
            raise InvalidRequestError(
                FieldMistake(
                    f"invoices[{place}]", f"is not an invoice of {key.customer_id!r} in {key.currency}"
                )
            )


def _insert(
    connection: Connection, report: PaymentReport, invoice_ids: Sequence[str], digest: str, now_us: int
) -> None:
    key = report.account
    connection.execute(
        insert(PAYMENTS).values(
            tenant=key.tenant,
            payment_id=report.payment_id,
            state=report.state.value,
            customer_id=key.customer_id,
            currency=key.currency,
            amount_minor=report.amount_minor,
            digest=digest,
            invoice_ids=json.dumps(list(invoice_ids)),
            method=report.method,
            reference=report.reference,
            failure_reason=report.failure_reason,
            received_at_us=now_us if report.received_at_us is None else report.received_at_us,
            recorded_at_us=now_us,
        )
    )


def _enter(
    connection: Connection,
    account: Account,
    report: PaymentReport,
    invoice_ids: Sequence[str],
    now_us: int,
) -> None:
    key = report.account
    facts = [_fact(_FACTS[report.state], key, report.payment_id, report.amount_minor)]
    if report.state is PaymentState.FAILED:
        facts += [
            invoice_fact(
                FactType.INVOICE_PAYMENT_FAILED, key, account.invoices[each], payment_id=report.payment_id
            )
            for each in dict.fromkeys(invoice_ids)
        ]
    else:
        account.pay(report.payment_id, report.amount_minor, invoice_ids)
    record_facts(connection, key.tenant, facts, now_us)
    save(connection, key, account, now_us)


def _check_left(payment: Payment, amount_minor: int) -> None:
    if payment.state is PaymentState.FAILED:
        raise InvalidRequestError(
            FieldMistake(
                "payment_id", f"{payment.payment_id!r} is of a payment that failed: it brought no money"
            )
        )
    left = payment.amount_minor - payment.refunded_minor
    if amount_minor > left:
        currency = payment.account.currency
        raise InvalidRequestError(
            FieldMistake(
                "amount",
                f"is {text_of(amount_minor, currency)}: of payment {payment.payment_id!r} "
                f"{text_of(left, currency)} {currency} are left",
            )
        )


def _enter_refund(connection: Connection, payment: Payment, report: RefundReport, now_us: int) -> None:
    key = payment.account
    account = load(connection, key)
    account.refund(report.payment_id, report.refund_id, report.amount_minor, report.reason)
    connection.execute(
        insert(REFUNDS).values(
            tenant=report.tenant,
            refund_id=report.refund_id,
            payment_id=report.payment_id,
            amount_minor=report.amount_minor,
            digest=report.digest(),
            reason=report.reason,
            recorded_at_us=now_us,
        )
    )
    more = {"refund_id": report.refund_id, "refunded": text_of(report.amount_minor, key.currency)}
    fact = _fact(FactType.PAYMENT_REFUNDED, key, payment.payment_id, payment.amount_minor, **more)
    record_facts(connection, key.tenant, [fact], now_us)
    save(connection, key, account, now_us)


def _fact(of: FactType, key: AccountKey, payment_id: str, amount_minor: int, **more: str) -> Fact:
    told = {"payment_id": payment_id, "customer_id": key.customer_id, "currency": key.currency}
    return Fact(of, "payment", payment_id, told | {"amount": text_of(amount_minor, key.currency)} | more)


def _named_payment(tenant: str, payment_id: str) -> Select[Any]:
    columns = PAYMENTS.c
    return select(PAYMENTS).where(columns.tenant == tenant, columns.payment_id == payment_id)


def _payment_row(connection: Connection, tenant: str, payment_id: str) -> Row[Any] | None:
    return connection.execute(_named_payment(tenant, payment_id)).first()


def _one(connection: Connection, tenant: str, payment_id: str) -> Payment:
    found = _read(connection, _named_payment(tenant, payment_id))
    if not found:
        raise NotFoundError(f"there is no payment {payment_id!r}")
    return found[0]


def _read(connection: Connection, wanted: Select[Any]) -> list[Payment]:
    """Payments of one tenant with what became of their money."""
    rows = connection.execute(wanted).all()
    if not rows:
        return []
    tenant, ids = rows[0].tenant, [row.payment_id for row in rows]
    named = {row.payment_id: json.loads(row.invoice_ids) for row in rows}
    sums = list(_sums(connection, tenant, ids, sorted({row.customer_id for row in rows})))
    of_invoices = {invoice_id for _, invoice_id, _ in sums if invoice_id != BALANCE}
    of_payment: dict[str, dict[str, int]] = {each: {} for each in ids}
    for payment_id, invoice_id, amount in sums:
        of_payment[payment_id][invoice_id] = amount
    numbers = invoice_numbers(connection, tenant, of_invoices.union(*named.values()))
    refunded = _refunded(connection, tenant, ids)
    found: list[Payment] = []
    for row in rows:
        own = of_payment[row.payment_id]
        balance = -own.pop(BALANCE, 0)
        made = Payment(
            AccountKey(tenant, row.customer_id, row.currency),
            *(row.payment_id, PaymentState(row.state), row.amount_minor),
            [numbers[each] for each in named[row.payment_id]],
            *(row.method, row.reference, row.failure_reason, row.received_at_us, row.recorded_at_us),
        )
        applied = sorted((numbers[invoice_id], -amount) for invoice_id, amount in own.items() if amount)
        found.append(
            replace(
                made,
                applied=applied,
                balance_minor=balance,
                refunded_minor=refunded.get(row.payment_id, 0),
            )
        )
        found[-1].check()
    return found


def _sums(
    connection: Connection, tenant: str, payment_ids: Sequence[str], customers: Sequence[str]
) -> Iterator[tuple[str, str, int]]:
    """(payment, invoice or BALANCE, what is owed more there), sums of the entries of these payments."""
    columns = ACCOUNT_ENTRIES.c
    names = (columns.payment_id, columns.invoice_id)
    for some in in_pieces(customers):
        rows = connection.execute(
            select(*names, func.sum(columns.amount_minor))
            .where(
                columns.tenant == tenant,
                columns.customer_id.in_(some),
                columns.payment_id.in_(payment_ids),
            )
            .group_by(*names)
        )
        for payment_id, invoice_id, amount in rows:
            yield payment_id, invoice_id, int(amount)


def _refunded(connection: Connection, tenant: str, payment_ids: Sequence[str]) -> Mapping[str, int]:
    columns = REFUNDS.c
    wanted = (
        select(columns.payment_id, func.sum(columns.amount_minor))
        .where(columns.tenant == tenant, columns.payment_id.in_(payment_ids))
        .group_by(columns.payment_id)
    )
    return {payment_id: int(amount) for payment_id, amount in connection.execute(wanted)}
