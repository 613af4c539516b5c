"""Every RPC of the wire contract in one table: what it takes, who serves it, under which scope and limits.

A face is made from this table: gRPC today (engine.api.grpc). Nothing is served beside it but what a transport brings
of its own, such as gRPC's health and reflection. A test holds it beside the wire contract, so that no RPC is without a
row and no row without an RPC.
"""

from dataclasses import dataclass
from typing import Any

from engine.access.api_keys import shown_key_id
from engine.access.caller import Scope
from engine.access.tenant_limits import CALL, STREAM, UNLIMITED, USAGE, USAGE_STREAM
from engine.api.operation import (
    CATALOG_STREAMS,
    STREAMS,
    OfBytes,
    OfMessages,
    OfStream,
    Operation,
)
from engine.api.services.access_service import AccessService, TenantService
from engine.api.services.alerts.alert_operations import alert_operations
from engine.api.services.alerts.alert_service import AlertService
from engine.api.services.alerts.customer_alert_service import CustomerAlertService
from engine.api.services.backup_service import BackupService
from engine.api.services.billing_service import BillingService
from engine.api.services.catalog_service import CatalogService
from engine.api.services.correct_usage_service import CorrectUsageService
from engine.api.services.correction_service import CorrectionService
from engine.api.services.credit_notes.credit_note_operations import credit_note_operations
from engine.api.services.credit_notes.credit_note_service import CreditNoteService
from engine.api.services.drafts.draft_operations import draft_operations
from engine.api.services.drafts.draft_service import DraftInvoiceService
from engine.api.services.entitlements.entitlement_operations import entitlement_operations
from engine.api.services.entitlements.entitlement_service import EntitlementService
from engine.api.services.entitlements.reservation_service import ReservationService
from engine.api.services.event_service import EventService
from engine.api.services.explanations.explanation_operations import explanation_operations
from engine.api.services.explanations.explanation_service import ExplanationService
from engine.api.services.invoices.billing_settings_service import BillingSettingsService
from engine.api.services.invoices.document_service import DocumentService
from engine.api.services.invoices.invoice_operations import invoice_operations
from engine.api.services.invoices.invoice_service import InvoiceService
from engine.api.services.items.item_operations import item_operations
from engine.api.services.items.item_service import InvoiceItemService
from engine.api.services.journal.journal_operations import journal_operations
from engine.api.services.journal.journal_service import JournalService
from engine.api.services.metering_service import MeteringService
from engine.api.services.privacy.privacy_operations import privacy_operations
from engine.api.services.privacy.privacy_service import PrivacyService
from engine.api.services.problem_service import ProblemService
from engine.api.services.receivables.receivables_operations import receivables_operations
from engine.api.services.receivables.receivables_service import ReceivablesService
from engine.api.services.reconciliation.reconciliation_operations import reconciliation_operations
from engine.api.services.reconciliation.reconciliation_service import ReconciliationService
from engine.api.services.resources.migration_service import MigrationService
from engine.api.services.resources.resource_operations import resource_operations
from engine.api.services.resources.resource_service import ResourceService
from engine.api.services.resources.subscription_change_service import SubscriptionChangeService
from engine.api.services.resources.typed_operations import typed_operations
from engine.api.services.retention_service import RetentionService
from engine.api.services.simulations.simulation_operations import simulation_operations
from engine.api.services.simulations.simulation_service import SimulationService
from engine.api.services.spend_links.spend_link_operations import spend_link_operations
from engine.api.services.spend_links.spend_link_service import SpendLinkService
from engine.api.services.spend_service import SpendService
from engine.api.services.tenant_limits_service import TenantLimitsService
from engine.api.services.usage_service import UsageService
from engine.api.services.watching.spend_operations import spend_operations
from engine.api.services.watching.watch_service import WatchService
from engine.api.services.webhooks.webhook_operations import webhook_operations
from engine.api.services.webhooks.webhook_service import WebhookService
from meterline.v1 import (
    access_pb2,
    backup_pb2,
    billing_pb2,
    catalog_pb2,
    correction_pb2,
    events_pb2,
    metering_pb2,
    retention_pb2,
    subscriptions_pb2,
    usage_pb2,
)


