"""A customer of whom every store of money has something: closed and paid usage, a credit note, a reservation, an alert that
was crossed, an endpoint that hears of it. And the bytes of all that an engine answers about it.
"""

import time

from google.protobuf.timestamp_pb2 import Timestamp

from meterline.v1.alerts_pb2 import ListAlertCrossingsRequest
from meterline.v1.alerts_pb2_grpc import AlertServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.credit_notes_pb2 import (
    CreateCreditNoteRequest,
    CreditedLine,
    GetCreditNoteDocumentRequest,
    ListCreditNotesRequest,
)
from meterline.v1.credit_notes_pb2_grpc import CreditNoteServiceStub
from meterline.v1.entitlements_pb2 import ListReservationsRequest, ReserveUsageRequest
from meterline.v1.entitlements_pb2_grpc import EntitlementServiceStub
from meterline.v1.explanations_pb2 import ExplainLineItemRequest
from meterline.v1.explanations_pb2_grpc import ExplanationServiceStub
from meterline.v1.invoice_items_pb2 import ListInvoiceItemsRequest
from meterline.v1.invoice_items_pb2_grpc import InvoiceItemServiceStub
from meterline.v1.invoices_pb2 import (
    ClosePeriodsRequest,
    GetInvoiceDocumentRequest,
    ListInvoiceLinesRequest,
    ListInvoicesRequest,
)
from meterline.v1.invoices_pb2_grpc import InvoiceServiceStub
from meterline.v1.journal_pb2 import ListJournalEntriesRequest
from meterline.v1.journal_pb2_grpc import JournalServiceStub
from meterline.v1.receivables_pb2 import (
    GetAccountRequest,
    ListAccountEntriesRequest,
    ListPaymentsRequest,
    RecordPaymentRequest,
)
from meterline.v1.receivables_pb2_grpc import ReceivablesServiceStub
from meterline.v1.usage_pb2 import PropertyValue, UsageEvent
from meterline.v1.webhooks_pb2 import CreateWebhookEndpointRequest, ListWebhookEndpointsRequest
from meterline.v1.webhooks_pb2_grpc import WebhookServiceStub
from tests.support.engine.api_world import record

CUSTOMER = "payer"
_APRIL, _MAY = 1_743_465_600, 1_746_057_600  # the first of the month of 2025, 00:00 UTC
_PERIOD = {"period_end_after": Timestamp(seconds=_APRIL), "period_end_until": Timestamp(seconds=_MAY)}
EVENTS = {"april": (500, _APRIL + 86_400), "may": (300, _MAY + 86_400)}  # how many pages, and when
_CATALOG = """
meters: [{id: pages, event_type: print, aggregation: sum, value: pages}]
plans:
  - id: printing
    name: Printing
    currency: USD
    prices: [{id: pages, meter: pages, model: per_unit, unit_amount: 0.05}, {id: base, model: flat, flat_amount: 10}]
    limits: [{id: pages, meter: pages, quantity: 1000000}]
customers: [{id: payer, name: Payer}]
subscriptions: [{customer: payer, plan: printing, start: 2025-04-01}]
invoice_items:
  - {id: binding, customer: payer, description: Binding, currency: USD, amount: 7, service_start: 2025-05-02, period_start: 2025-05-01, period_end: 2025-06-01}
alerts: [{id: many-pages, name: Many pages, measure: usage, meter: pages, customer: payer, thresholds: [100]}]
"""


def bill(channel):
    """500 pages of April come to 25.00, with the base 35.00: closed, 20.00 paid, 5.00 of the pages credited; 300 of May.

    Returns when the alert's crossing is told.
    """
    CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=_CATALOG), timeout=60)
    record(channel, *(_pages(event_id, *each) for event_id, each in EVENTS.items()))
    WebhookServiceStub(channel).CreateWebhookEndpoint(
        CreateWebhookEndpointRequest(url="https://hooks.example.com/billed", event_types=["payment.*"]),
        timeout=60,
    )
    closed = InvoiceServiceStub(channel).ClosePeriods(ClosePeriodsRequest(**_PERIOD), timeout=60)
    (invoice,) = (each for each in closed.issued if each.customer_id == CUSTOMER)
    if invoice.amounts.due != "35.00":
        raise ValueError(f"the invoice of {CUSTOMER} comes to {invoice.amounts.due}")
    ReceivablesServiceStub(channel).RecordPayment(
        RecordPaymentRequest(payment_id="p1", customer_id=CUSTOMER, currency="USD", amount="20.00"),
        timeout=60,
    )
    CreditNoteServiceStub(channel).CreateCreditNote(
        CreateCreditNoteRequest(
            number=invoice.number,
            lines=[CreditedLine(line_number=_line_of_pages(channel, invoice), amount="5.00")],
            reason="a torn page",
            idempotency_key="n1",
        ),
        timeout=60,
    )
    EntitlementServiceStub(channel).ReserveUsage(
        ReserveUsageRequest(
            reservation_id="r1", customer_id=CUSTOMER, limit="pages", quantity="50", ttl_s=86_400
        ),
        timeout=60,
    )
    deadline_s = time.monotonic() + 60
    while not _crossings(channel).alert_crossings:
        if time.monotonic() > deadline_s:
            raise TimeoutError("no crossing of the alert was told")
        time.sleep(0.1)


