"""An account beside a slow ledger: whatever happens to invoices and money, the entries add up, and nothing is used twice.

The ledger knows operations alone (what was billed, paid, sent back, credited, written off), never which invoice was paid by what.
"""

import random

import pytest

from engine.billing.accounts.account import BALANCE, Account, AccountInvoice, EntryKind
from engine.billing.accounts.invoice_states import InvoiceState, state_of
from engine.errors import InvoiceStateError

OPEN = (InvoiceState.ISSUED, InvoiceState.PARTLY_PAID)


class Ledger:
    """What was said to the account, and nothing else."""

    def __init__(self):
        self.billed, self.paid, self.back, self.credited, self.voided, self.lost = (
            {},
            {},
            {},
            {},
            set(),
            set(),
        )

    def owed(self):
        """What the customer owes in all, without what is written off."""
        billed = sum(
            due - self.credited.get(each, 0) for each, due in self.billed.items() if each not in self.voided
        )
        return billed - sum(self.paid.values()) + sum(self.back.values())


def new_invoice(number, due, due_at_us=0):
    state = state_of(max(0, due), 0, 0)
    return AccountInvoice(f"i{number}", number, f"INV-{number:06d}", state, due_at_us, due)


def billed(account, ledger, number, due, due_at_us=0):
    account.invoices[f"i{number}"] = new_invoice(number, due, due_at_us)
    ledger.billed[f"i{number}"] = due
    account.issued(f"i{number}")