@dataclass(frozen=True, slots=True)
class Services:
    """What serves the operations."""

    usage: UsageService
    catalog: CatalogService
    migrations: MigrationService
    subscription_changes: SubscriptionChangeService
    resources: ResourceService
    spend: SpendService
    entitlements: EntitlementService
    reservations: ReservationService
    watches: WatchService
    spend_links: SpendLinkService
    alerts: AlertService
    customer_alerts: CustomerAlertService
    billing: BillingService
    invoices: InvoiceService
    documents: DocumentService
    receivables: ReceivablesService
    billing_settings: BillingSettingsService
    credit_notes: CreditNoteService
    drafts: DraftInvoiceService
    invoice_items: InvoiceItemService
    journal: JournalService
    simulations: SimulationService
    reconciliation: ReconciliationService
    explanations: ExplanationService
    metering: MeteringService
    events: EventService
    problems: ProblemService
    correct_usage: CorrectUsageService
    correction: CorrectionService
    retention: RetentionService
    privacy: PrivacyService
    access: AccessService
    tenants: TenantService
    tenant_limits: TenantLimitsService
    backups: BackupService
    webhooks: WebhookService


def operations(services: Services) -> tuple[Operation[Any], ...]:
    """The table."""
    usage, catalog, spend = services.usage, services.catalog, services.spend
    correct, corrections = services.correct_usage, services.correction
    ingest, read, change = Scope.INGEST, Scope.READ, Scope.CORRECT
    return (
        Operation(
            "UsageService.RecordUsage",
            usage_pb2.RecordUsageRequest,
            OfBytes(usage.record_usage),
            ingest,
            USAGE,
        ),
        Operation(
            "UsageService.StreamUsage",
            usage_pb2.StreamUsageRequest,
            OfStream(usage.stream_usage),
            ingest,
            USAGE_STREAM,
            limits=STREAMS,
        ),
        Operation(
            "UsageService.RecordUsageColumns",
            usage_pb2.RecordUsageColumnsRequest,
            OfBytes(usage.record_usage_columns),
            ingest,
            USAGE,
        ),
        Operation(
            "CatalogService.ApplyCatalog",
            catalog_pb2.ApplyCatalogRequest,
            catalog.apply_catalog,
            Scope.CATALOG,
            CALL,
            audit=lambda request: None if request.dry_run else request.file_name,
        ),
        Operation(
            "CatalogService.ApplyCatalogPieces",
            catalog_pb2.ApplyCatalogPiecesRequest,
            OfMessages(catalog.apply_catalog_pieces),
            Scope.CATALOG,
            STREAM,
            limits=CATALOG_STREAMS,
            audit=_nothing,
        ),
        Operation(
            "CatalogService.GetCatalog", catalog_pb2.GetCatalogRequest, catalog.get_catalog, read, CALL
        ),
        *spend_operations(spend, services.watches),
        Operation(
            "BillingService.ListLineItems",
            billing_pb2.ListLineItemsRequest,
            services.billing.list_line_items,
            Scope.BILL,
            CALL,
            customer_of=lambda request: request.customer_id or None,
        ),
        *entitlement_operations(services.entitlements, services.reservations),
        *invoice_operations(services.invoices, services.documents, services.billing_settings),
        *receivables_operations(services.receivables),
        *credit_note_operations(services.credit_notes, services.documents),
        *draft_operations(services.drafts),
        *item_operations(services.invoice_items),
        *journal_operations(services.journal),
        *simulation_operations(services.simulations),
        *reconciliation_operations(services.reconciliation),
        *explanation_operations(services.explanations),
        Operation(
            "MeteringService.QueryUsage",
            metering_pb2.QueryUsageRequest,
            services.metering.query_usage,
            read,
            CALL,
            customer_of=_only_customer,
        ),
        Operation(
            "EventService.ListEvents",
            events_pb2.ListEventsRequest,
            services.events.list_events,
            read,
            CALL,
            customer_of=_only_customer,
        ),
        Operation(
            "EventService.ListProblems",
            events_pb2.ListProblemsRequest,
            services.problems.list_problems,
            read,
            CALL,
        ),
        Operation(
            "CorrectionService.CorrectUsage",
            correction_pb2.CorrectUsageRequest,
            correct.correct_usage,
            change,
            CALL,
            audit=_correction,
        ),
        Operation(
            "CorrectionService.UndoCorrection",
            correction_pb2.UndoCorrectionRequest,
            correct.undo_correction,
            change,
            CALL,
            audit=_correction,
        ),
        Operation(
            "CorrectionService.ListCorrections",
            correction_pb2.ListCorrectionsRequest,
            correct.list_corrections,
            read,
            CALL,
        ),
        Operation(
            "CorrectionService.GetCorrection",
            correction_pb2.GetCorrectionRequest,
            correct.get_correction,
            read,
            CALL,
        ),
        Operation(
            "CorrectionService.ListConflicts",
            correction_pb2.ListConflictsRequest,
            corrections.list_conflicts,
            read,
            CALL,
        ),
        Operation(
            "CorrectionService.ReconcileUsage",
            correction_pb2.ReconcileUsageRequest,
            corrections.reconcile_usage,
            change,
            CALL,
            audit=_nothing,
        ),
        Operation(
            "RetentionService.ExpireUsage",
            retention_pb2.ExpireUsageRequest,
            services.retention.expire_usage,
            Scope.ADMIN,
            CALL,
            audit=lambda request: None if request.dry_run else "",
        ),
        *resource_operations(services.resources),
        *typed_operations(services.resources),
        Operation(
            "SubscriptionService.MigrateSubscriptions",
            subscriptions_pb2.MigrateSubscriptionsRequest,
            services.migrations.migrate_subscriptions,
            Scope.CATALOG,
            CALL,
            audit=lambda request: None if request.dry_run else request.plan_id,
        ),
        Operation(
            "SubscriptionService.ChangeSubscription",
            subscriptions_pb2.ChangeSubscriptionRequest,
            services.subscription_changes.change_subscription,
            Scope.CATALOG,
            CALL,
            audit=lambda request: None if request.dry_run else f"subscription {request.subscription_id}",
        ),
        *privacy_operations(services.privacy),
        *webhook_operations(services.webhooks),
        *spend_link_operations(services.spend_links),
        *alert_operations(services.alerts, services.customer_alerts),
        *_access_operations(services),
        Operation(
            "BackupService.CreateBackup",
            backup_pb2.CreateBackupRequest,
            services.backups.create_backup,
            Scope.OPERATE,
            UNLIMITED,
            audit=lambda request: request.name,
        ),
    )


