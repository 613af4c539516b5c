"""The table of operations, and the wire contract beside it, without an engine."""

import importlib
import pkgutil

import meterline.v1
from engine.api.operations import Services, operations
from engine.api.services.access_service import AccessService, TenantService
from engine.api.services.alerts.alert_service import AlertService
from engine.api.services.alerts.customer_alert_service import CustomerAlertService
from engine.api.services.backup_service import BackupService
from engine.api.services.billing_service import BillingService
from engine.api.services.catalog_service import CatalogService
from engine.api.services.correct_usage_service import CorrectUsageService
from engine.api.services.correction_service import CorrectionService
from engine.api.services.credit_notes.credit_note_service import CreditNoteService
from engine.api.services.drafts.draft_service import DraftInvoiceService
from engine.api.services.entitlements.entitlement_service import EntitlementService
from engine.api.services.entitlements.reservation_service import ReservationService
from engine.api.services.event_service import EventService
from engine.api.services.explanations.explanation_service import ExplanationService
from engine.api.services.invoices.billing_settings_service import BillingSettingsService
from engine.api.services.invoices.document_service import DocumentService
from engine.api.services.invoices.invoice_service import InvoiceService
from engine.api.services.items.item_service import InvoiceItemService
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
        customer_alerts=CustomerAlertService,
        billing=BillingService,
        invoices=InvoiceService,
        documents=DocumentService,
        billing_settings=BillingSettingsService,
        receivables=ReceivablesService,
        credit_notes=CreditNoteService,
        drafts=DraftInvoiceService,
        invoice_items=InvoiceItemService,
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
