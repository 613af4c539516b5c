"""Billing periods that the engine closes by itself, for tenants that say so: an hour's at a time, once their grace is over.

Rules:
1. A pass closes what ended in the whole hours since the last one of each tenant. So an engine that stood still for a month closes
   that month in one run, and one that runs closes each period within an hour of its grace.
2. Customers that are left open, as a price can't rate their usage, and periods that were not due at the run's watermark, are tried
   again once an hour, from the span on in which they were left first. Others of that span have their invoices: they stand.
3. A subscription may be changed for the past, so that a period of it comes to end in an hour that is closed: once a day, where the
   catalog has changed since, all that ended within the last hundred days is closed again.
4. A step that must wait, for a backup or a person's close, breaks the pass off: the next pass goes on. A run that fails is given up:
   one with a later watermark comes after it, with whatever has been mended. No tenant's failure holds others up.
5. A billing period whose invoice a person made void is not billed anew by itself: a close by hand does. Corrections that a void
   invoice had are on the customer's next one.
6. Where invoices are reviewed nothing is closed: drafts are counted once an hour, and the span of what is not billed yet begins at the
   first of them. What is looked back for is found as drafts.
7. Whoever changes the settings ends a run that is under way, at its next step.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from engine.billing.automatic.billing_settings import BillingSettings, BillingSettingsStore
from engine.billing.closing.closer import SUBSCRIPTIONS_AT_ONCE, Closer
from engine.billing.closing.invoice import ALL_DUE, AUTOMATIC
from engine.errors import MeterlineError, RetryLaterError
from engine.metrics import METRICS

_log = structlog.get_logger(__name__)
_HOUR_US: Final = 3_600_000_000
_DAY_US: Final = 24 * _HOUR_US
_LOOKED_BACK_US: Final = 100 * _DAY_US
# Of one run in the log; meterline close lists all.
_LOGGED_MAX: Final = 20


@dataclass(slots=True)
class _Drafts:
    """How many drafts wait, where the first of their periods ends, and how many customers and invoices can't be billed yet."""

    first_end_us: int
    count: int = 0
    left: int = 0