def acted(account, ledger, rng, step):
    """One thing that may happen; what can't be done is refused, and changes nothing."""
    names = [each for each in ledger.billed if each not in ledger.voided]
    action = rng.choice(
        ["bill", "bill", "pay", "pay", "pay named", "refund", "write off", "void", "credit", "uncredit"]
    )
    if action == "bill":
        billed(account, ledger, step, rng.choice([0, -700, 1, 1000, 2500, 999]), rng.randrange(5))
    elif action.startswith("pay"):
        ledger.paid[f"p{step}"] = amount = rng.choice([1, 400, 1000, 5000])
        named = rng.sample(names, min(len(names), 2)) if action == "pay named" else []
        account.pay(f"p{step}", amount, named)
    elif action == "refund" and ledger.paid:
        payment = rng.choice(list(ledger.paid))
        left = ledger.paid[payment] - ledger.back.get(payment, 0)
        if left:
            amount = rng.choice([left, 1, (left + 1) // 2])
            account.refund(payment, f"r{step}", amount, "")
            ledger.back[payment] = ledger.back.get(payment, 0) + amount
    elif names:
        on_invoice(account, ledger, action, rng.choice(names), rng, step)


def on_invoice(account, ledger, action, name, rng, step):
    left = ledger.billed[name] - ledger.credited.get(name, 0)
    if action == "write off":
        try:
            account.write_off(name, "gone")
        except InvoiceStateError:
            assert account.invoices[name].state not in OPEN
        else:
            ledger.lost.add(name)
    elif action == "void":
        if ledger.credited.get(name):
            with pytest.raises(InvoiceStateError, match="make these void first"):
                account.void(name, "wrong")
        else:
            account.void(name, "wrong")
            ledger.voided.add(name)
    elif action == "credit" and left > 0:
        amount = rng.choice([left, 1, (left + 1) // 2])
        account.credit(name, f"c{step}", amount, "sorry")
        ledger.credited[name] = ledger.credited.get(name, 0) + amount
    elif action == "uncredit" and ledger.credited.get(name):
        account.uncredit(name, "c", ledger.credited.pop(name), "wrong")


def check(account, ledger):
    owed = sum(each.outstanding_minor for each in account.invoices.values()) - account.balance_minor
    lost = sum(each.written_off_minor for each in account.invoices.values())
    assert owed + lost == ledger.owed()
    assert all(
        each.written_off_minor == 0 for name, each in account.invoices.items() if name not in ledger.lost
    )
    assert all(each >= 0 for each in account.lots.values())
    has_open = False
    for invoice in account.invoices.values():
        assert invoice.outstanding_minor >= 0
        if invoice.state is not InvoiceState.VOID:
            figures = (invoice.outstanding_minor, invoice.paid_minor, invoice.written_off_minor)
            assert invoice.state is state_of(*figures)
        has_open |= invoice.state in OPEN
    assert not (has_open and account.balance_minor)
    for payment, amount in ledger.paid.items():
        used = sum(each.applied.get(payment, 0) for each in account.invoices.values())
        assert account.lots[payment] + used == amount - ledger.back.get(payment, 0)


def check_entries(account, ledger):
    """Added up anew: what is outstanding of each invoice, and the balance."""
    sums = dict(ledger.billed)
    for entry in account.entries:
        sums[entry.invoice_id] = sums.get(entry.invoice_id, 0) + entry.amount_minor
    assert -sums.pop(BALANCE, 0) == account.balance_minor
    assert sums == {name: each.outstanding_minor for name, each in account.invoices.items()}
    assert sum(each.amount_minor for each in account.entries if each.kind is EntryKind.APPLIED) == 0


def test_whatever_happens_the_account_adds_up(seed):
    for history in range(150):
        rng, account, ledger = random.Random(f"{seed} {history}"), Account([], {}), Ledger()
        for step in range(1, 60):
            acted(account, ledger, rng, step)
            check(account, ledger)
        check_entries(account, ledger)


def of(*dues):
    account, ledger = Account([], {}), Ledger()
    for number, (due, due_at_us) in enumerate(dues, start=1):
        billed(account, ledger, number, due, due_at_us)
    return account


def states(account):
    return [str(each.state) for each in account.invoices.values()]


def test_money_without_a_name_pays_what_is_due_first():
    account = of((1000, 9), (1000, 5))
    account.pay("p", 1500, [])
    assert states(account) == ["partly_paid", "paid"]


def test_what_is_too_much_is_balance_and_pays_the_next_invoice():
    """1,500 for 1,000; the next is 700: 200 of it are open."""
    account = of((1000, 0))
    account.pay("p", 1500, ["i1"])
    assert account.balance_minor == 500
    account.invoices["i2"] = new_invoice(2, 700)
    account.issued("i2")
    assert (account.balance_minor, account.invoices["i2"].outstanding_minor) == (0, 200)


def test_a_void_invoice_gives_back_what_was_paid_of_it_once():
    account = of((1000, 0))
    account.pay("p", 1000, ["i1"])
    account.void("i1", "wrong")
    assert (states(account), account.balance_minor) == (["void"], 1000)
    with pytest.raises(InvoiceStateError):
        account.void("i1", "again")


def test_what_is_written_off_may_be_paid_after_all():
    """Half of it first: it stays uncollectible; then the rest."""
    account = of((1000, 0))
    account.write_off("i1", "gone")
    account.pay("p", 400, ["i1"])
    invoice = account.invoices["i1"]
    assert (states(account), invoice.written_off_minor, invoice.paid_minor) == (["uncollectible"], 600, 400)
    account.pay("q", 600, ["i1"])
    assert (states(account), invoice.written_off_minor) == (["paid"], 0)


def test_a_payment_pays_all_of_what_a_refund_has_opened_again():
    """100, of which 40 were paid and 60 written off; the 40 go back; 100 that name it pay what is open and what was given up."""
    account = of((100, 0))
    account.pay("p1", 40, [])
    account.write_off("i1", "gone")
    account.refund("p1", "r1", 40, "asked for")
    account.pay("p2", 100, ["i1"])
    invoice = account.invoices["i1"]
    assert (invoice.state, invoice.written_off_minor, invoice.outstanding_minor) == (InvoiceState.PAID, 0, 0)
    assert account.balance_minor == 0


def test_a_refund_opens_what_its_money_paid():
    account = of((1000, 0), (500, 1))
    account.pay("p", 1500, [])
    account.refund("p", "r", 700, "asked")
    assert [each.outstanding_minor for each in account.invoices.values()] == [200, 500]


def test_what_an_invoice_gives_back_is_taken_from_who_used_it_when_it_is_void():
    """-300 pays 300 of the other's 1,000."""
    account = of((-300, 0), (1000, 0))
    assert account.invoices["i2"].outstanding_minor == 700
    account.void("i1", "wrong")
    assert (account.invoices["i2"].outstanding_minor, account.balance_minor) == (1000, 0)
