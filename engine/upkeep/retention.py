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

from engine.billing.meter_usage import all_time_request
from engine.catalog.admission_rules import FENCE_AGE_MAX_S
from engine.catalog.resources import Meter, Subscription
from engine.catalog.store import CatalogStore
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import rfc3339, us_datetime
from engine.usage.expire import Expire, Extent
from engine.usage.usage_request import UsageRequest

_DAY_US = 86_400_000_000
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
        turn: Callable[[], contextlib.AbstractContextManager[None]],
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
        with self._turn():
            self._catalog.refuse_events_before(tenant, before_us)
            self._pause_s(FENCE_WAIT_S)
            # What was applied meanwhile counts.
            meters, keep = self._catalog_of(tenant)
            return self._expire.expire(tenant, meters, before_us, keep)

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

    def _catalog_of(self, tenant: str) -> tuple[list[UsageRequest], frozenset[str]]:
        """Every meter that ever was, and the customers whose periods cut hours."""
        versions = [each.resource for each in self._catalog.every_version(tenant)]
        meters = [all_time_request(tenant, each) for each in versions if isinstance(each, Meter)]
        keep = {
            each.customer
            for each in versions
            if isinstance(each, Subscription) and not (_on_the_hour(each.start) and _on_the_hour(each.end))
        }
        return meters, frozenset(keep)


def _month_start(instant: datetime) -> datetime:
    return instant.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _on_the_hour(instant: datetime | None) -> bool:
    return instant is None or (instant.minute, instant.second, instant.microsecond) == (0, 0, 0)
