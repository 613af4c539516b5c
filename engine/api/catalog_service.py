"""CatalogService: documents in, differences out."""

import re
from collections.abc import Callable

from engine.api.messages import ANSWER_BYTES_MAX
from engine.api.operation import Call
from engine.catalog.store import Applied, CatalogStore
from engine.errors import FieldMistake, InvalidRequestError
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

    def get_catalog(self, request: GetCatalogRequest, call: Call) -> GetCatalogResponse:
        revision, first = _read_token(request.page_token)
        catalog = self._catalog.snapshot(call.tenant, revision)
        response = GetCatalogResponse(revision=catalog.revision)
        size_bytes = 0
        for index, each in enumerate(catalog.listed(first), start=first):
            resource = Resource(kind=each.kind, id=each.id, version=each.version, definition=each.definition)
            size_bytes += resource.ByteSize()
            if response.resources and size_bytes > ANSWER_BYTES_MAX:
                response.next_page_token = f"{catalog.revision}-{index}"
                break
            response.resources.append(resource)
        return response


def _read_token(token: str) -> tuple[int | None, int]:
    """The revision that the pages share, and the first resource of this one."""
    if not token:
        return None, 0
    found = re.fullmatch(r"([0-9]{1,18})-([0-9]{1,18})", token, re.ASCII)
    if found is None:
        raise InvalidRequestError(
            FieldMistake(
                "page_token", "is not one that this engine gave out: start the listing anew without it"
            )
        )
    return int(found[1]), int(found[2])


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
