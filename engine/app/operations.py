"""Builds the services, and with them the table of operations."""

import secrets
from collections.abc import Callable
from typing import Any

from engine.access.tenant_limits import LargestRequest
from engine.api.operation import Operation
from engine.api.operations import Services, operations
from engine.api.services.access_service import AccessService, TenantService
from engine.api.services.backup_service import BackupService
from engine.api.services.billing_service import BillingService
from engine.api.services.catalog_service import CatalogService
from engine.api.services.correct_usage_service import CorrectUsageService
from engine.api.services.correction_service import CorrectionService
from engine.api.services.event_service import EventParts, EventService
from engine.api.services.metering_service import MeteringParts, MeteringService
from engine.api.services.problem_service import ProblemService
from engine.api.services.retention_service import RetentionService
from engine.api.services.spend_service import SpendService
from engine.api.services.tenant_limits_service import TenantLimitsService
from engine.api.services.turns import Turns
from engine.api.services.usage_service import UsageService
from engine.app.access import Access
from engine.app.reading import Reading
from engine.app.recording import Recording
from engine.app.stores import Stores
from engine.app.upkeep import Upkeep
from engine.usage.corrections.corrections import Corrections


def build_operations(
    stores: Stores,
    recording: Recording,
    reading: Reading,
    upkeep: Upkeep,
    access: Access,
    largest: LargestRequest,
    now_us: Callable[[], int],
) -> tuple[Operation[Any], ...]:
    usage, order, rater = stores.usage, stores.order, reading.rater
    # Half of what the store reads with: a question may take minutes, and spend must stay live beside it.
    turns = Turns("queries of usage and listings of events", at_once=2)
    corrections = Corrections(usage, order, upkeep.reconciler, now_us, lambda: secrets.randbits(63))
    return operations(
        Services(
            usage=UsageService(recording.intake, recording.problems),
            catalog=CatalogService(stores.catalog, now_us),
            spend=SpendService(rater),
            billing=BillingService(rater, reading.line_windows),
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
            access=AccessService(access.ring, access.store, access.audit_log),
            tenants=TenantService(access.ring, access.store),
            backups=BackupService(upkeep.backups),
            tenant_limits=TenantLimitsService(access.allowances, access.store, largest),
        )
    )