class AutomaticClose:
    """An upkeep: one at a time in a deployment."""

    def __init__(
        self,
        settings: BillingSettingsStore,
        closer: Closer,
        turn: Callable[[], contextlib.AbstractContextManager[object]],
        now_us: Callable[[], int],
        is_stopping: Callable[[], bool],
    ) -> None:
        """`turn`: while a step runs, no backup, erasure or other close is at work."""
        self._settings = settings
        self._closer = closer
        self._turn = turn
        self._now_us = now_us
        self._is_stopping = is_stopping

    def next_pass(self) -> None:
        """Raises RetryLaterError at once, and another MeterlineError once every tenant had its turn: the next pass goes on."""
        open_customers, failure = 0, None
        for tenant in self._settings.automatic():
            try:
                open_customers += self._close_of(tenant).open_customer_count
            except RetryLaterError:
                raise
            except MeterlineError as error:
                _log.error("billing periods can't be closed", tenant=tenant, error=str(error))
                failure = error
                open_customers += self._settings.of(tenant).open_customer_count
        METRICS.open_customers.set(open_customers)
        if failure is not None:
            raise failure

    def _close_of(self, tenant: str) -> BillingSettings:
        """The settings afterwards, as of each step."""
        settings = self._settings.of(tenant)
        for step in (self._close_ended, self._count_drafts, self._look_back, self._retry_open):
            if settings.is_automatic:
                settings = step(tenant, settings)
        return settings

    def _count_drafts(self, tenant: str, settings: BillingSettings) -> BillingSettings:
        """Rule 6."""
        from_us, now_us = settings.closed_until_us, self._now_us()
        until_us = self._over_until_us(settings)
        if not settings.is_reviewed or from_us is None or until_us <= from_us:
            return settings
        if now_us < (settings.retried_at_us or 0) + _HOUR_US:
            return settings
        found = self._drafts(tenant, settings, from_us, until_us)
        if found is None:
            return settings
        billed_until_us = from_us if found.left else max(from_us, min(until_us, found.first_end_us - 1))
        after = replace(
            settings,
            closed_until_us=billed_until_us,
            draft_count=found.count,
            open_customer_count=found.left,
            open_since_us=from_us if found.left else None,
            retried_at_us=now_us,
        )
        return self._settings.advance(tenant, settings, after)

    def _drafts(
        self, tenant: str, settings: BillingSettings, from_us: int, until_us: int
    ) -> "_Drafts | None":
        """None where the engine stops."""
        close = self._closer.drafts(tenant, from_us, until_us, settings.grace_us)
        found, row = _Drafts(until_us + 1), 0
        while True:
            if self._is_stopping():
                return None
            step = self._closer.draft(close, row, SUBSCRIPTIONS_AT_ONCE, ALL_DUE)
            found.left += len(step.open_customers)
            for due in step.due:
                found.left += due.not_due_count
                found.count += len(due.invoices)
                ends_us = (each.key.end_us for each in due.invoices)
                found.first_end_us = min(found.first_end_us, *ends_us, until_us + 1)
            row = step.next_row
            if not row:
                return found

    def _over_until_us(self, settings: BillingSettings) -> int:
        """The end of the last whole hour whose grace is over."""
        return (self._now_us() - settings.grace_us) // _HOUR_US * _HOUR_US

    def _close_ended(self, tenant: str, settings: BillingSettings) -> BillingSettings:
        from_us, until_us = settings.closed_until_us, settings.closing_until_us
        if from_us is None or settings.is_reviewed:
            return settings
        if until_us is None:
            until_us = self._over_until_us(settings)
            if until_us <= from_us:
                return settings
            begun = replace(settings, closing_until_us=until_us)
            settings = self._settings.advance(tenant, settings, begun)
            if settings != begun:
                return settings
        try:
            left = self._run(tenant, settings, from_us, until_us)
        except RetryLaterError:
            raise
        except MeterlineError:
            self._settings.advance(tenant, settings, replace(settings, closing_until_us=None))
            raise
        if left is None:
            return settings
        after = replace(settings, closed_until_us=until_us, closing_until_us=None)
        if left and (settings.open_since_us is None or from_us < settings.open_since_us):
            after = replace(
                after, open_since_us=from_us, open_customer_count=left, retried_at_us=self._now_us()
            )
        return self._settings.advance(tenant, settings, after)

    def _look_back(self, tenant: str, settings: BillingSettings) -> BillingSettings:
        """Rule 3: what is found is closed as what was left open is."""
        now_us, since_us, until_us = self._now_us(), settings.closed_since_us, settings.closed_until_us
        looked_us = settings.looked_at_us or 0
        if since_us is None or until_us is None or now_us < looked_us + _DAY_US:
            return settings
        revision = self._closer.revision(tenant)
        after = replace(settings, looked_at_us=now_us, looked_revision=revision)
        # Under review `until_us` stays where somebody is left open: counted from there, each look would go further back.
        newest_us = self._over_until_us(settings) if settings.is_reviewed else until_us
        first_us = max(since_us, newest_us - _LOOKED_BACK_US)
        if revision != settings.looked_revision and first_us < until_us:
            begin_us = first_us if settings.open_since_us is None else min(first_us, settings.open_since_us)
            after = replace(after, retried_at_us=None)
            if settings.is_reviewed:
                after = replace(after, closed_until_us=first_us)
            else:
                after = replace(after, open_since_us=begin_us)
        return self._settings.advance(tenant, settings, after)

    def _retry_open(self, tenant: str, settings: BillingSettings) -> BillingSettings:
        since_us, until_us = settings.open_since_us, settings.closed_until_us
        tried_us = settings.retried_at_us or 0
        # What was released during a run over a later span is open before that span is closed.
        if settings.is_reviewed or since_us is None or until_us is None or until_us <= since_us:
            return settings
        if self._now_us() < tried_us + _HOUR_US:
            return settings
        # Written first: what is released meanwhile is another change (engine.billing.automatic.billing_settings.look_again).
        begun = replace(settings, retried_at_us=self._now_us())
        if (found := self._settings.advance(tenant, settings, begun)) != begun:
            return found
        left = None
        try:
            left = self._run(tenant, begun, since_us, until_us)
        finally:
            if left is None:
                found = self._settings.advance(tenant, begun, settings)
        if left is None:
            return found
        after = replace(begun, open_since_us=since_us if left else None, open_customer_count=left)
        return self._settings.advance(tenant, begun, after)

    def _run(self, tenant: str, settings: BillingSettings, from_us: int, until_us: int) -> int | None:
        """How many customers and invoices are left open; None for a run that is broken off."""
        with self._turn():
            close = self._closer.begin(tenant, from_us, until_us, settings.grace_us, AUTOMATIC)
        row = issued = left = logged = 0
        while True:
            # Rule 7.
            if self._is_stopping() or self._settings.of(tenant) != settings:
                return None
            with self._turn():
                step = self._closer.step(close, row)
            issued += len(step.issued)
            left += step.open_customer_count + step.not_due_count
            for line in step.unrateable[: _LOGGED_MAX - logged]:
                logged += 1
                _log.warning(
                    "a customer is not billed",
                    tenant=tenant,
                    customer_id=line.charge.subscription.customer,
                    reason=line.unrateable_reason,
                )
            row = step.next_row
            if not row:
                break
        if issued or left:
            _log.info(
                "billing periods closed",
                tenant=tenant,
                close_id=close.close_id,
                issued=issued,
                left_open=left,
            )
        return left
