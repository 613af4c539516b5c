"""ChangeSubscription: one subscription changed at an instant, or what that would come to."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from engine.api.messages import effect_message
from engine.api.operation import Call
from engine.api.services.resources.catalog_messages import (
    change_at_us,
    change_message,
    once_of,
    resource_message,
    write_of,
)
from engine.api.services.resources.definition_text import read_fields
from engine.api.services.resources.typed_messages import typed
from engine.billing.changes.single_change import ChangedSubscription, SubscriptionChange, changed
from engine.billing.rater import Rater
from engine.catalog.documents.changes import Changes
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.single.single_changes import EVERYTHING, update
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.store import CatalogStore
from engine.errors import NotFoundError
from engine.spend.catalog_effect import catalog_effect
from engine.times import to_timestamp, us_datetime
from fields import declaration
from meterline.v1 import catalog_pb2
from meterline.v1 import subscriptions_pb2 as pb

_KIND: Final = Subscription.kind


class SubscriptionChangeService:
    """Changes single subscriptions."""

    def __init__(self, catalog: CatalogStore, rater: Rater, now_us: Callable[[], int]) -> None:
        self._catalog = catalog
        self._rater = rater
        self._now_us = now_us

    def change_subscription(
        self, request: pb.ChangeSubscriptionRequest, call: Call
    ) -> pb.ChangeSubscriptionResponse:
        now_us = self._now_us()
        change = _change_of(request, now_us)
        if request.dry_run:
            return self._tried(request, change, call, now_us)

        def changes(catalog: Catalog) -> Changes:
            return _changes(request, changed(catalog, change, now_us), catalog, now_us)

        write = write_of(call, now_us, request, once_of(request, request.idempotency_key))
        applied = self._catalog.write(call.tenant, changes, write)
        version = self._catalog.version_at(call.tenant, _KIND, request.subscription_id, applied.revision)
        if version is None:
            raise NotFoundError(f"there never was a {_KIND} {request.subscription_id!r}")
        response = pb.ChangeSubscriptionResponse(
            subscription=_message(resource_message(version)), revision=applied.revision
        )
        for each in applied.changes:
            response.change.CopyFrom(change_message(each))
        return response

    def _tried(
        self, request: pb.ChangeSubscriptionRequest, change: SubscriptionChange, call: Call, now_us: int
    ) -> pb.ChangeSubscriptionResponse:
        """With what the customer would owe in the billing periods that contain the instant of the change."""
        snapshot = self._rater.snapshot(call.tenant, None, None)
        catalog = snapshot.catalog
        found = changed(catalog, change, now_us)
        changes = _changes(request, found, catalog, now_us)
        effect = catalog_effect(
            self._rater,
            replace(snapshot, at_us=found.at_us),
            changes.applied_to(catalog),
            {found.customer_id},
            shown_max=1,
        )
        response = pb.ChangeSubscriptionResponse(
            effect=effect_message(effect), revision=catalog.revision, at=to_timestamp(found.at_us)
        )
        for each in changes.changes:
            response.change.CopyFrom(change_message(each))
            response.subscription.CopyFrom(_message(resource_message(each)))
        return response


def _change_of(request: pb.ChangeSubscriptionRequest, now_us: int) -> SubscriptionChange:
    """Raises InvalidRequestError for overrides that are not JSON."""
    return SubscriptionChange(
        subscription_id=request.subscription_id,
        at_us=change_at_us(request, now_us),
        plan=request.plan_id or None,
        plan_version=request.plan_version or None,
        quantities={price: text or None for price, text in request.quantities.items()},
        add_ons={plan: times or None for plan, times in request.add_ons.items()},
        overrides=dict(_overrides(request)),
        paused=request.paused if request.HasField("paused") else None,
        cancel=request.cancel,
    )


def _overrides(request: pb.ChangeSubscriptionRequest) -> Iterator[tuple[str, Any]]:
    for price, text in request.overrides.items():
        yield price, read_fields(text, f"overrides.{price}") if text else None


def _changes(
    request: pb.ChangeSubscriptionRequest, found: ChangedSubscription, catalog: Catalog, now_us: int
) -> Changes:
    return update(
        _KIND,
        request.subscription_id,
        found.fields,
        (EVERYTHING,),
        request.etag,
        us_datetime(now_us),
        catalog,
    )


def _message(resource: catalog_pb2.Resource) -> pb.Subscription:
    return typed(resource, pb.Subscription, tuple(declaration(Subscription).names))
