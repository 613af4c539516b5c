"""The upkeep of top-ups: who has a rule, and whose balance may have changed, is measured; who is below is topped up.

Rules:
1. What a rule looks at is the balance that alerts measure (AlertMeasure.CREDIT_BALANCE): what is left of the credit in its currency
   that is valid now, after what the running periods draw. Without any such credit that is nothing.
2. It is a state that is looked at, not a change: nothing is missed over a kill, a restart or a change of gateways. What a pass looked
   at is kept in memory alone; an engine that comes up, or takes over, looks at all who have rules.
3. Measured are those about whom a fact of usage has come in since the pass before, or whom a change of the catalog concerns; all who
   have rules once an hour, since credit expires and periods begin without either. A tenant without rules costs a read of the
   catalog's database, and none of the usage store.
4. A rule makes at most one top-up a pass: the next one measures what that has left. A customer who is far below is topped up
   until it isn't, or the rule's most for the month is reached.
5. An erased customer is topped up no more. A tenant, or a rule, that fails holds up no other.
"""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import structlog

from engine.billing.rater import Rater, Snapshot
from engine.catalog.kinds.alert import AlertMeasure
from engine.catalog.kinds.credit_grant import TopUpRule
from engine.catalog.store import CatalogStore
from engine.erasure.naming import is_pseudonym
from engine.errors import MeterlineError, RetryLaterError
from engine.spend.alerts.crossings import Measured
from engine.spend.alerts.measuring import changed_customers, measured_at, touched_customers
from engine.spend.top_ups.store import LowBalance, TopUpStore
from engine.usage.store.usage_store import UsageStore

_log = structlog.get_logger(__name__)
_HOUR_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class _Looked:
    """Of a tenant: up to which watermark, at which revision of the catalog, and when all were looked at."""

    as_of_us: int
    revision: int
    all_at_us: int


class TopUpPass:
    """An upkeep: one at a time in a deployment."""

    def __init__(self, catalog: CatalogStore, rater: Rater, usage: UsageStore, top_ups: TopUpStore) -> None:
        self._catalog = catalog
        self._rater = rater
        self._usage = usage
        self._top_ups = top_ups
        self._looked: dict[str, _Looked] = {}

    def next_pass(self) -> int:
        """Grants what is to be granted; how often. Raises MeterlineError if something can't be: all else is."""
        granted, failure = 0, None
        for tenant in self._catalog.tenants_with(TopUpRule.kind):
            try:
                granted += self._pass_of(tenant)
            except MeterlineError as error:
                # What fails is looked at again, with all else of the tenant.
                self._looked.pop(tenant, None)
                _log.warning("credit is not topped up", tenant=tenant, error=str(error))
                failure = error
        if failure is not None:
            raise failure
        return granted

    def _pass_of(self, tenant: str) -> int:
        snapshot = self._rater.snapshot(tenant, None, None)
        if not snapshot.catalog.top_up_rules_of:
            self._looked.pop(tenant, None)
            return 0
        known = self._looked.get(tenant)
        looks_at_all = known is None or snapshot.at_us >= known.all_at_us + _HOUR_US
        wanted = None if known is None or looks_at_all else self._concerned(snapshot, known)
        customers = _with_rules(snapshot, wanted)
        granted, failure = 0, None
        for measured in measured_at(self._rater, snapshot, (), customers) if customers else ():
            for rule in snapshot.catalog.top_up_rules_of[measured.customer_id]:
                try:
                    granted += self._top_up(snapshot, rule, measured)
                except MeterlineError as error:
                    failure = failure or error
        if failure is not None:
            raise failure
        all_at_us = snapshot.at_us if known is None or wanted is None else known.all_at_us
        self._looked[tenant] = _Looked(snapshot.as_of_us, snapshot.catalog.revision, all_at_us)
        return granted

    def _concerned(self, snapshot: Snapshot, known: _Looked) -> Collection[str] | None:
        """Whose balance may have changed; None: everybody's. What a pass has granted is of a later revision: it is measured again."""
        catalog = snapshot.catalog
        changed = changed_customers(self._catalog, catalog.tenant, known.revision, catalog.revision)
        if changed is None:
            return None
        return changed | touched_customers(self._usage, snapshot, known.as_of_us).keys()

    def _top_up(self, snapshot: Snapshot, rule: TopUpRule, measured: Measured) -> bool:
        balance = measured.values.get((AlertMeasure.CREDIT_BALANCE, rule.currency), Decimal(0))
        if balance >= rule.below:
            return False
        low = LowBalance(
            snapshot.catalog, rule, balance, snapshot.at_us, snapshot.as_of_us, measured.epoch.end_us
        )
        try:
            return self._top_ups.top_up(low)
        except RetryLaterError:
            raise
        except MeterlineError as error:
            _log.error(
                "a rule can't top up credit",
                tenant=snapshot.catalog.tenant,
                top_up_rule=rule.id,
                error=str(error),
            )
            raise


def _with_rules(snapshot: Snapshot, wanted: Collection[str] | None) -> list[str]:
    """Those of these customers, None: of all, who have rules."""
    rules = snapshot.catalog.top_up_rules_of
    found = rules.keys() if wanted is None else rules.keys() & set(wanted)
    return [each for each in found if not is_pseudonym(each)]
