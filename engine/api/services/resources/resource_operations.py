"""The rows of ResourceService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL
from engine.api.operation import Operation
from engine.api.services.resources.resource_service import ResourceService
from meterline.v1.resources_pb2 import (
    ArchiveResourceRequest,
    CreateResourceRequest,
    DeleteResourceRequest,
    GetResourceRequest,
    ListResourcesRequest,
    ListResourceVersionsRequest,
    UpdateResourceRequest,
)


def resource_operations(resources: ResourceService) -> tuple[Operation[Any], ...]:
    read, change = Scope.READ, Scope.CATALOG
    return (
        Operation(
            "ResourceService.CreateResource",
            CreateResourceRequest,
            resources.create_resource,
            change,
            CALL,
            audit=lambda request: request.kind,
        ),
        Operation(
            "ResourceService.GetResource",
            GetResourceRequest,
            resources.get_resource,
            read,
            CALL,
        ),
        Operation(
            "ResourceService.UpdateResource",
            UpdateResourceRequest,
            resources.update_resource,
            change,
            CALL,
            audit=_one_resource,
        ),
        Operation(
            "ResourceService.ListResources",
            ListResourcesRequest,
            resources.list_resources,
            read,
            CALL,
        ),
        Operation(
            "ResourceService.ArchiveResource",
            ArchiveResourceRequest,
            resources.archive_resource,
            change,
            CALL,
            audit=_one_resource,
        ),
        Operation(
            "ResourceService.DeleteResource",
            DeleteResourceRequest,
            resources.delete_resource,
            change,
            CALL,
            audit=_one_resource,
        ),
        Operation(
            "ResourceService.ListResourceVersions",
            ListResourceVersionsRequest,
            resources.list_resource_versions,
            read,
            CALL,
        ),
    )


def _one_resource(
    request: UpdateResourceRequest | ArchiveResourceRequest | DeleteResourceRequest,
) -> str:
    return f"{request.kind} {request.id}"
