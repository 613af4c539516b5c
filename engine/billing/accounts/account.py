"""One account: a customer's invoices in one currency, its payments, its balance. What is done to it becomes entries. Pure.

Rules:
1. An entry changes what is outstanding of one invoice, or the balance (INVOICE_ID ''), by an amount in minor units. Entries are only
   added: every sum below is a sum of them. Of each kind of entry but APPLIED the amount is what the customer owes more or less;
   entries of APPLIED come in pairs that add up to nothing: money moves between the balance and an invoice.
2. What is outstanding of an invoice is never negative, and the balance never positive: what is too much is balance.
3. Money is known by its payment wherever it lies (a lot), so that what a payment paid, and what is left of it, are sums too. Credit
   that no payment gave, of an invoice or a credit note that gives back, is the lot ''.
4. Balance never lies beside open invoices: what is there pays what is open, the invoice that is due first before others, and the
   lower number first of two that are due at once; credit before money, money in the order in which it came.
5. Money that a payment names invoices for pays these first, in their order, also one that is uncollectible: what is paid of that is
   no longer written off.
6. A refund takes the payment's own money: what lies in the balance, then what it paid of the newest invoices.
7. A void or a credit of what is paid makes balance of it, what was paid last first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from engine.billing.accounts.invoice_states import (
    InvoiceAction,
    InvoiceState,
    check_allowed,
    check_led,
    state_of,
)
from engine.errors import InvoiceStateError, MeterlineError

BALANCE = ""
CREDIT = ""


class EntryKind(StrEnum):
    """Why an entry is there."""

    INVOICE = "invoice"
    VOID = "void"
    CREDIT_NOTE = "credit_note"
    CREDIT_NOTE_VOID = "credit_note_void"
    PAYMENT = "payment"
    REFUND = "refund"
    WRITE_OFF = "write_off"
    RECOVERY = "recovery"
    """What was written off is owed after all, since it is paid or credited, or its invoice is void."""
    APPLIED = "applied"


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """`payment_id`: whose money; `document_id`: the refund or credit note that made it."""

    invoice_id: str
    kind: EntryKind
    amount_minor: int
    payment_id: str = ""
    document_id: str = ""
    reason: str = ""


@dataclass(slots=True)
class AccountInvoice:
    """One invoice of an account. All amounts are in minor units; `due_minor` is negative where it gives back.

    applied: lot -> what it pays, the last one that paid at the end. Negative, of an invoice that gives back.
    """

    invoice_id: str
    number: int
    name: str
    state: InvoiceState
    due_at_us: int
    due_minor: int
    credited_minor: int = 0
    written_off_minor: int = 0
    voided_minor: int = 0
    applied: dict[str, int] = field(default_factory=dict)

    @property
    def paid_minor(self) -> int:
        return sum(self.applied.values())

    @property
    def outstanding_minor(self) -> int:
        settled = self.credited_minor + self.written_off_minor + self.voided_minor + self.paid_minor
        return self.due_minor - settled

    @property
    def is_open(self) -> bool:
        return self.state in (InvoiceState.ISSUED, InvoiceState.PARTLY_PAID)


class Account:
    """`entries`: those that are new; `touched`: invoices whose sums changed, with the states that they had."""

    def __init__(self, invoices: Iterable[AccountInvoice], lots: Mapping[str, int]) -> None:
        """`lots`: what lies in the balance of each, none negative, in the order in which they came; also those that are used up."""
        self.invoices = {each.invoice_id: each for each in invoices}
        self.lots = dict(lots)
        self.entries: list[AccountEntry] = []
        self.touched: dict[str, InvoiceState] = {}

    @property
    def balance_minor(self) -> int:
        """What no invoice has used; not negative."""
        return sum(self.lots.values())

    def issued(self, invoice_id: str) -> None:
        """An invoice that is there already with its entry: one that gives back makes balance."""
        invoice = self.invoices[invoice_id]
        if invoice.due_minor < 0:
            self._move(invoice, CREDIT, invoice.due_minor)
        self.settle()

    def pay(self, payment_id: str, amount_minor: int, invoice_ids: Sequence[str]) -> None:
        """Money has come in; rule 5."""
        self._enter(AccountEntry(BALANCE, EntryKind.PAYMENT, -amount_minor, payment_id))
        self._add_to_lot(payment_id, amount_minor)
        for invoice_id in invoice_ids:
            invoice = self.invoices[invoice_id]
            if invoice.state is not InvoiceState.VOID:
                # What is outstanding of it comes first: a refund may have opened again what is partly written off.
                missing = self.lots[payment_id] - invoice.outstanding_minor
                self._recover(invoice, max(0, min(missing, invoice.written_off_minor)))
            self._pay_from(invoice, payment_id)
        self.settle()

    def refund(self, payment_id: str, refund_id: str, amount_minor: int, reason: str) -> None:
        """Money goes back; rule 6. The payment has so much left."""
        self._free(payment_id, amount_minor)
        self._add_to_lot(payment_id, -amount_minor)
        self._enter(AccountEntry(BALANCE, EntryKind.REFUND, amount_minor, payment_id, refund_id, reason))
        self.settle()

    def write_off(self, invoice_id: str, reason: str) -> None:
        """Raises InvoiceStateError where nothing is outstanding."""
        invoice = self.invoices[invoice_id]
        check_allowed(invoice.state, InvoiceAction.WRITE_OFF, invoice.name)
        amount = invoice.outstanding_minor
        invoice.written_off_minor += amount
        self._enter(AccountEntry(invoice_id, EntryKind.WRITE_OFF, -amount, reason=reason))
        self._led(invoice, InvoiceAction.WRITE_OFF)

    def void(self, invoice_id: str, reason: str) -> None:
        """It was never owed. Raises InvoiceStateError where it is void already, or credit notes of it stand."""
        invoice = self.invoices[invoice_id]
        check_allowed(invoice.state, InvoiceAction.VOID, invoice.name)
        if invoice.credited_minor:
            raise InvoiceStateError(f"{invoice.name} has credit notes: make these void first")
        if invoice.due_minor < 0:
            # What it gave is taken from where it is now.
            self._free(CREDIT, -invoice.due_minor)
            self._move(invoice, CREDIT, -invoice.due_minor)
        else:
            self._take_back(invoice, invoice.paid_minor)
        self._recover(invoice, invoice.written_off_minor)
        amount = invoice.outstanding_minor
        invoice.voided_minor += amount
        self._enter(AccountEntry(invoice_id, EntryKind.VOID, -amount, reason=reason))
        self._led(invoice, InvoiceAction.VOID)
        self.settle()

    def credit(self, invoice_id: str, credit_note_id: str, amount_minor: int, reason: str) -> None:
        """A credit note of so much, which is not more than the invoice comes to without earlier ones."""
        invoice = self.invoices[invoice_id]
        check_allowed(invoice.state, InvoiceAction.CREDIT, invoice.name)
        missing = amount_minor - invoice.outstanding_minor
        if missing > 0:
            self._recover(invoice, min(missing, invoice.written_off_minor))
            self._take_back(invoice, amount_minor - invoice.outstanding_minor)
        invoice.credited_minor += amount_minor
        self._enter(
            AccountEntry(
                invoice_id,
                EntryKind.CREDIT_NOTE,
                -amount_minor,
                document_id=credit_note_id,
                reason=reason,
            )
        )
        self._led(invoice, InvoiceAction.CREDIT)
        self.settle()

    def uncredit(self, invoice_id: str, credit_note_id: str, amount_minor: int, reason: str) -> None:
        """A credit note of so much is void."""
        invoice = self.invoices[invoice_id]
        check_allowed(invoice.state, InvoiceAction.UNCREDIT, invoice.name)
        invoice.credited_minor -= amount_minor
        self._enter(
            AccountEntry(
                invoice_id,
                EntryKind.CREDIT_NOTE_VOID,
                amount_minor,
                document_id=credit_note_id,
                reason=reason,
            )
        )
        self._led(invoice, InvoiceAction.UNCREDIT)
        self.settle()

    def settle(self) -> None:
        """Rule 4."""
        if not self.balance_minor:
            return
        for invoice in sorted(
            (each for each in self.invoices.values() if each.is_open),
            key=lambda each: (each.due_at_us, each.number),
        ):
            # The lot '' is the first of all.
            for lot in sorted(self.lots, key=bool):
                self._pay_from(invoice, lot)

    def _pay_from(self, invoice: AccountInvoice, lot: str) -> None:
        amount = min(self.lots.get(lot, 0), invoice.outstanding_minor)
        if amount > 0 and invoice.state is not InvoiceState.VOID:
            self._move(invoice, lot, amount)
            self._led(invoice, InvoiceAction.PAY)

    def _take_back(self, invoice: AccountInvoice, amount: int) -> None:
        """So much of what is paid becomes balance, what was paid last first. The state is the caller's to say."""
        for lot in reversed(list(invoice.applied)):
            part = min(amount, invoice.applied[lot])
            if part > 0:
                self._move(invoice, lot, -part)
                amount -= part
        if amount:
            raise MeterlineError(f"{invoice.name} has not so much to give back: nothing was changed")

    def _free(self, lot: str, amount: int) -> None:
        """So much of a lot lies in the balance afterwards: what it paid last is taken back, the newest invoice first."""
        for invoice in sorted(self.invoices.values(), key=lambda each: -each.number):
            missing = amount - self.lots.get(lot, 0)
            if missing <= 0:
                return
            part = min(missing, invoice.applied.get(lot, 0))
            if part > 0:
                self._move(invoice, lot, -part)
                self._led(invoice, InvoiceAction.TAKE_BACK)
        if self.lots.get(lot, 0) < amount:
            raise MeterlineError("there is less of this money than is to go back: nothing was changed")

    def _recover(self, invoice: AccountInvoice, amount: int) -> None:
        """So much is no longer written off. The state is the caller's to say."""
        if amount > 0:
            self._touch(invoice)
            invoice.written_off_minor -= amount
            self._enter(AccountEntry(invoice.invoice_id, EntryKind.RECOVERY, amount))

    def _move(self, invoice: AccountInvoice, lot: str, amount: int) -> None:
        """From the balance to the invoice; negative: back."""
        self._touch(invoice)
        self._add_to_lot(lot, -amount)
        paid = invoice.applied.pop(lot, 0) + amount
        if paid:
            invoice.applied[lot] = paid
        self._enter(AccountEntry(BALANCE, EntryKind.APPLIED, amount, lot))
        self._enter(AccountEntry(invoice.invoice_id, EntryKind.APPLIED, -amount, lot))

    def _add_to_lot(self, lot: str, amount: int) -> None:
        left = self.lots.get(lot, 0) + amount
        if left < 0:
            raise MeterlineError("a balance would be used twice: nothing was changed; report it")
        self.lots[lot] = left

    def _enter(self, entry: AccountEntry) -> None:
        self.entries.append(entry)

    def _touch(self, invoice: AccountInvoice) -> None:
        self.touched.setdefault(invoice.invoice_id, invoice.state)

    def _led(self, invoice: AccountInvoice, action: InvoiceAction) -> None:
        """The invoice's state after an action, which is in the table."""
        self._touch(invoice)
        after = (
            InvoiceState.VOID
            if action is InvoiceAction.VOID
            else state_of(invoice.outstanding_minor, invoice.paid_minor, invoice.written_off_minor)
        )
        if invoice.outstanding_minor < 0:
            raise MeterlineError(f"{invoice.name} would owe less than nothing: nothing was changed")
        check_led(invoice.state, action, after, invoice.name)
        invoice.state = after
