"""A double-entry journal of what is billed and paid: each entry of an account as postings that balance. Pure.

Rules:
1. Amounts are in minor units: what is positive is debit, what is negative credit. The postings of an entry come to nothing, or it is
   not given.
2. An entry of an account is one posting itself: of an invoice in receivables, of the balance in customer balances, which are owed to
   the customer. What stands against it:
   - an invoice: revenue by product, or else by plan; taxes by region; and what credit grants pay, which was prepaid. Revenue is an
     amount less its discounts and the tax that it contains.
   - a void: the same, the other way round.
   - a credit note: revenue and taxes of what was due, by the lines of its invoice; what credit grants paid stays used.
   - a payment, a refund: what was received. A write-off, a recovery: bad debts.
   - balance that pays an invoice, or comes from it: the two entries of it stand against each other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from engine.billing.accounts.account import BALANCE, EntryKind
from engine.catalog.kinds.items.invoice_item import named_item
from engine.errors import MeterlineError

RECEIVABLES: Final = "Assets:Receivables"
RECEIVED: Final = "Assets:Payments"
CUSTOMER_BALANCES: Final = "Liabilities:Customer-Balances"
PREPAID_CREDIT: Final = "Liabilities:Prepaid-Credit"
TAXES: Final = "Liabilities:Taxes"
REVENUE: Final = "Income:Revenue"
COMMITMENTS: Final = "Income:Commitments"
ITEMS: Final = "Income:One-Off-Items"
BAD_DEBTS: Final = "Expenses:Bad-Debts"


class Posting(NamedTuple):
    """`amount_minor`: debit above 0, credit below."""

    account: str
    amount_minor: int


class BilledLine(NamedTuple):
    """A line of an invoice, or what a note gives back of one, in minor units."""

    product: str
    plan_id: str
    amount: int
    discount: int
    credit: int
    included_tax: int
    tax: int


@dataclass(frozen=True, slots=True)
class EnteredAmount:
    """An entry of an account: what is owed more on an invoice, or (`invoice_id` BALANCE) by the balance."""

    kind: EntryKind
    invoice_id: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """`document`, `invoice`: as a statement has them. `number`: its last entry of the account."""

    number: int
    recorded_at_us: int
    kind: EntryKind
    document: str
    invoice: str
    customer_id: str
    currency: str
    reason: str
    postings: Sequence[Posting]


def postings(
    entries: Sequence[EnteredAmount], lines: Iterable[BilledLine], tax_account: str
) -> Sequence[Posting]:
    """Of an entry, or of the two that move balance (rule 2).

    Args:
        entries: one, or two of APPLIED.
        lines: what an invoice billed or a note gives back; nothing for another.
        tax_account: of the customer.

    Raises:
        MeterlineError: they do not balance.
    """
    found: dict[str, int] = {}
    for each in entries:
        own = CUSTOMER_BALANCES if each.invoice_id == BALANCE else RECEIVABLES
        found[own] = found.get(own, 0) + each.amount_minor
    kind = entries[0].kind
    for account, amount in _against(kind, entries[0].amount_minor, lines, tax_account).items():
        found[account] = found.get(account, 0) + amount
    if sum(found.values()):
        raise MeterlineError(f"an entry of the journal ({kind}) does not balance: it is not given; report it")
    return [Posting(account, amount) for account, amount in found.items() if amount]


def _against(
    kind: EntryKind, amount: int, lines: Iterable[BilledLine], tax_account: str
) -> Mapping[str, int]:
    if kind is EntryKind.APPLIED:
        return {}
    if kind in (EntryKind.PAYMENT, EntryKind.REFUND):
        return {RECEIVED: -amount}
    if kind in (EntryKind.WRITE_OFF, EntryKind.RECOVERY):
        return {BAD_DEBTS: -amount}
    is_note = kind in (EntryKind.CREDIT_NOTE, EntryKind.CREDIT_NOTE_VOID)
    sign = -1 if kind in (EntryKind.INVOICE, EntryKind.CREDIT_NOTE_VOID) else 1
    found: dict[str, int] = {}
    for line in lines:
        revenue = line.amount - line.discount - line.included_tax
        parts = {revenue_account(line): revenue, tax_account: line.tax}
        if is_note:
            parts[revenue_account(line)] -= line.credit
        else:
            parts[PREPAID_CREDIT] = -line.credit
        for account, part in parts.items():
            found[account] = found.get(account, 0) + sign * part
    return found


def revenue_account(line: BilledLine) -> str:
    """By product, or else by plan; what a commitment adds has neither. An invoice item has a product, or is one of ITEMS."""
    if not line.product and named_item(line.plan_id) is not None:
        return ITEMS
    name = line.product or line.plan_id
    return f"{REVENUE}:{part_of_name(name)}" if name else COMMITMENTS


def tax_account(region: str) -> str:
    """Of a tax region; empty where the catalog names none for the customer."""
    return f"{TAXES}:{part_of_name(region)}" if region else TAXES


def part_of_name(text: str) -> str:
    """As a part of an account's name in any of the formats: letters, digits and hyphens, with a capital or a digit first."""
    plain = "".join(each if each.isascii() and each.isalnum() else "-" for each in text)
    return plain[:1].upper() + plain[1:] if plain[:1].isalnum() else f"X{plain}"
