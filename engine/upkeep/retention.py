"""Retention of raw events: what an operator says is closed goes, when the engine's policy lets it, in a safe order.

Rules:
1. The policy is a bound, never an order: nothing expires by itself. Who calls says that everything before `before` is
   closed: there is no invoice in the engine yet that could say so.
2. Events of the stretch are refused first, by every gateway, and that is waited for; only then is it looked at.
3. Customers with a subscription that starts or ends within an hour keep their events: their billing periods cut hours,
   which is what is kept of what has expired. So do event types that no meter ever read: one may come that does.
4. Every meter that any revision of the catalog had is kept in rollups: lines at an earlier revision can be asked for.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import pyarrow as pa

from engine.billing.meter_usage import measure_of
from engine.catalog.admission_rules import FENCE_AGE_MAX_S
from engine.catalog.kinds.meter import Meter
from engine.catalog.snapshots.customer_links import CustomerLinks
from engine.catalog.snapshots.subscription_columns import NO_END_US
from engine.catalog.store import CatalogStore
from engine.cluster.locks import Hold, check_turn
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import rfc3339, us_datetime
from engine.upkeep.expire import Expire, Extent
from engine.usage.facts.usage_request import Measure

_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US
# Several times what a gateway remembers, for what it had admitted by then to be stored.
FENCE_WAIT_S = 5 * FENCE_AGE_MAX_S


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """Raw events are kept for at least so many days."""

    raw_events_days_min: int


class Retention:
    """Has usage expire, for one caller at a time."""

    def __init__(
        self,
        catalog: CatalogStore,
        expire: Expire,
        policy: RetentionPolicy,
        turn: Callable[[], contextlib.AbstractContextManager[Hold]],
        now_us: Callable[[], int],
        pause_s: Callable[[int], None],
    ) -> None:
        """`turn` keeps upkeep of rollups away; `pause_s` lets time pass, or raises an error of the tree."""
        self._catalog = catalog
        self._expire = expire
        self._policy = policy
        self._turn = turn
        self._now_us = now_us
        self._pause_s = pause_s

    def expire(self, tenant: str, before_us: int, *, dry_run: bool) -> Extent:
        """Deletes the tenant's raw events before the start of a month; a dry run says what would go.

        Raises:
            InvalidRequestError: no start of a month, or younger than the policy lets go.
            StoreUnavailableError: a store does not answer, somebody else is at it, or usage changed meanwhile: expire
                again.
            MeterlineError: rollups differ from their events: nothing was deleted.
        """
        self._check(before_us)
        meters, keep = self._catalog_of(tenant)
        if dry_run:
            return self._expire.measure(tenant, meters, before_us, keep)
        with self._turn() as hold:
            self._catalog.refuse_events_before(tenant, before_us)
            self._pause_s(FENCE_WAIT_S)
            # What was applied meanwhile counts.
            meters, keep = self._catalog_of(tenant)
            return self._expire.expire(tenant, meters, before_us, keep, partial(check_turn, hold))

    def _check(self, before_us: int) -> None:
        before = us_datetime(before_us)
        if before != _month_start(before):
            raise InvalidRequestError(
                FieldMistake("before", f"must be the first of a month in UTC, is {rfc3339(before)}")
            )
        days = self._policy.raw_events_days_min
        if before_us > self._now_us() - days * _DAY_US:
            latest = _month_start(us_datetime(self._now_us()) - timedelta(days=days)).date()
            raise InvalidRequestError(
                FieldMistake(
                    "before",
                    f"is {before.date()}: raw events are kept for at least {days} days (--raw-events-days-min): "
                    f"name {latest} or earlier",
                )
            )

    def _catalog_of(self, tenant: str) -> tuple[list[Measure], frozenset[str]]:
        """Every meter that ever was, and the customers whose periods cut hours or whose usage has several ids."""
        meters: list[Measure] = []
        keep: set[str] = set()
        for versions in self._catalog.history(tenant):
            resources = (each.resource for each in versions.objects)
            meters += [measure_of(tenant, each) for each in resources if isinstance(each, Meter)]
            subscriptions = versions.subscriptions
            start_us, end_us = (subscriptions.column(name).to_numpy() for name in ("start_us", "end_us"))
            cut = (start_us % _HOUR_US != 0) | ((end_us % _HOUR_US != 0) & (end_us != NO_END_US))
            keep.update(subscriptions.column("customer").filter(pa.array(cut)).to_pylist())
            keep.update(CustomerLinks.of(versions.customers.to_batches(), None).with_aliases)
        return meters, frozenset(keep)


def _month_start(instant: datetime) -> datetime:
    return instant.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