def _access_operations(services: Services) -> tuple[Operation[Any], ...]:
    access, tenants, limits = services.access, services.tenants, services.tenant_limits
    admin = Scope.ADMIN
    return (
        Operation(
            "AccessService.CreateApiKey",
            access_pb2.CreateApiKeyRequest,
            access.create_api_key,
            admin,
            CALL,
            audit=lambda request: request.name,
        ),
        Operation(
            "AccessService.ListApiKeys", access_pb2.ListApiKeysRequest, access.list_api_keys, admin, CALL
        ),
        Operation(
            "AccessService.RotateApiKey",
            access_pb2.RotateApiKeyRequest,
            access.rotate_api_key,
            admin,
            CALL,
            audit=lambda request: shown_key_id(request.key_id),
        ),
        Operation(
            "AccessService.RevokeApiKey",
            access_pb2.RevokeApiKeyRequest,
            access.revoke_api_key,
            admin,
            CALL,
            audit=lambda request: shown_key_id(request.key_id),
        ),
        Operation(
            "AccessService.ListAuditRecords",
            access_pb2.ListAuditRecordsRequest,
            access.list_audit_records,
            admin,
            CALL,
        ),
        Operation(
            "TenantService.CreateTenant",
            access_pb2.CreateTenantRequest,
            tenants.create_tenant,
            Scope.OPERATE,
            UNLIMITED,
            audit=lambda request: request.tenant,
        ),
        Operation(
            "TenantService.ListTenants",
            access_pb2.ListTenantsRequest,
            tenants.list_tenants,
            Scope.OPERATE,
            UNLIMITED,
        ),
        Operation(
            "TenantService.GetTenantLimits",
            access_pb2.GetTenantLimitsRequest,
            limits.get_tenant_limits,
            Scope.OPERATE,
            UNLIMITED,
        ),
        Operation(
            "TenantService.SetTenantLimits",
            access_pb2.SetTenantLimitsRequest,
            limits.set_tenant_limits,
            Scope.OPERATE,
            UNLIMITED,
            audit=lambda request: request.tenant,
        ),
    )


def _nothing(_request: object) -> str:
    """For a call that is about no single thing: its operation says it all."""
    return ""


def _correction(
    request: correction_pb2.CorrectUsageRequest | correction_pb2.UndoCorrectionRequest,
) -> str | None:
    return None if request.dry_run else request.signature.correction_id


def _only_customer(request: metering_pb2.QueryUsageRequest | events_pb2.ListEventsRequest) -> str | None:
    return request.customer_ids[0] if len(request.customer_ids) == 1 else None
