"""Payments reported to a running engine over gRPC and HTTP: what they answer, who may ask, and what the audit log says."""

import http.client
import json

import grpc
import pytest

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1 import credit_notes_pb2 as credit_pb
from meterline.v1 import invoices_pb2
from meterline.v1 import receivables_pb2 as pb
from meterline.v1.access_pb2 import CreateApiKeyRequest, ListAuditRecordsRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.credit_notes_pb2_grpc import CreditNoteServiceStub
from meterline.v1.invoices_pb2_grpc import InvoiceServiceStub
from meterline.v1.receivables_pb2_grpc import ReceivablesServiceStub
from tests.support.command_processes import run_command
from tests.support.engine.api_world import refusal

CATALOG = """
plans: [{id: pro, name: Pro, currency: USD, prices: [{id: fee, model: flat, flat_amount: 10}]}]
customers: [{id: acme, name: Acme}, {id: bolt, name: Bolt}, {id: coil, name: Coil}, {id: new, name: New}]
subscriptions:
  - {customer: acme, plan: pro, start: 2025-10-01}
  - {customer: bolt, plan: pro, start: 2025-10-01}
  - {customer: coil, plan: pro, start: 2025-10-01}
"""


class World:
    """A tenant of its own, whose November is closed: INV-000001 of acme, INV-000002 of bolt, INV-000003 of coil, 10.00 each."""

    def __init__(self, target, key):
        self.target, self.key_text = target, key
        self.channel = open_channel(target, api_key=key)
        self.asked = ReceivablesServiceStub(self.channel)
        self.notes = CreditNoteServiceStub(self.channel)

    def close(self):
        CatalogServiceStub(self.channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=60)
        request = invoices_pb2.ClosePeriodsRequest()
        request.period_end_after.FromJsonString("2025-11-01T00:00:00Z")
        request.period_end_until.FromJsonString("2025-12-01T00:00:00Z")
        InvoiceServiceStub(self.channel).ClosePeriods(request, timeout=120)

    def pay(self, payment_id, amount, *invoices, customer="acme", **more):
        request = pb.RecordPaymentRequest(
            payment_id=payment_id,
            customer_id=customer,
            currency="USD",
            amount=amount,
            invoices=invoices,
            **more,
        )
        return self.asked.RecordPayment(request, timeout=60).payment

    def statement(self, customer, **fields):
        request = pb.ListAccountEntriesRequest(customer_id=customer, currency="USD", **fields)
        return self.asked.ListAccountEntries(request, timeout=60)

    def account(self, customer):
        request = pb.GetAccountRequest(customer_id=customer, currency="USD")
        return self.asked.GetAccount(request, timeout=60).account


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """One that speaks HTTP, too."""
    options = ("--http-listen", "127.0.0.1:0")
    with EngineProcess(tmp_path_factory.mktemp("receivables") / "data", *options) as running:
        yield running


@pytest.fixture(scope="module")
def world(engine):
    made = World(engine.target, engine.api_key)
    made.close()
    yield made
    made.channel.close()


def test_what_is_paid_is_on_the_invoice_the_account_and_the_statement(world):
    """4.00 of 10.00, then 8.00: 2.00 are unused. 3.00 go back."""
    first = world.pay("p1", "4.00", "INV-000001", method="card", reference="RF18")
    assert (first.state, first.method, first.reference, list(first.invoices)) == (
        pb.PAYMENT_STATE_SUCCEEDED, "card", "RF18", ["INV-000001"],
    )  # fmt: skip
    assert world.pay("p2", "8").balance == "2.00"
    get = invoices_pb2.GetInvoiceRequest(number="INV-000001")
    invoice = InvoiceServiceStub(world.channel).GetInvoice(get, timeout=60).invoice
    assert (invoice.state, invoice.figures.paid) == (invoices_pb2.INVOICE_STATE_PAID, "10.00")
    back = pb.RecordRefundRequest(refund_id="r1", payment_id="p2", amount="3.00", reason="asked")
    answer = world.asked.RecordRefund(back, timeout=60)
    assert (answer.refund.amount, answer.refund.customer_id, answer.payment.refunded) == (
        "3.00",
        "acme",
        "3.00",
    )
    assert [(each.invoice, each.amount) for each in answer.payment.applied] == [("INV-000001", "5.00")]
    account = world.account("acme")
    assert (account.balance, account.outstanding, account.unused, account.open_invoice_count) == (
        "1.00", "1.00", "0.00", 1,
    )  # fmt: skip
    pages, token = [], ""
    while not pages or token:
        pages.append(world.statement("acme", page_size=3, page_token=token))
        token = pages[-1].next_page_token
    assert {(page.opening_balance, page.closing_balance) for page in pages} == {("0.00", "1.00")}
    assert [(each.document, each.amount, each.balance) for page in pages for each in page.entries] == [
        ("INV-000001", "10.00", "10.00"),
        ("p1", "-4.00", "6.00"),
        ("p2", "-8.00", "-2.00"),
        ("r1", "3.00", "1.00"),
    ]
    listed = world.asked.ListPayments(pb.ListPaymentsRequest(page_size=1), timeout=60)
    assert ([each.payment_id for each in listed.payments], bool(listed.next_page_token)) == (["p2"], True)


