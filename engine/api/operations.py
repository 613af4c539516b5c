"""Every RPC of the wire contract in one table: what it takes, who serves it, under which scope and limits.

A face is made from this table: gRPC today (engine.api.grpc). Nothing is served beside it but what a transport brings
of its own, such as gRPC's health and reflection. A test holds it beside the wire contract, so that no RPC is without a
row and no row without an RPC.
"""

from dataclasses import dataclass
from typing import Any

from engine.api.operation import CATALOG_STREAMS, STREAMS, OfBytes, OfMessages, OfStream, Operation, Scope
from engine.api.services.billing_service import BillingService
from engine.api.services.catalog_service import CatalogService
from engine.api.services.correct_usage_service import CorrectUsageService
from engine.api.services.correction_service import CorrectionService
from engine.api.services.metering_service import MeteringService
from engine.api.services.retention_service import RetentionService
from engine.api.services.spend_service import SpendService
from engine.api.services.usage_service import UsageService
from meterline.v1 import (
    billing_pb2,
    catalog_pb2,
    correction_pb2,
    metering_pb2,
    retention_pb2,
    spend_pb2,
    usage_pb2,
)


@dataclass(frozen=True, slots=True)
class Services:
    """What serves the operations."""

    usage: UsageService
    catalog: CatalogService
    spend: SpendService
    billing: BillingService
    metering: MeteringService
    correct_usage: CorrectUsageService
    correction: CorrectionService
    retention: RetentionService


def operations(services: Services) -> tuple[Operation[Any], ...]:
    """The table."""
    usage, catalog, spend = services.usage, services.catalog, services.spend
    correct, corrections = services.correct_usage, services.correction
    ingest, read, change = Scope.INGEST, Scope.READ, Scope.CORRECT
    return (
        Operation(
            "UsageService.RecordUsage", usage_pb2.RecordUsageRequest, OfBytes(usage.record_usage), ingest
        ),
        Operation(
            "UsageService.StreamUsage",
            usage_pb2.StreamUsageRequest,
            OfStream(usage.stream_usage),
            ingest,
            limits=STREAMS,
        ),
        Operation(
            "UsageService.RecordUsageColumns",
            usage_pb2.RecordUsageColumnsRequest,
            OfBytes(usage.record_usage_columns),
            ingest,
        ),
        Operation(
            "CatalogService.ApplyCatalog",
            catalog_pb2.ApplyCatalogRequest,
            catalog.apply_catalog,
            Scope.CATALOG,
            audit=True,
        ),
        Operation(
            "CatalogService.ApplyCatalogPieces",
            catalog_pb2.ApplyCatalogPiecesRequest,
            OfMessages(catalog.apply_catalog_pieces),
            Scope.CATALOG,
            limits=CATALOG_STREAMS,
            audit=True,
        ),
        Operation("CatalogService.GetCatalog", catalog_pb2.GetCatalogRequest, catalog.get_catalog, read),
        Operation("SpendService.GetSpend", spend_pb2.GetSpendRequest, spend.get_spend, read),
        Operation("SpendService.ListSpend", spend_pb2.ListSpendRequest, spend.list_spend, read),
        Operation(
            "BillingService.ListLineItems",
            billing_pb2.ListLineItemsRequest,
            services.billing.list_line_items,
            Scope.BILL,
        ),
        Operation(
            "MeteringService.QueryUsage",
            metering_pb2.QueryUsageRequest,
            services.metering.query_usage,
            read,
        ),
        Operation(
            "CorrectionService.CorrectUsage",
            correction_pb2.CorrectUsageRequest,
            correct.correct_usage,
            change,
            audit=True,
        ),
        Operation(
            "CorrectionService.UndoCorrection",
            correction_pb2.UndoCorrectionRequest,
            correct.undo_correction,
            change,
            audit=True,
        ),
        Operation(
            "CorrectionService.ListCorrections",
            correction_pb2.ListCorrectionsRequest,
            correct.list_corrections,
            read,
        ),
        Operation(
            "CorrectionService.GetCorrection",
            correction_pb2.GetCorrectionRequest,
            correct.get_correction,
            read,
        ),
        Operation(
            "CorrectionService.ListConflicts",
            correction_pb2.ListConflictsRequest,
            corrections.list_conflicts,
            read,
        ),
        Operation(
            "CorrectionService.ReconcileUsage",
            correction_pb2.ReconcileUsageRequest,
            corrections.reconcile_usage,
            change,
            audit=True,
        ),
        Operation(
            "RetentionService.ExpireUsage",
            retention_pb2.ExpireUsageRequest,
            services.retention.expire_usage,
            Scope.ADMIN,
            audit=True,
        ),
    )
