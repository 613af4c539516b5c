"""The upkeep of alerts: customers whose spend may have changed are measured again, and what that reaches is told.

Rules:
1. A pass measures whoever has events or corrections that were stored since the cursor's watermark, up to its own; and whoever the catalog
   has changed since. Nothing is missed over a kill, a restart or a change of gateways: the cursor tells where to go on. The first pass
   goes on from the making of the oldest alert.
2. Such a customer is measured now, and in each earlier epoch back to the earliest of these events, at most EPOCHS_MAX back: what
   comes in late, or at the very end of a period, counts where it belongs; also behind the end of a subscription.
3. Periods begin, and levels are held, without an event: every hour all customers are measured (a sweep), and those whose epoch has
   begun since the last one in the epoch before as well.
4. What is measured is rated at one watermark and one revision. Values between two passes are not seen.
5. A tenant that can't be measured holds up no other.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from engine.billing.rater import Rater, Snapshot
from engine.catalog.kinds.alert import Alert
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.store import CatalogStore
from engine.errors import MeterlineError
from engine.metrics import METRICS
from engine.outbox.fact_types import FactType
from engine.spend.alerts.crossings import Measured, measured_value, reaches
from engine.spend.alerts.measuring import changed_customers, measured_at, touched_customers
from engine.spend.alerts.store import CrossingStore, Cursor
from engine.times import datetime_us
from engine.usage.store.usage_store import UsageStore

_log = structlog.get_logger(__name__)
EPOCHS_MAX: Final = 40
"""As many days as events may be late by default, and some."""
_HOUR_US: Final = 3_600_000_000
# The cursor of a quiet tenant moves so often: the log is looked through from there on.
_QUIET_US: Final = 600_000_000


@dataclass(frozen=True, slots=True)
class Alerts:
    """The alerts of a catalog, by whom they are about."""

    of_all: Sequence[Alert]
    of_one: Mapping[str, Sequence[Alert]]

    @classmethod
    def of(cls, catalog: Catalog) -> "Alerts":
        of_one: dict[str, list[Alert]] = defaultdict(list)
        for each in catalog.alerts:
            if each.customer is not None:
                of_one[each.customer].append(each)
        return cls([each for each in catalog.alerts if each.customer is None], of_one)

    def of_customer(self, customer_id: str) -> Sequence[Alert]:
        return [*self.of_all, *self.of_one.get(customer_id, ())]

    @property
    def meters(self) -> frozenset[str]:
        return frozenset(
            each.meter for some in (self.of_all, *self.of_one.values()) for each in some if each.meter
        )


class AlertPass:
    """An upkeep: one at a time in a deployment."""

    def __init__(
        self,
        catalog: CatalogStore,
        rater: Rater,
        usage: UsageStore,
        crossings: CrossingStore,
        now_us: Callable[[], int],
    ) -> None:
        self._catalog = catalog
        self._rater = rater
        self._usage = usage
        self._crossings = crossings
        self._now_us = now_us
        for told in (FactType.ALERT_CROSSED, FactType.ALERT_RECOVERED):
            # There from the start: a rate needs a first value.
            METRICS.alert_facts.labels(told.value)

    def next_pass(self) -> int:
        """Tells what has changed; how much. Raises MeterlineError if a tenant can't be measured: the others are."""
        told, failure = 0, None
        for tenant in self._catalog.tenants_with(Alert.kind):
            try:
                told += self._pass_of(tenant)
            except MeterlineError as error:
                _log.warning("alerts are not measured", tenant=tenant, error=str(error))
                failure = error
        if failure is not None:
            raise failure
        return told

    def _pass_of(self, tenant: str) -> int:
        before = self._crossings.cursor(tenant)
        snapshot = self._rater.snapshot(tenant, None, None)
        alerts = Alerts.of(snapshot.catalog)
        if not snapshot.catalog.alerts:
            if before is not None:
                self._crossings.forget(tenant)
            return 0
        after = Cursor(snapshot.as_of_us, snapshot.catalog.revision, snapshot.at_us)
        if before is None or snapshot.at_us // _HOUR_US != before.swept_at_us // _HOUR_US:
            measured = self._swept(snapshot, alerts, None if before is None else before.swept_at_us)
            since_us = self._made_at_us(snapshot) if before is None else before.as_of_us
            back_to_us = touched_customers(self._usage, snapshot, since_us)
        else:
            measured, back_to_us = iter(()), touched_customers(self._usage, snapshot, before.as_of_us)
            changed = changed_customers(
                self._catalog, tenant, before.catalog_revision, after.catalog_revision
            )
            if changed is None:
                measured = self._swept(snapshot, alerts, None)
            else:
                back_to_us |= dict.fromkeys(changed - back_to_us.keys(), snapshot.at_us)
                is_quiet = not back_to_us and after.catalog_revision == before.catalog_revision
                if is_quiet and after.as_of_us < before.as_of_us + _QUIET_US:
                    return 0
                after = replace(after, swept_at_us=before.swept_at_us)
        wanted = {each: since for each, since in back_to_us.items() if alerts.of_customer(each)}
        found = [*measured, *self._measured_back(snapshot, alerts, wanted)]
        # Of a customer the earlier epoch first: a later one may go on from it.
        found.sort(key=lambda each: (each.customer_id, each.epoch.start_us))
        return self._crossings.record(tenant, alerts.of_customer, found, before, after, self._now_us())

    def _made_at_us(self, snapshot: Snapshot) -> int:
        """Since when there is an alert: what came in between that and the first pass counts where it belongs, too."""
        oldest = min(snapshot.catalog.objects[Alert.kind].values(), key=lambda each: each.revision)
        (version,) = self._catalog.versions(
            snapshot.catalog.tenant, Alert.kind, oldest.resource.id, oldest.version + 1, 1
        )
        return datetime_us(version.changed_at)

    def _swept(self, snapshot: Snapshot, alerts: Alerts, since_us: int | None) -> Iterator[Measured]:
        """Of all customers those who reach something, or did in an epoch that theirs goes on from; in the epoch before, too, where
        theirs began after `since_us`.
        """
        customers = None if alerts.of_all else self._known(snapshot, alerts.of_one)
        found = list(measured_at(self._rater, snapshot, alerts.meters, customers))
        first_us = min((each.epoch.since_us for each in found), default=snapshot.at_us)
        standing = self._crossings.standing_customers(snapshot.catalog.tenant, first_us)
        for each in found:
            if each.customer_id in standing or _reaches_any(alerts, each):
                yield each
        if since_us is not None:
            began = {
                each.customer_id: each.epoch.start_us - 1 for each in found if each.epoch.start_us > since_us
            }
            yield from self._measured_back(snapshot, alerts, began)

    def _measured_back(
        self, snapshot: Snapshot, alerts: Alerts, back_to_us: Mapping[str, int]
    ) -> Iterator[Measured]:
        """These customers now, and in earlier epochs, back to instants of their own (rule 2)."""
        at_us = {snapshot.at_us: set(back_to_us)} if back_to_us else {}
        for _ in range(EPOCHS_MAX + 1):
            earlier: dict[int, set[str]] = defaultdict(set)
            for instant_us, customers in at_us.items():
                without = self._known(snapshot, customers)
                for each in measured_at(
                    self._rater, replace(snapshot, at_us=instant_us), alerts.meters, frozenset(without)
                ):
                    yield each
                    without.discard(each.customer_id)
                    if back_to_us[each.customer_id] < each.epoch.start_us:
                        earlier[each.epoch.start_us - 1].add(each.customer_id)
                for customer in without:
                    ended_us = _ended_us(snapshot.catalog, customer, instant_us)
                    if back_to_us[customer] < ended_us:
                        earlier[ended_us - 1].add(customer)
            at_us = earlier
            if not at_us:
                return

    @staticmethod
    def _known(snapshot: Snapshot, customers: Iterable[str]) -> set[str]:
        return {each for each in customers if each in snapshot.catalog.customers}


def _ended_us(catalog: Catalog, customer_id: str, at_us: int) -> int:
    """When the last of a customer's subscriptions ended that had ended by an instant; 0 if none had."""
    columns = catalog.subscription_columns
    rows = columns.rows_of(customer_id)
    ends_us = columns.end_us[rows.start : rows.stop]
    return int(ends_us[ends_us <= at_us].max(initial=0))


def _reaches_any(alerts: Alerts, measured: Measured) -> bool:
    return any(
        (value := measured_value(alert, measured.values)) is not None and reaches(alert, threshold, value)
        for alert in alerts.of_customer(measured.customer_id)
        for threshold in alert.thresholds
    )
