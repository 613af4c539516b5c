"""The table of operations beside the wire contract: the one has what the other has."""

import re
from pathlib import Path

import pytest

from engine.access.caller import Scope
from engine.api.operation import (
    CATALOG_STREAMS,
    STREAMS,
    WATCHES,
    OfBytes,
    OfMessages,
    OfStream,
    OfWatch,
    Operation,
)
from meterline.v1.usage_pb2 import RecordUsageRequest
from tests.support.engine.operation_table import TABLE, contract


def test_every_rpc_of_the_contract_has_a_row_and_every_row_an_rpc():
    """Each exactly once."""
    assert sorted(each.name for each in TABLE) == sorted(contract())


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_row_says_what_the_contract_says(row):
    """Its service, its request and whether it streams."""
    method = contract()[row.name]
    assert row.service == method.containing_service.full_name
    assert row.request.DESCRIPTOR.full_name == method.input_type.full_name
    streams, watches = isinstance(row.handler, OfStream | OfMessages), isinstance(row.handler, OfWatch)
    assert (method.client_streaming, method.server_streaming) == (streams, streams or watches)
    assert (row.limits in (STREAMS, CATALOG_STREAMS)) == streams
    assert (row.limits is WATCHES) == watches


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_row_is_served_by_the_method_of_its_name(row):
    """A row copied from another and changed by half would serve the wrong call."""
    handler = row.handler.serve if isinstance(row.handler, OfBytes | OfStream | OfMessages) else row.handler
    handler = handler.open if isinstance(handler, OfWatch) else handler
    assert handler.__name__.replace("_", "") == row.method.lower()


CALL = {"requests_per_s_max", "bytes_per_s_max"}
# Which limits of its tenant hold for an operation, written out a second time; every other one is a plain CALL.
CHARGES = {
    "UsageService.RecordUsage": CALL | {"events_per_s_max"},
    "UsageService.RecordUsageColumns": CALL | {"events_per_s_max"},
    "EntitlementService.CommitReservation": CALL | {"events_per_s_max"},
    "UsageService.StreamUsage": CALL | {"events_per_s_max", "open_streams_max"},
    "SpendService.WatchSpend": CALL | {"open_streams_max"},
    "CatalogService.ApplyCatalogPieces": CALL | {"open_streams_max"},
}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_row_says_which_limits_of_its_tenant_hold(row):
    """All but what only those do who run the engine: they could not lift a limit that holds for themselves."""
    expected = set() if row.scope is Scope.OPERATE else CHARGES.get(row.name, CALL)
    assert set(row.charges) == expected


def test_a_row_that_names_no_limits_is_not_a_row():
    """Whoever adds an operation decides what its tenant is charged with."""
    with pytest.raises(TypeError, match="charges"):
        Operation("UsageService.New", RecordUsageRequest, lambda _request, _call: None, Scope.READ)


READS = ("Get", "List", "Watch", "Query", "Simulate", "Explain", "ReconcileBilling", "Check")
BILLING = (
    *(
        "InvoiceService.ClosePeriods",
        "InvoiceService.IssueThresholdInvoices",
        "InvoiceService.VoidInvoice",
        "ReceivablesService.WriteOffInvoice",
    ),
    *("CreditNoteService.CreateCreditNote", "CreditNoteService.VoidCreditNote"),
    *("InvoiceItemService.CreateInvoiceItem", "InvoiceItemService.DeleteInvoiceItem"),
    *(f"DraftInvoiceService.{each}" for each in ("HoldDraftInvoice", "ReleaseDraftInvoice")),
    "DraftInvoiceService.ApproveDraftInvoices",
    *(f"ReceivablesService.Record{each}" for each in ("Payment", "PaymentFailure", "Refund")),
    *("SpendLinkService.CreateSpendLink", "BillingSettingsService.UpdateBillingSettings"),
)
RECORDS = (
    *("RecordUsage", "StreamUsage", "RecordUsageColumns"),
    *("ReserveUsage", "CommitReservation", "ReleaseReservation"),
)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_what_changes_something_is_audited_and_needs_more_than_a_scope_to_read(row):
    """But for ingestion, which is what the engine is for. Who bills closes, voids, reports money, charges once and makes links, too, and reads nothing else."""
    reads = row.method.startswith(READS)
    assert (row.audit is None) == (reads or row.method in RECORDS)
    if not reads:
        assert row.scope is not Scope.READ
        assert (row.scope is Scope.BILL) == (row.name in BILLING)
    assert (row.scope is Scope.INGEST) == (row.method in RECORDS)


def test_a_credential_bound_to_a_customer_may_call_what_is_of_one_customer():
    """It reads, and sets its own budget, and nothing else: whoever adds a row has to say of whom its requests ask."""
    assert {row.name for row in TABLE if row.customer_of is not None} == {
        "SpendService.GetSpend",
        "SpendService.WatchSpend",
        "EntitlementService.CheckAccess",
        "AlertService.ListAlertCrossings",
        "AlertService.ListCustomerAlerts",
        "AlertService.SetCustomerBudget",
        "EntitlementService.ListReservations",
        "BillingService.ListLineItems",
        "InvoiceService.ListInvoices",
        "InvoiceService.GetInvoice",
        "InvoiceService.ListInvoiceLines",
        "InvoiceService.GetInvoiceDocument",
        "ReceivablesService.ListPayments",
        "ReceivablesService.GetAccount",
        "ReceivablesService.ListAccountEntries",
        "CreditNoteService.GetCreditNote",
        "CreditNoteService.GetCreditNoteDocument",
        "CreditNoteService.ListCreditNotes",
        "InvoiceItemService.GetInvoiceItem",
        "InvoiceItemService.ListInvoiceItems",
        "ExplanationService.ExplainLineItem",
        "MeteringService.QueryUsage",
        "EventService.ListEvents",
    }


def test_the_page_for_operators_says_which_services_each_scope_opens():
    """Its table, by the rows; in their order."""
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    shown = {
        scope: services.split(", ")
        for scope, services in re.findall(
            r"^\| `(\w+)` \| [^|]+ \| ([\w, ]+) \|$",
            page.partition("| scope |")[2].partition("\n\n")[0],
            re.MULTILINE,
        )
    }
    found = {scope.value: {} for scope in Scope}
    for row in TABLE:
        found[row.scope.value].setdefault(row.name.partition("Service.")[0])
    assert shown == {scope: list(services) for scope, services in found.items()}
