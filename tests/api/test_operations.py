"""The table of operations beside the wire contract: the one has what the other has."""

import importlib
import pkgutil

import pytest

import meterline.v1
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
from engine.api.operations import Services, operations
from engine.api.services.access_service import AccessService, TenantService
from engine.api.services.alerts.alert_service import AlertService
from engine.api.services.backup_service import BackupService
from engine.api.services.billing_service import BillingService
from engine.api.services.catalog_service import CatalogService
from engine.api.services.correct_usage_service import CorrectUsageService
from engine.api.services.correction_service import CorrectionService
from engine.api.services.credit_notes.credit_note_service import CreditNoteService
from engine.api.services.entitlements.entitlement_service import EntitlementService
from engine.api.services.entitlements.reservation_service import ReservationService
from engine.api.services.event_service import EventService
from engine.api.services.explanations.explanation_service import ExplanationService
from engine.api.services.invoices.billing_settings_service import BillingSettingsService
from engine.api.services.invoices.document_service import DocumentService
from engine.api.services.invoices.invoice_service import InvoiceService
from engine.api.services.journal.journal_service import JournalService
from engine.api.services.metering_service import MeteringService
from engine.api.services.privacy.privacy_service import PrivacyService
from engine.api.services.problem_service import ProblemService
from engine.api.services.receivables.receivables_service import ReceivablesService
from engine.api.services.reconciliation.reconciliation_service import ReconciliationService
from engine.api.services.resources.migration_service import MigrationService
from engine.api.services.resources.resource_service import ResourceService
from engine.api.services.resources.subscription_change_service import SubscriptionChangeService
from engine.api.services.retention_service import RetentionService
from engine.api.services.simulations.simulation_service import SimulationService
from engine.api.services.spend_links.spend_link_service import SpendLinkService
from engine.api.services.spend_service import SpendService
from engine.api.services.tenant_limits_service import TenantLimitsService
from engine.api.services.usage_service import UsageService
from engine.api.services.watching.watch_service import WatchService
from engine.api.services.webhooks.webhook_service import WebhookService
from meterline.v1.usage_pb2 import RecordUsageRequest

# The classes stand for their objects: the table is the same, and nothing here is called.
TABLE = operations(
    Services(
        usage=UsageService,
        catalog=CatalogService,
        resources=ResourceService,
        migrations=MigrationService,
        subscription_changes=SubscriptionChangeService,
        spend=SpendService,
        entitlements=EntitlementService,
        reservations=ReservationService,
        watches=WatchService,
        spend_links=SpendLinkService,
        alerts=AlertService,
        billing=BillingService,
        invoices=InvoiceService,
        documents=DocumentService,
        billing_settings=BillingSettingsService,
        receivables=ReceivablesService,
        credit_notes=CreditNoteService,
        journal=JournalService,
        simulations=SimulationService,
        reconciliation=ReconciliationService,
        explanations=ExplanationService,
        metering=MeteringService,
        events=EventService,
        problems=ProblemService,
        correct_usage=CorrectUsageService,
        correction=CorrectionService,
        retention=RetentionService,
        privacy=PrivacyService,
        webhooks=WebhookService,
        access=AccessService,
        tenants=TenantService,
        tenant_limits=TenantLimitsService,
        backups=BackupService,
    )
)


def contract():
    """Each RPC of the wire contract, by the name that a row would have."""
    modules = [
        importlib.import_module(f"meterline.v1.{each.name}")
        for each in pkgutil.iter_modules(meterline.v1.__path__)
        if each.name.endswith("_pb2")
    ]
    return {
        f"{service.name}.{method.name}": method
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


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
    *(f"ReceivablesService.Record{each}" for each in ("Payment", "PaymentFailure", "Refund")),
    *("SpendLinkService.CreateSpendLink", "BillingSettingsService.UpdateBillingSettings"),
)
RECORDS = (
    *("RecordUsage", "StreamUsage", "RecordUsageColumns"),
    *("ReserveUsage", "CommitReservation", "ReleaseReservation"),
)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_what_changes_something_is_audited_and_needs_more_than_a_scope_to_read(row):
    """But for ingestion, which is what the engine is for. Who bills closes, voids, reports money and makes links, too, and reads nothing else."""
    reads = row.method.startswith(READS)
    assert (row.audit is None) == (reads or row.method in RECORDS)
    if not reads:
        assert row.scope is not Scope.READ
        assert (row.scope is Scope.BILL) == (row.name in BILLING)
    assert (row.scope is Scope.INGEST) == (row.method in RECORDS)


def test_a_credential_bound_to_a_customer_may_call_what_reads_one_customer():
    """And nothing else: whoever adds a row has to say of whom its requests ask."""
    assert {row.name for row in TABLE if row.customer_of is not None} == {
        "SpendService.GetSpend",
        "SpendService.WatchSpend",
        "EntitlementService.CheckAccess",
        "AlertService.ListAlertCrossings",
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
        "CreditNoteService.ListCreditNotes",
        "ExplanationService.ExplainLineItem",
        "MeteringService.QueryUsage",
        "EventService.ListEvents",
    }
