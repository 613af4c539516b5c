"""Accounts in a real catalog database, with invoices that are issued as a close issues them, and a clock that the test sets."""

import itertools
import json
from decimal import Decimal

from sqlalchemy import select

from engine.billing.accounts.account_store import AccountKey, load
from engine.billing.accounts.invoice_states import InvoiceState
from engine.billing.closing.invoice import SUMS, Invoice, InvoiceKey
from engine.billing.closing.invoice_store import InvoiceStore
from engine.billing.receivables.credit_note import AskedLine, CreditNoteRequest
from engine.billing.receivables.credit_note_store import CreditableLines, CreditNoteStore
from engine.billing.receivables.payment import PaymentReport, PaymentState, RefundReport
from engine.billing.receivables.payment_store import PaymentStore
from engine.billing.receivables.statement import Statements
from engine.billing.receivables.write_offs import write_off
from engine.sql.database import open_database
from engine.sql.schema import OUTBOX

TENANT = "t1"
_NUMBERS = itertools.count(1)


def account_key(customer, currency="USD"):
    return AccountKey(TENANT, customer, currency)


class AccountsWorld:
    """`url`: of the catalog's database. Everybody is a customer but "nobody"."""

    def __init__(self, url):
        self.database = open_database(url)
        self.invoices = InvoiceStore(self.database)
        self.payments = PaymentStore(self.database, lambda _tenant, customer: customer != "nobody")
        self.statements = Statements(self.database)
        self.notes = CreditNoteStore(self.database)
        self.now_us = 1_000_000

    def issue(self, customer, due, due_at_us=10**15, line_count=0):
        """An invoice of so much, "12.00"; its number as people know it."""
        start = next(_NUMBERS)
        sums = dict.fromkeys(SUMS, Decimal(0)) | {"amount": Decimal(due), "due": Decimal(due)}
        made = Invoice(
            TENANT, f"{start:032x}", 0,
            InvoiceState.ISSUED if Decimal(due) > 0 else InvoiceState.PAID,
            InvoiceKey(customer, "USD", start, start + 1), "c", 1, 1, self.now_us, line_count, sums, 30, due_at_us, "{}",
        )  # fmt: skip
        version = self.invoices.version(TENANT)
        (issued,) = self.invoices.issue(TENANT, version, [made], self.tick())
        return issued.name

    def tick(self):
        """A moment later."""
        self.now_us += 1_000_000
        return self.now_us

    def pay(self, payment_id, customer, minor, *invoices, **more):
        report = PaymentReport(account_key(customer), payment_id, minor, invoices, **more)
        return self.payments.record(report, self.tick())

    def fail(self, payment_id, customer, minor, *invoices, reason="no funds"):
        failed = {"state": PaymentState.FAILED, "failure_reason": reason}
        return self.pay(payment_id, customer, minor, *invoices, **failed)

    def refund(self, refund_id, payment_id, minor, reason="asked"):
        return self.payments.refund(RefundReport(TENANT, refund_id, payment_id, minor, reason), self.tick())

    def void(self, name):
        return self.invoices.void(TENANT, "", number_of(name), "wrong", self.tick())

    def write_off(self, name):
        return write_off(self.database, TENANT, "", number_of(name), "gone", self.tick())

    def credit(self, key, name, booked, *lines):
        """A credit note. `booked`: the amounts of the invoice's lines, by number; `lines`: (number, minor units or None); none for all."""
        invoice_id = self.invoices.invoice(TENANT, number=number_of(name)).invoice_id
        asked = [AskedLine(*each) for each in lines]
        request = CreditNoteRequest(TENANT, key, invoice_id, asked, "goodwill")
        return self.notes.create(request, lambda: CreditableLines(booked, frozenset()), self.tick())

    def uncredit(self, note):
        return self.notes.void(TENANT, note.credit_note_id, 0, "wrong", self.tick())

    def account(self, customer):
        with self.database.reading() as connection:
            return load(connection, account_key(customer))

    def states(self, customer):
        """Number -> state and what is outstanding, in minor units."""
        found = self.account(customer).invoices.values()
        return {each.name: (str(each.state), each.outstanding_minor) for each in found}

    def statement(self, customer, span=(None, None), count=1_000):
        """The pages of a statement."""
        found = [self.statements.page(account_key(customer), span, None, count)]
        while found[-1].has_more:
            place = found[-1].place_behind()
            found.append(self.statements.page(account_key(customer), span, place, count))
        return found

    def told(self, kind="payment"):
        """(type, payload) of the facts about such objects, in order."""
        with self.database.reading() as connection:
            rows = connection.execute(
                select(OUTBOX).where(OUTBOX.c.object_kind == kind).order_by(OUTBOX.c.number)
            ).all()
        return [(row.fact_type, json.loads(row.payload)) for row in rows]


def number_of(name):
    return int(name.partition("-")[2])
