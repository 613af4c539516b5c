"""ResourceService: single resources of the catalog, of whatever kind."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar

from engine.api.messages import ANSWER_BYTES_MAX, fitting
from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened, question_digest, sealed
from engine.api.services.resources.catalog_messages import change_message, once_of, resource_message, write_of
from engine.api.services.resources.definition_text import read_fields
from engine.catalog import limits
from engine.catalog.documents.changes import Applied, Changes
from engine.catalog.past_changes import ResourceVersion
from engine.catalog.single.listing import ResourceChoice, chosen
from engine.catalog.single.single_changes import create, end, find, kind_of, update
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.store import CatalogStore
from engine.errors import NotFoundError
from engine.times import datetime_us, to_timestamp
from meterline.v1 import catalog_pb2
from meterline.v1 import resources_pb2 as pb

_DEFINITION: Final = "definition"
_PAGE_SIZE: Final = 100
_PAGE_SIZE_MAX: Final = 1_000
_Write = TypeVar(
    "_Write",
    pb.CreateResourceRequest,
    pb.UpdateResourceRequest,
    pb.ArchiveResourceRequest,
    pb.DeleteResourceRequest,
)


class ResourceService:
    """Reads and changes resources one by one."""

    def __init__(self, catalog: CatalogStore, now_us: Callable[[], int]) -> None:
        self._catalog = catalog
        self._now_us = now_us

    def create_resource(self, request: pb.CreateResourceRequest, call: Call) -> pb.CreateResourceResponse:
        fields = read_fields(request.definition, _DEFINITION)
        kind = kind_of(request.kind)
        applied = self._write(request, call, lambda catalog, at: create(request.kind, fields, at, catalog))
        resource = self._written(call.tenant, request.kind, kind.id_in(fields) or "", applied)
        return pb.CreateResourceResponse(resource=resource, revision=applied.revision)

    def get_resource(self, request: pb.GetResourceRequest, call: Call) -> pb.GetResourceResponse:
        found = find(request.kind, request.id, self._catalog.snapshot(call.tenant))
        return pb.GetResourceResponse(resource=resource_message(found))

    def update_resource(self, request: pb.UpdateResourceRequest, call: Call) -> pb.UpdateResourceResponse:
        fields = read_fields(request.definition, _DEFINITION) if request.definition else {}
        applied = self._write(
            request,
            call,
            lambda catalog, at: update(
                request.kind, request.id, fields, request.update_mask, request.etag, at, catalog
            ),
        )
        resource = self._written(call.tenant, request.kind, request.id, applied)
        return pb.UpdateResourceResponse(resource=resource, revision=applied.revision)

    def archive_resource(self, request: pb.ArchiveResourceRequest, call: Call) -> pb.ArchiveResourceResponse:
        applied = self._write(
            request,
            call,
            lambda catalog, at: end(request.kind, request.id, "archive", request.etag, at, catalog),
        )
        resource = self._written(call.tenant, request.kind, request.id, applied)
        return pb.ArchiveResourceResponse(resource=resource, revision=applied.revision)

    def delete_resource(self, request: pb.DeleteResourceRequest, call: Call) -> pb.DeleteResourceResponse:
        applied = self._write(
            request,
            call,
            lambda catalog, at: end(request.kind, request.id, "delete", request.etag, at, catalog),
        )
        return pb.DeleteResourceResponse(revision=applied.revision)

    def list_resources(self, request: pb.ListResourcesRequest, call: Call) -> pb.ListResourcesResponse:
        choice = ResourceChoice(request.kind, request.id_prefix, dict(request.fields))
        size = checked_size(request.page_size, _PAGE_SIZE, _PAGE_SIZE_MAX)
        listing = question_digest(request)
        revision, place = None, 0
        if request.page_token:
            revision, place = map(int, opened(request.page_token, listing, int, int))
        catalog = self._catalog.snapshot(call.tenant, revision)
        response = pb.ListResourcesResponse(revision=catalog.revision)
        size_bytes = 0
        for following, each in chosen(choice, catalog, place, archived=request.include_archived):
            message = resource_message(each)
            size_bytes += message.ByteSize()
            if len(response.resources) == size or (response.resources and size_bytes > ANSWER_BYTES_MAX):
                response.next_page_token = sealed(listing, catalog.revision, place)
                break
            response.resources.append(message)
            place = following
        return response

    def list_resource_versions(
        self, request: pb.ListResourceVersionsRequest, call: Call
    ) -> pb.ListResourceVersionsResponse:
        kind_of(request.kind)
        size = checked_size(request.page_size, _PAGE_SIZE, _PAGE_SIZE_MAX)
        listing = question_digest(request)
        before = int(opened(request.page_token, listing, int)[0]) if request.page_token else None
        versions = self._catalog.versions(call.tenant, request.kind, request.id, before, size)
        if not versions and before is None:
            raise NotFoundError(f"there never was a {request.kind} {request.id[: limits.ID_BYTES_MAX]!r}")
        messages = fitting(map(_version_message, versions))
        token = ""
        if messages[-1:] and messages[-1].change.version > 1:
            token = sealed(listing, messages[-1].change.version)
        return pb.ListResourceVersionsResponse(versions=messages, next_page_token=token)

    def _write(self, request: _Write, call: Call, changes: Callable[[Catalog, datetime], Changes]) -> Applied:
        write = write_of(call, self._now_us(), request, once_of(request, request.idempotency_key))
        return self._catalog.write(call.tenant, lambda catalog: changes(catalog, write.at), write)

    def _written(self, tenant: str, kind: str, resource_id: str, applied: Applied) -> catalog_pb2.Resource:
        """A resource as a write left it."""
        change = applied.changes[0] if applied.changes else None
        if change is None:
            change = self._catalog.version_at(tenant, kind, resource_id, applied.revision)
        if change is None:
            raise NotFoundError(f"there never was a {kind} {resource_id!r}")
        return resource_message(change)


def _version_message(version: ResourceVersion) -> pb.ResourceVersion:
    return pb.ResourceVersion(
        change=change_message(version.change),
        revision=version.revision,
        changed_at=to_timestamp(datetime_us(version.changed_at)),
        changed_by=version.changed_by,
        definition=version.change.definition,
    )
