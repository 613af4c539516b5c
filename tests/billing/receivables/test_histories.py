"""Any history of an account, in a real database, beside a slow ledger: the statement adds up, and all documents come to the balance."""

import random

from engine.billing.accounts.account import EntryKind
from engine.errors import InvalidRequestError, InvoiceStateError
from tests.support.accounts_world import AccountsWorld, account_key, number_of
from tests.support.credit_note_cases import random_line

CUSTOMER = "acme"
_STEPS = 110


class History:
    """What happened, as documents: their amounts, and nothing of which paid what."""

    def __init__(self, world, rng):
        self.world, self.rng = world, rng
        self.billed, self.lines, self.notes = {}, {}, {}
        self.void, self.paid, self.back, self.lost = set(), {}, {}, 0

    def owed(self):
        """Of all documents, without what is written off."""
        billed = sum(minor for name, minor in self.billed.items() if name not in self.void)
        credited = sum(minor for minor, note in self.notes.values() if not note.is_void)
        return billed - credited - sum(self.paid.values()) + sum(self.back.values())

    def step(self, number):
        names = [each for each in self.billed if each not in self.void]
        action = self.rng.choice(
            ["bill", "bill", "pay", "pay", "refund", "write off", "void", "credit", "credit", "uncredit"]
        )
        if action == "bill":
            self.bill()
        elif action == "pay":
            named = self.rng.sample(names, min(len(names), self.rng.randrange(3)))
            self.paid[f"p{number}"] = amount = self.rng.choice([1, 500, 1_000, 4_000])
            for _ in range(self.rng.choice([1, 1, 2])):
                self.world.pay(f"p{number}", CUSTOMER, amount, *named)
        elif action == "refund" and self.paid:
            self.refund(f"r{number}")
        elif action == "uncredit":
            self.uncredit()
        elif names:
            self.on_invoice(action, self.rng.choice(names), number)

    def bill(self):
        """Of some lines, one of which may give something back."""
        lines = {place: random_line(self.rng) for place in range(1, self.rng.choice([2, 3, 4]))}
        lines = {place: each for place, each in lines.items() if each.amount < 10**6} or {
            1: random_small(self.rng)
        }
        due = sum(each.due for each in lines.values())
        name = self.world.issue(CUSTOMER, f"{due // 100}.{due % 100:02}", self.rng.randrange(1, 5))
        self.billed[name], self.lines[name] = due, lines

    def refund(self, refund_id):
        payment = self.rng.choice(list(self.paid))
        amount = self.rng.choice([1, 300, self.paid[payment]])
        if amount > self.paid[payment] - self.back.get(payment, 0):
            try:
                self.world.refund(refund_id, payment, amount)
            except InvalidRequestError:
                return
            raise AssertionError("more went back than was paid")
        self.world.refund(refund_id, payment, amount)
        self.back[payment] = self.back.get(payment, 0) + amount

    def uncredit(self):
        standing = [each for each, (_, note) in self.notes.items() if not note.is_void]
        if standing:
            number = self.rng.choice(standing)
            minor, note = self.notes[number]
            self.notes[number] = (minor, self.world.uncredit(note))

    def on_invoice(self, action, name, number):
        try:
            if action == "void":
                self.world.void(name)
                self.void.add(name)
            elif action == "write off":
                self.world.write_off(name)
            elif action == "credit":
                place, own = self.rng.choice(list(self.lines[name].items()))
                amount = self.rng.choice([None, 1, max(1, own.amount // 3)])
                asked = self.rng.choice([[], [(place, amount)]])
                note = self.world.credit(f"c{number}", name, self.lines[name], *asked)
                self.notes[note.number] = (int(note.sums["due"] * 100), note)
        except (InvoiceStateError, InvalidRequestError):
            # What can't be done is refused, and changes nothing: it is not in this ledger.
            return


def random_small(rng):
    while (found := random_line(rng)).amount >= 10**6:
        pass
    return found


def check(history):
    world = history.world
    summary = world.statements.summary(account_key(CUSTOMER), world.now_us)
    if summary is None:
        assert not history.billed
        assert not history.paid
        return
    assert summary.balance_minor + summary.written_off_minor == history.owed()
    count = history.rng.choice([3, 1_000])
    pages = world.statement(CUSTOMER, count=count)
    entries = [each for page in pages for each in page.entries]
    balance = 0
    for entry in entries:
        balance += entry.amount_minor
        assert entry.balance_minor == balance
    assert {(page.opening_minor, page.closing_minor) for page in pages} == {(0, summary.balance_minor)}
    # Each document is there once.
    of_kind = [(each.kind, each.document) for each in entries]
    assert of_kind.count((EntryKind.INVOICE, next(iter(history.billed), ""))) == bool(history.billed)
    assert sum(kind is EntryKind.PAYMENT for kind, _ in of_kind) == len(history.paid)
    assert sum(kind is EntryKind.CREDIT_NOTE for kind, _ in of_kind) == len(history.notes)
    assert {document for kind, document in of_kind if kind is EntryKind.VOID} == history.void


def test_whatever_is_reported_the_statement_adds_up_to_the_documents(seed, tmp_path):
    """Invoices, payments that are repeated, refunds, notes, voids and write-offs in any order; numbers have no gaps."""
    world = AccountsWorld(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
    history = History(world, random.Random(seed))
    for number in range(_STEPS):
        history.step(number)
        if number % 5 == 0 or number == _STEPS - 1:
            check(history)
    assert history.notes
    assert sorted(history.notes) == list(range(1, len(history.notes) + 1))
    assert sorted(map(number_of, history.billed)) == list(range(1, len(history.billed) + 1))
    world.database.close()
