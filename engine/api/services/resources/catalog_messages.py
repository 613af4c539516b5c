"""What services of the catalog share: resources and changes as messages, and a request as a write."""

import hashlib
from typing import Final, Protocol

from google.protobuf.message import Message

from engine.api.operation import Call
from engine.catalog.documents.changes import Action, ResourceChange
from engine.catalog.idempotency import Once
from engine.catalog.single.etags import etag_of
from engine.catalog.snapshots.versions import ResourceState
from engine.catalog.store import Write
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import optional_us, us_datetime
from meterline.v1 import catalog_pb2
from meterline.v1.subscriptions_pb2 import ChangeSubscriptionRequest, MigrateSubscriptionsRequest

_ACTIONS: Final[dict[Action, catalog_pb2.ResourceChange.Action]] = {
    "create": catalog_pb2.ResourceChange.ACTION_CREATE,
    "update": catalog_pb2.ResourceChange.ACTION_UPDATE,
    "archive": catalog_pb2.ResourceChange.ACTION_ARCHIVE,
    "delete": catalog_pb2.ResourceChange.ACTION_DELETE,
}


class _Version(Protocol):
    """A version of a resource; one that has no state is active."""

    @property
    def kind(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def definition(self) -> str: ...


def resource_message(version: _Version) -> catalog_pb2.Resource:
    return catalog_pb2.Resource(
        kind=version.kind,
        id=version.id,
        version=version.version,
        definition=version.definition,
        etag=etag_of(version.kind, version.id, version.version),
        archived=getattr(version, "state", None) == ResourceState.ARCHIVED,
    )


def change_message(change: ResourceChange) -> catalog_pb2.ResourceChange:
    return catalog_pb2.ResourceChange(
        action=_ACTIONS[change.action],
        kind=change.kind,
        id=change.id,
        version=change.version,
        kept_subscription_count=change.kept_subscription_count,
        fields=[
            catalog_pb2.FieldChange(path=field.path, before=field.before, after=field.after)
            for field in change.fields
        ],
    )


def change_at_us(request: MigrateSubscriptionsRequest | ChangeSubscriptionRequest, now_us: int) -> int | None:
    """When a change of subscriptions is; None for the end of each one's billing period. Raises InvalidRequestError."""
    at_us = optional_us(request, "at")
    if at_us is not None and request.at_period_end:
        raise InvalidRequestError(FieldMistake("at", "is given beside at_period_end: one of them says when"))
    return at_us if at_us is not None or request.at_period_end else now_us


def once_of(request: Message, key: str) -> Once | None:
    """A write that counts once, if it has a key. Raises InvalidRequestError for a key that is none."""
    return Once(key, _digest(request)) if key else None


def write_of(call: Call, now_us: int, request: Message, once: Once | None) -> Write:
    return Write(us_datetime(now_us), call.caller.credential, _digest(request), once)


def _digest(request: Message) -> str:
    """Of its kind and content, whatever its key."""
    content = type(request)()
    content.CopyFrom(request)
    if "idempotency_key" in content.DESCRIPTOR.fields_by_name:
        content.ClearField("idempotency_key")
    name = request.DESCRIPTOR.full_name.encode()
    return hashlib.sha256(name + b"\0" + content.SerializeToString(deterministic=True)).hexdigest()