def over_http(engine, key, method, body):
    """The status and the answer, from JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", engine.http_port, timeout=60)
    try:
        path, headers = f"/meterline.v1.ReceivablesService/{method}", {"authorization": f"Bearer {key}"}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_a_credit_note_is_created_once_shown_listed_and_void(world):
    """Of the fee of 10.00 first 2.50; another is refused; then all that is left, which is made void."""

    def create(key, **line):
        lines = [credit_pb.CreditedLine(line_number=1, **line)]
        request = credit_pb.CreateCreditNoteRequest(
            number="INV-000003", lines=lines, reason="slow", idempotency_key=key
        )
        return world.notes.CreateCreditNote(request, timeout=60).credit_note

    first = create("a", amount="2.50")
    assert create("a", amount="2.50") == first
    assert (first.number, first.invoice, first.customer_id, first.amounts.due, first.line_count) == (
        "CN-000001", "INV-000003", "coil", "2.50", 1,
    )  # fmt: skip
    assert refusal(lambda: create("a", amount="2.51"))[0] is grpc.StatusCode.ALREADY_EXISTS
    code, line, details = refusal(lambda: create("b", amount="7.51"))
    assert (code, "7.50 USD are left" in line) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    assert [each.field for each in details["BadRequest"].field_violations] == ["lines[0].amount"]
    rest = create("c")
    shown = world.notes.GetCreditNote(credit_pb.GetCreditNoteRequest(number="CN-000002"), timeout=60)
    assert (shown.credit_note, shown.lines[0].amount) == (rest, "7.50")
    assert world.account("coil").balance == "0.00"
    void = credit_pb.VoidCreditNoteRequest(number="CN-000002", reason="wrong")
    assert world.notes.VoidCreditNote(void, timeout=60).credit_note.state == credit_pb.CREDIT_NOTE_STATE_VOID
    assert refusal(lambda: world.notes.VoidCreditNote(void))[0] is grpc.StatusCode.FAILED_PRECONDITION
    assert world.account("coil").balance == "7.50"
    request = credit_pb.ListCreditNotesRequest(invoice="INV-000003", page_size=1)
    page = world.notes.ListCreditNotes(request, timeout=60)
    request.page_token = page.next_page_token
    last = world.notes.ListCreditNotes(request, timeout=60)
    found = [*page.credit_notes, *last.credit_notes]
    assert ([each.number for each in found], last.next_page_token) == (["CN-000002", "CN-000001"], "")
    records = AccessServiceStub(world.channel).ListAuditRecords(ListAuditRecordsRequest(), timeout=60)
    told = [(each.operation.partition(".")[2], each.subject, each.code) for each in records.audit_records]
    assert told[:3] == [
        ("VoidCreditNote", "CN-000002", "FAILED_PRECONDITION"),
        ("VoidCreditNote", "CN-000002", "OK"),
        ("CreateCreditNote", "CN-000002 of INV-000003", "OK"),
    ]


def test_a_customer_without_invoices_owes_nothing_and_nobody_is_not_found(world):
    assert (world.account("new").balance, world.statement("new").closing_balance) == ("0.00", "0.00")
    for ask in (world.account, world.statement):
        assert refusal(lambda ask=ask: ask("nobody"))[0] is grpc.StatusCode.NOT_FOUND


def test_reports_come_over_http_too_and_are_in_the_audit_log(engine, world):
    """A failure, a write-off; another report under an id is a conflict."""

    def post(method, body):
        return over_http(engine, world.key_text, method, body)

    failed = {
        "payment_id": "h1",
        "customer_id": "bolt",
        "currency": "USD",
        "amount": "10.00",
        "reason": "no funds",
    }
    status, answer = post("RecordPaymentFailure", failed)
    assert (status, answer["payment"]["state"]) == (200, "PAYMENT_STATE_FAILED")
    assert post("RecordPaymentFailure", failed | {"amount": "9.00"})[0] == 409
    off = {"number": "INV-000002", "reason": "gone"}
    status, answer = post("WriteOffInvoice", off)
    assert answer["invoice"]["figures"]["written_off"] == "10.00"
    assert post("WriteOffInvoice", off)[0] == 400
    records = AccessServiceStub(world.channel).ListAuditRecords(ListAuditRecordsRequest(), timeout=60)
    told = [(each.operation.partition(".")[2], each.subject, each.code) for each in records.audit_records]
    assert told[:4] == [
        ("WriteOffInvoice", "INV-000002", "FAILED_PRECONDITION"),
        ("WriteOffInvoice", "INV-000002", "OK"),
        ("RecordPaymentFailure", "payment h1", "ALREADY_EXISTS"),
        ("RecordPaymentFailure", "payment h1", "OK"),
    ]
    # Why it was written off is the company's to know.
    made = CreateApiKeyRequest(name="customer's", scopes=["SCOPE_BILL"], customer_id="bolt")
    portal = World(world.target, AccessServiceStub(world.channel).CreateApiKey(made, timeout=60).key_text)
    reasons = [
        [each.reason for each in of.statement("bolt").entries if each.kind == pb.ACCOUNT_ENTRY_KIND_WRITE_OFF]
        for of in (world, portal)
    ]
    assert reasons == [["gone"], [""]]
    portal.channel.close()


def test_the_key_of_a_customer_reads_its_own_account_and_reports_nothing(world):
    request = CreateApiKeyRequest(name="portal", scopes=["SCOPE_BILL"], customer_id="bolt")
    key = AccessServiceStub(world.channel).CreateApiKey(request, timeout=60).key_text
    portal = World(world.target, key)
    assert portal.account("bolt").customer_id == "bolt"
    assert portal.statement("bolt").entries[0].document == "INV-000002"
    own = pb.ListPaymentsRequest(customer_id="bolt")
    assert {each.customer_id for each in portal.asked.ListPayments(own, timeout=60).payments} <= {"bolt"}
    for call in (
        lambda: portal.account("acme"),
        lambda: portal.statement("acme"),
        lambda: portal.asked.ListPayments(pb.ListPaymentsRequest(), timeout=60),
        lambda: portal.pay("x", "1.00", customer="bolt"),
        lambda: portal.notes.ListCreditNotes(credit_pb.ListCreditNotesRequest(), timeout=60),
        lambda: portal.notes.CreateCreditNote(
            credit_pb.CreateCreditNoteRequest(number="INV-000002"), timeout=60
        ),
        lambda: portal.asked.WriteOffInvoice(pb.WriteOffInvoiceRequest(number="INV-000002", reason="x")),
    ):
        assert refusal(call)[0] is grpc.StatusCode.PERMISSION_DENIED
    portal.channel.close()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"payment_id": ""}, "payment_id"),
        ({"payment_id": "a\0b"}, "payment_id"),
        ({"customer_id": ""}, "customer_id"),
        ({"currency": "XXX"}, "currency"),
        ({"amount": "0.00"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "1e3"}, "amount"),
        ({"amount": "1.001"}, "amount"),
        ({"amount": "1" * 20}, "amount"),
        ({"invoices": ["x"] * 101}, "invoices"),
        ({"invoices": [""]}, "invoices[0]"),
        ({"reference": "a\0b"}, "reference"),
    ],
)
def test_a_report_that_says_nothing_clear_is_refused(world, fields, field):
    """By the name of the field."""
    said = {"payment_id": "bad", "customer_id": "acme", "currency": "USD", "amount": "1.00"} | fields
    code, _, details = refusal(lambda: world.asked.RecordPayment(pb.RecordPaymentRequest(**said), timeout=60))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert [each.field for each in details["BadRequest"].field_violations] == [field]


@pytest.mark.parametrize(
    ("name", "words", "begins"),
    [
        ("books.beancount", (), "1970-01-01 open "),
        ("books.journal", (), "2"),
        ("books.csv", (), "recorded_at,"),
        ("books.beancount", ("--format", "json"), "{"),
    ],
)
def test_the_journal_has_the_form_that_its_file_is_named_for(world, tmp_path, name, words, begins):
    """Unless another is asked for."""
    file = tmp_path / name
    done = run_command(
        "journal", "-o", file, *words, "--target", world.target, env={"METERLINE_API_KEY": world.key_text}
    )
    assert done.returncode == 0, done.stderr
    assert file.read_text(encoding="utf-8").startswith(begins)
