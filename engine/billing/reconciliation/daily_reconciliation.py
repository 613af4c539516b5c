"""Closed periods of all tenants reconciled once a day, in the background: a few customers a pass, which leaves the machine to others.

A run is of the billing periods that ended in the two months before it. It begins when an engine's turn comes, and a day after the last
began. What it found is in metrics when it is through, and each difference in the log, up to a bound.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from engine.billing.reconciliation.billing_reconciliation import BillingReconciliation
from engine.billing.reconciliation.findings import Findings
from engine.catalog.store import CatalogStore
from engine.metrics import METRICS

_log = structlog.get_logger(__name__)
_DAY_US: Final = 86_400_000_000
_SPAN_US: Final = 62 * _DAY_US
_CUSTOMERS_AT_ONCE: Final = 100
# Of one run: the command lists all.
_LOGGED_MAX: Final = 20


@dataclass(slots=True)
class _Run:
    """A run under way: the tenants that are left, the first of them behind a customer."""

    begun_us: int
    as_of_us: int
    tenants: list[str]
    after: str = ""
    found: Findings = field(default_factory=Findings)


class DailyReconciliation:
    """An upkeep: one at a time in a deployment."""

    def __init__(
        self,
        catalog: CatalogStore,
        reconciliation: BillingReconciliation,
        now_us: Callable[[], int],
        watermark_us: Callable[[], int],
    ) -> None:
        self._catalog = catalog
        self._reconciliation = reconciliation
        self._now_us = now_us
        self._watermark_us = watermark_us
        self._run: _Run | None = None
        self._next_us = 0

    def next_pass(self) -> None:
        """Goes on with a run, or begins the next if it is time. Raises StoreUnavailableError: the next pass goes on from there."""
        now_us = self._now_us()
        if self._run is None:
            if now_us < self._next_us:
                return
            self._run = _Run(now_us, self._watermark_us(), sorted(self._catalog.tenants()))
        if self._run.tenants:
            self._step(self._run)
        if not self._run.tenants:
            METRICS.billing_differences.set(self._run.found.difference_count)
            METRICS.billing_reconciled_timestamp_seconds.set(now_us / 1_000_000)
            self._next_us = self._run.begun_us + _DAY_US
            self._run = None

    def _step(self, run: _Run) -> None:
        tenant = run.tenants[0]
        from_us = max(0, run.begun_us - _SPAN_US)
        done = self._reconciliation.step(
            tenant, from_us, run.begun_us, run.as_of_us, run.after, _CUSTOMERS_AT_ONCE
        )
        room = max(0, _LOGGED_MAX - run.found.difference_count)
        for each in done.findings.differences[:room]:
            _log.error(
                "an invoice differs from its events",
                tenant=tenant,
                kind=each.kind.value,
                invoice_id=each.invoice_id,
                line=each.line_number,
            )
        run.found.add(done.findings)
        run.after = done.next_customer
        if not run.after:
            run.tenants.pop(0)