def answers(channel):
    """What the engine says of the customer, by what was asked: bytes that a copy of the engine says too."""
    invoices, receivables = InvoiceServiceStub(channel), ReceivablesServiceStub(channel)
    listed = invoices.ListInvoices(ListInvoicesRequest(customer_id=CUSTOMER), timeout=60)
    (invoice,) = listed.invoices
    asked = {"customer_id": CUSTOMER, "currency": "USD"}
    journal = ListJournalEntriesRequest(recorded_before=Timestamp(seconds=4_000_000_000))
    said = {
        "invoices": listed,
        "lines": invoices.ListInvoiceLines(ListInvoiceLinesRequest(number=invoice.number), timeout=60),
        "document": invoices.GetInvoiceDocument(GetInvoiceDocumentRequest(number=invoice.number), timeout=60),
        "account": receivables.GetAccount(GetAccountRequest(**asked), timeout=60),
        "entries": receivables.ListAccountEntries(ListAccountEntriesRequest(**asked), timeout=60),
        "payments": receivables.ListPayments(ListPaymentsRequest(customer_id=CUSTOMER), timeout=60),
        "items": InvoiceItemServiceStub(channel).ListInvoiceItems(
            ListInvoiceItemsRequest(customer_id=CUSTOMER), timeout=60
        ),
        "credit notes": CreditNoteServiceStub(channel).ListCreditNotes(
            ListCreditNotesRequest(customer_id=CUSTOMER), timeout=60
        ),
        "credit note's document": CreditNoteServiceStub(channel).GetCreditNoteDocument(
            GetCreditNoteDocumentRequest(number="CN-000001"), timeout=60
        ),
        "explanation": explained(channel, CUSTOMER),
        "journal": JournalServiceStub(channel).ListJournalEntries(journal, timeout=60),
        "reservations": EntitlementServiceStub(channel).ListReservations(
            ListReservationsRequest(customer_id=CUSTOMER), timeout=60
        ),
        "crossings": _crossings(channel),
        "endpoints": WebhookServiceStub(channel).ListWebhookEndpoints(
            ListWebhookEndpointsRequest(), timeout=60
        ),
    }
    return {name: answer.SerializeToString(deterministic=True) for name, answer in said.items()}


def explained(channel, customer_id):
    """The line of pages of the customer's one invoice, computed again."""
    request = ListInvoicesRequest(customer_id=customer_id)
    (invoice,) = InvoiceServiceStub(channel).ListInvoices(request, timeout=60).invoices
    line_number = _line_of_pages(channel, invoice)
    request = ExplainLineItemRequest(
        invoice_number=invoice.number, line_number=line_number, customer_id=customer_id, replay=True
    )
    return ExplanationServiceStub(channel).ExplainLineItem(request, timeout=60)


def _pages(event_id, pages, seconds):
    return UsageEvent(
        event_id=event_id,
        event_type="print",
        customer_id=CUSTOMER,
        event_time=Timestamp(seconds=seconds),
        properties={"pages": PropertyValue(int_value=pages)},
    )


def _line_of_pages(channel, invoice):
    request = ListInvoiceLinesRequest(number=invoice.number)
    lines = InvoiceServiceStub(channel).ListInvoiceLines(request, timeout=60).lines
    (number,) = (each.line_number for each in lines if each.price_id == "pages")
    return number


def _crossings(channel):
    request = ListAlertCrossingsRequest(customer_id=CUSTOMER)
    return AlertServiceStub(channel).ListAlertCrossings(request, timeout=60)
