"""MigrateSubscriptions: running subscriptions to another version of their plan, or to another plan."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from engine.api.messages import effect_message
from engine.api.operation import Call
from engine.api.services.resources.catalog_messages import change_at_us, once_of, write_of
from engine.billing.changes.migrations import Move, checked_migration, moves
from engine.billing.rater import Rater
from engine.catalog.documents.changes import Changes
from engine.catalog.single.checked_changes import checked_changes
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.store import CatalogStore
from engine.spend.catalog_effect import catalog_effect
from engine.times import to_timestamp, us_datetime
from meterline.v1 import subscriptions_pb2 as pb

# A transaction of a second or two, and a revision.
_MOVED_MAX: Final = 5_000
_SHOWN_MAX: Final = 1_000
_EFFECTS_MAX: Final = 100


class MigrationService:
    """Moves subscriptions."""

    def __init__(self, catalog: CatalogStore, rater: Rater, now_us: Callable[[], int]) -> None:
        self._catalog = catalog
        self._rater = rater
        self._now_us = now_us

    def migrate_subscriptions(
        self, request: pb.MigrateSubscriptionsRequest, call: Call
    ) -> pb.MigrateSubscriptionsResponse:
        now_us = self._now_us()
        if request.dry_run:
            return self._tried(request, call, now_us)
        found: list[Move] = []
        remaining = 0

        def changes(catalog: Catalog) -> Changes:
            nonlocal found, remaining
            found, remaining = _moves(request, catalog, now_us)
            return _changes((each.fields for each in found), catalog, now_us)

        write = write_of(call, now_us, request, once_of(request, request.idempotency_key))
        applied = self._catalog.write(call.tenant, changes, write)
        return _response(found, len(applied.changes), remaining, applied.revision)

    def _tried(
        self, request: pb.MigrateSubscriptionsRequest, call: Call, now_us: int
    ) -> pb.MigrateSubscriptionsResponse:
        snapshot = self._rater.snapshot(call.tenant, None, None)
        catalog = snapshot.catalog
        found, remaining = _moves(request, catalog, now_us)
        # What is really to be written has the same checks.
        _changes((each.fields for each in found), catalog, now_us)
        after = _changes((each.of_period for each in found), catalog, now_us).applied_to(catalog)
        customers = {each.customer_id for each in found}
        effect = catalog_effect(self._rater, snapshot, after, customers, _EFFECTS_MAX)
        response = _response(found, len(found), remaining, catalog.revision)
        response.effect.CopyFrom(effect_message(effect))
        return response


def _moves(request: pb.MigrateSubscriptionsRequest, catalog: Catalog, now_us: int) -> tuple[list[Move], int]:
    migration = checked_migration(
        catalog,
        request.plan_id,
        request.to_plan_id,
        request.to_version,
        change_at_us(request, now_us),
        request.customer_ids,
        request.subscription_ids,
    )
    return moves(catalog, migration, now_us, _MOVED_MAX)


def _changes(subscriptions: Iterable[Mapping[str, Any]], catalog: Catalog, now_us: int) -> Changes:
    return checked_changes("subscription", subscriptions, us_datetime(now_us), catalog)


def _response(
    found: Sequence[Move], count: int, remaining: int, revision: int
) -> pb.MigrateSubscriptionsResponse:
    return pb.MigrateSubscriptionsResponse(
        moved=[
            pb.MovedSubscription(
                subscription_id=each.subscription_id,
                customer_id=each.customer_id,
                at=to_timestamp(each.at_us),
            )
            for each in found[:_SHOWN_MAX]
        ],
        moved_count=count,
        remaining_count=remaining,
        revision=revision,
    )
