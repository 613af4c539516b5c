"""What is paid, credited, written off and outstanding of invoices, and what lies in the balance of accounts: sums of entries."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, func, select

from engine.billing.accounts.account import BALANCE, AccountInvoice, EntryKind
from engine.sql.account_tables import ACCOUNT_ENTRIES

# SQLite binds some thirty thousand values.
_AT_ONCE: Final = 1_000
_KINDS: Final[Mapping[str, str]] = {
    EntryKind.APPLIED: "paid_minor",
    EntryKind.CREDIT_NOTE: "credited_minor",
    EntryKind.CREDIT_NOTE_VOID: "credited_minor",
    EntryKind.WRITE_OFF: "written_off_minor",
    EntryKind.RECOVERY: "written_off_minor",
}


class Figures(NamedTuple):
    """Of one invoice, in minor units. `paid_minor`: also by balance; negative of one that gave back, by what it gave."""

    outstanding_minor: int = 0
    paid_minor: int = 0
    credited_minor: int = 0
    written_off_minor: int = 0

    @classmethod
    def of(cls, invoice: AccountInvoice) -> "Figures":
        return cls(
            invoice.outstanding_minor,
            invoice.paid_minor,
            invoice.credited_minor,
            invoice.written_off_minor,
        )


NO_FIGURES: Final = Figures()


def figures(connection: Connection, tenant: str, invoice_ids: Iterable[str]) -> Mapping[str, Figures]:
    """Of these invoices, by their ids."""
    columns, found = ACCOUNT_ENTRIES.c, dict[str, Figures]()
    for some in in_pieces(invoice_ids):
        wanted = (
            select(columns.invoice_id, columns.kind, func.sum(columns.amount_minor))
            .where(columns.tenant == tenant, columns.invoice_id.in_(some))
            .group_by(columns.invoice_id, columns.kind)
        )
        for invoice_id, kind, amount in connection.execute(wanted):
            of = found.get(invoice_id, Figures())
            changed: dict[str, int] = {"outstanding_minor": of.outstanding_minor + int(amount)}
            if name := _KINDS.get(kind):
                changed[name] = getattr(of, name) - int(amount)
            found[invoice_id] = of._replace(**changed)
    return found


def balances(connection: Connection, tenant: str, customers: Sequence[str]) -> Mapping[tuple[str, str], int]:
    """(customer, currency) -> what lies in the balance, of the accounts of these customers that have some; minor units."""
    columns, found = ACCOUNT_ENTRIES.c, {}
    for some in in_pieces(customers):
        total = func.sum(columns.amount_minor)
        wanted = (
            select(columns.customer_id, columns.currency, total)
            .where(
                columns.tenant == tenant,
                columns.invoice_id == BALANCE,
                columns.customer_id.in_(some),
            )
            .group_by(columns.customer_id, columns.currency)
            .having(total != 0)
        )
        for customer, currency, amount in connection.execute(wanted):
            found[customer, currency] = -int(amount)
    return found


def in_pieces(values: Iterable[Any], count: int = _AT_ONCE) -> Iterator[list[Any]]:
    """As many as a statement takes."""
    left = iter(values)
    while some := list(islice(left, count)):
        yield some
