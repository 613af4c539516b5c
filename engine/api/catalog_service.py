"""CatalogService: documents in, differences out."""

from collections.abc import Callable

from engine.api.rpc import Call
from engine.catalog.definition import definition
from engine.catalog.store import Applied, CatalogStore
from engine.times import us_datetime
from meterline.v1.catalog_pb2 import (
    ApplyCatalogRequest,
    ApplyCatalogResponse,
    FieldChange,
    GetCatalogRequest,
    GetCatalogResponse,
    Resource,
    ResourceChange,
)


class CatalogService:
    """Applies and shows the catalog."""

    def __init__(self, catalog: CatalogStore, now_us: Callable[[], int]) -> None:
        self._catalog = catalog
        self._now_us = now_us

    def apply_catalog(self, request: ApplyCatalogRequest, call: Call) -> ApplyCatalogResponse:
        applied = self._catalog.apply(
            call.tenant,
            request.document,
            request.file_name,
            dry_run=request.dry_run,
            applied_at=us_datetime(self._now_us()),
        )
        return _applied_message(applied)

    def get_catalog(self, _request: GetCatalogRequest, call: Call) -> GetCatalogResponse:
        catalog = self._catalog.snapshot(call.tenant)
        return GetCatalogResponse(
            revision=catalog.revision,
            resources=[
                Resource(
                    kind=each.resource.kind,
                    id=each.resource.id,
                    version=each.version,
                    definition=definition(each.resource),
                )
                for each in catalog.all()
            ],
        )


def _applied_message(applied: Applied) -> ApplyCatalogResponse:
    return ApplyCatalogResponse(
        revision=applied.revision,
        unchanged_count=applied.unchanged_count,
        changes=[
            ResourceChange(
                action=ResourceChange.ACTION_CREATE if change.version == 1 else ResourceChange.ACTION_UPDATE,
                kind=change.kind,
                id=change.id,
                version=change.version,
                fields=[
                    FieldChange(path=field.path, before=field.before, after=field.after)
                    for field in change.fields
                ],
            )
            for change in applied.changes
        ],
    )
