"""Builds the services, and with them the table of operations."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.access.tenant_limits import LargestRequest
from engine.api.operation import Operation
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
from engine.api.services.event_service import EventParts, EventService
from engine.api.services.explanations.explanation_service import ExplanationService
from engine.api.services.invoices.billing_settings_service import BillingSettingsService
from engine.api.services.invoices.document_service import DocumentService, DocumentSources
from engine.api.services.invoices.invoice_service import InvoiceService
from engine.api.services.items.item_service import InvoiceItemService
from engine.api.services.journal.journal_service import JournalService
from engine.api.services.metering_service import MeteringParts, MeteringService
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
from engine.api.services.turns import Turns
from engine.api.services.usage_service import UsageService
from engine.api.services.watching.watch_service import WatchService
from engine.api.services.webhooks.webhook_service import WebhookService
from engine.app.access import Access
from engine.app.reading import Reading, build_reconciliation
from engine.app.recording import Recording
from engine.app.stores import Stores
from engine.app.upkeep import Upkeep
from engine.billing.annex.usage_annex import UsageAnnex
from engine.billing.closing.booked_lines import BookedLines
from engine.billing.closing.invoice_store import InvoiceStore
from engine.billing.drafts.draft_invoices import DraftInvoices
from engine.billing.explaining.explainer import Explainer
from engine.billing.items.billed_items import BilledItems
from engine.billing.items.invoice_items import InvoiceItems
from engine.billing.receivables.credit_note_store import CreditNoteStore
from engine.billing.receivables.journal_reader import JournalReader
from engine.billing.receivables.payment_store import PaymentStore
from engine.billing.receivables.statement import Statements
from engine.billing.receivables.write_offs import write_off
from engine.cluster.watermarks import read_watermark_us
from engine.erasure.held_records import HeldRecords
from engine.spend.alerts.store import CrossingStore
from engine.usage.corrections.corrections import Corrections


@dataclass(frozen=True, slots=True)
class Outside:
    """What operations know of the faces: the most that a request may hold, and where customers reach the spend page."""

    largest: LargestRequest
    page_url: Callable[[], str]


def build_operations(
    stores: Stores,
    recording: Recording,
    reading: Reading,
    upkeep: Upkeep,
    access: Access,
    outside: Outside,
    now_us: Callable[[], int],
) -> tuple[Operation[Any], ...]:
    usage, order, rater = stores.usage, stores.order, reading.rater
    # Half of what the store reads with: a question may take minutes, and spend must stay live beside it.
    turns = Turns("queries of usage and listings of events", at_once=2)
    corrections = Corrections(usage, order, upkeep.reconciler, now_us, lambda: secrets.randbits(63))
    return operations(
        Services(
            usage=UsageService(recording.recorder),
            catalog=CatalogService(stores.catalog, rater, now_us),
            migrations=MigrationService(stores.catalog, rater, now_us),
            subscription_changes=SubscriptionChangeService(stores.catalog, rater, now_us),
            resources=ResourceService(stores.catalog, now_us),
            spend=SpendService(rater),
            entitlements=upkeep.reserving.entitlement_service,
            reservations=upkeep.reserving.reservation_service,
            watches=WatchService(reading.watching.watchers),
            spend_links=SpendLinkService(access.links, access.has_customer, outside.page_url, now_us),
            alerts=AlertService(CrossingStore(stores.database)),
            customer_alerts=CustomerAlertService(
                stores.catalog,
                CrossingStore(stores.database),
                now_us,
                lambda: f"budget-{secrets.token_hex(8)}",
            ),
            billing=BillingService(rater, reading.line_windows),
            invoices=InvoiceService(upkeep.closing, stores.catalog, now_us),
            billing_settings=BillingSettingsService(upkeep.closing.settings, now_us),
            documents=_documenting(stores, reading, now_us),
            receivables=_receiving(stores, access, now_us),
            credit_notes=CreditNoteService(
                CreditNoteStore(stores.database),
                InvoiceStore(stores.database),
                BookedLines(stores.usage),
                now_us,
            ),
            drafts=_reviewing(stores, upkeep, now_us),
            invoice_items=_giving_items(stores, now_us),
            journal=_journal(stores),
            # One page has the store at work for a second or two: closes and spend go on beside it.
            simulations=SimulationService(rater, now_us, Turns("simulations", at_once=1)),
            # A page reads the raw events of some hundred customers, beside closes and spend.
            reconciliation=ReconciliationService(
                build_reconciliation(stores),
                lambda: read_watermark_us(order, now_us(), None),
                Turns("reconciliations of invoices", at_once=1),
            ),
            explanations=_explaining(stores, reading),
            metering=MeteringService(
                MeteringParts(stores.catalog, usage, reading.usage, order),
                now_us,
                turns,
                access.allowances.check_groups,
            ),
            events=EventService(EventParts(stores.catalog, reading.events, order), now_us, turns),
            problems=ProblemService(usage, now_us),
            correct_usage=CorrectUsageService(
                corrections, usage, rater, order, recording.admission_for, now_us
            ),
            correction=CorrectionService(usage, upkeep.reconciler, order, now_us),
            retention=RetentionService(upkeep.retention),
            privacy=PrivacyService(HeldRecords(stores.database, usage), upkeep.erasures, order, now_us),
            access=AccessService(access.ring, access.store, access.audit_log),
            tenants=TenantService(access.ring, access.store),
            backups=BackupService(upkeep.backups),
            webhooks=WebhookService(upkeep.webhooks.endpoints, upkeep.webhooks.deliverer),
            tenant_limits=TenantLimitsService(access.allowances, access.store, outside.largest),
        )
    )


def _explaining(stores: Stores, reading: Reading) -> ExplanationService:
    invoices, booked = InvoiceStore(stores.database), BookedLines(stores.usage)
    explainer, from_events = (
        Explainer(rater, invoices, booked, stores.usage) for rater in (reading.rater, reading.rater_of_events)
    )
    return ExplanationService(explainer, from_events, invoices, reading.rater)


def _reviewing(stores: Stores, upkeep: Upkeep, now_us: Callable[[], int]) -> DraftInvoiceService:
    closing = upkeep.closing
    drafts = DraftInvoices(stores.database, stores.catalog, closing.settings, closing.closer, now_us)
    return DraftInvoiceService(drafts, closing.invoices, closing.turn, now_us)


def _giving_items(stores: Stores, now_us: Callable[[], int]) -> InvoiceItemService:
    billed = BilledItems(stores.database, BookedLines(stores.usage))
    return InvoiceItemService(
        stores.catalog, InvoiceItems(stores.catalog, billed), billed, now_us, lambda: secrets.token_hex(8)
    )


def _documenting(stores: Stores, reading: Reading, now_us: Callable[[], int]) -> DocumentService:
    return DocumentService(
        DocumentSources(
            InvoiceStore(stores.database),
            CreditNoteStore(stores.database),
            BookedLines(stores.usage),
            stores.catalog,
            UsageAnnex(reading.usage, stores.catalog),
        ),
        reading.documents,
        # A core each, for a tenth of a second or, of many lines, some.
        Turns("documents", at_once=2),
        now_us,
    )


def _receiving(stores: Stores, access: Access, now_us: Callable[[], int]) -> ReceivablesService:
    return ReceivablesService(
        PaymentStore(stores.database, access.has_customer),
        Statements(stores.database),
        partial(write_off, stores.database),
        access.has_customer,
        now_us,
    )


def _journal(stores: Stores) -> JournalService:
    def region_of(tenant: str, customer_id: str, revision: int) -> str:
        found = stores.catalog.version_at(tenant, "customer", customer_id, revision)
        return "" if found is None else str(json.loads(found.definition).get("tax_region", ""))

    reader = JournalReader(stores.database, BookedLines(stores.usage), region_of)
    # A page reads the lines of some hundred invoices, beside closes and spend.
    return JournalService(reader, Turns("journals", at_once=1))
