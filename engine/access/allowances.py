"""What is left to each tenant of its limits, at this gateway. Every call asks; a tenant without limits passes at once.

Rules:
1. A call is refused before anything of it is read while its tenant owes something (`enter`), and a refusal costs the
   tenant nothing. What was let in is charged with what it turns out to hold.
2. Events are counted when they are decoded (engine.usage.recording.intake): of what came in at the same time one
   request at most goes through that owes more than there was.
3. Limits are read again after _AGE_MAX_NS, so what is set at one gateway holds at the others after that; at the
   gateway that was asked, at once.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from engine.access.tenant_limit_store import TenantLimitStore
from engine.access.tenant_limits import Limit, TenantLimits
from engine.access.token_bucket import TokenBucket
from engine.errors import FieldMistake, InvalidRequestError, LimitExceededError
from engine.metrics import METRICS
from engine.recent_answers import RecentAnswers

_AGE_MAX_NS: Final = 2_000_000_000
_KEPT_MAX: Final = 50_000
_MILLISECOND_NS: Final = 1_000_000
# Nobody knows when a stream ends.
_STREAM_RETRY_MS: Final = 1_000
_BY_THE_SECOND: Final = (Limit.REQUESTS, Limit.EVENTS, Limit.BYTES)


@dataclass(frozen=True, slots=True)
class Use:
    """A limit of a tenant (None: there is none), whether it was set for this tenant, and what the tenant takes of it at
    this gateway: a second, or streams that are open now; None where nothing is counted, since there is no limit.
    `refused`: requests since the start.
    """

    limit: Limit
    number: int | None
    is_own: bool
    used: int | None
    refused: int


class Allowance:
    """One tenant's. Thread-safe."""

    def __init__(self, tenant: str, monotonic_ns: Callable[[], int]) -> None:
        self._tenant = tenant
        self._monotonic_ns = monotonic_ns
        self._lock = threading.Lock()
        self.limits = TenantLimits()
        self._buckets: dict[Limit, TokenBucket] = {}
        self._streams = 0
        self._refused = dict.fromkeys(Limit, 0)

    def change(self, limits: TenantLimits) -> None:
        """Other limits from now on; what is owed and what is open stays."""
        now_ns = self._monotonic_ns()
        with self._lock:
            buckets = {}
            for limit in _BY_THE_SECOND:
                number, bucket = limits.number(limit), self._buckets.get(limit)
                if number is None:
                    continue
                if bucket is None:
                    bucket = TokenBucket(number)
                elif bucket.per_s != number:
                    bucket.change(number, now_ns)
                buckets[limit] = bucket
            self._buckets, self.limits = buckets, limits

    def enter(self, limits: frozenset[Limit]) -> None:
        """A call of an operation with these limits begins: one request, and perhaps an open stream (`leave`).

        Raises:
            LimitExceededError: something is owed, or too many streams are open.
        """
        if not self._buckets and Limit.STREAMS not in limits:
            return
        now_ns = self._monotonic_ns()
        with self._lock:
            for limit, bucket in self._buckets.items():
                if limit in limits:
                    self._check(limit, bucket, now_ns)
            if Limit.STREAMS in limits:
                most = self.limits.open_streams_max
                if most is not None and self._streams >= most:
                    raise self._refusal(Limit.STREAMS, most, _STREAM_RETRY_MS)
                self._streams += 1
            if (requests := self._buckets.get(Limit.REQUESTS)) is not None:
                requests.take(1, now_ns)

    def leave(self, limits: frozenset[Limit]) -> None:
        """A call that entered is over."""
        if Limit.STREAMS in limits:
            with self._lock:
                self._streams -= 1

    def charge(self, limit: Limit, count: int) -> None:
        """So many more; a count of 0 only asks whether something is owed.

        Raises:
            LimitExceededError: something is owed, and nothing was charged.
        """
        if limit not in self._buckets:
            return
        now_ns = self._monotonic_ns()
        with self._lock:
            if (bucket := self._buckets.get(limit)) is not None:
                self._check(limit, bucket, now_ns)
                bucket.take(count, now_ns)

    def check_groups(self, count: int) -> None:
        """Whether an answer may have so many groups of one customer.

        Raises:
            InvalidRequestError: it may not, and won't later.
        """
        most = self.limits.usage_groups_max
        if most is not None and count > most:
            with self._lock:
                self._refused[Limit.GROUPS] += 1
            METRICS.limited_calls.labels(Limit.GROUPS.value).inc()
            raise InvalidRequestError(
                FieldMistake(
                    "group_by",
                    f"gives more than {most:,} groups of one customer, the tenant's limit ({Limit.GROUPS.value}): "
                    "group by properties with fewer values, or filter",
                )
            )

    def uses(self, own: Collection[Limit]) -> list[Use]:
        """`own`: the limits that were set for this tenant."""
        now_ns = self._monotonic_ns()
        with self._lock:
            used: dict[Limit, int | None] = {
                limit: bucket.used_per_s(now_ns) for limit, bucket in self._buckets.items()
            }
            used[Limit.STREAMS] = self._streams
            return [
                Use(limit, self.limits.number(limit), limit in own, used.get(limit), self._refused[limit])
                for limit in Limit
            ]

    def _check(self, limit: Limit, bucket: TokenBucket, now_ns: int) -> None:
        owed_ns = bucket.owed_ns(now_ns)
        if owed_ns > 0:
            raise self._refusal(limit, bucket.per_s, -(-owed_ns // _MILLISECOND_NS))

    def _refusal(self, limit: Limit, number: int, retry_after_ms: int) -> LimitExceededError:
        self._refused[limit] += 1
        METRICS.limited_calls.labels(limit.value).inc()
        return LimitExceededError(
            f"the tenant's limit of {number:,} {limit.unit} is reached ({limit.value}): "
            f"come again in {retry_after_ms / 1_000:g} s",
            retry_after_ms=retry_after_ms,
            limit=limit.value,
            tenant=self._tenant,
        )


class Allowances:
    """Those of all tenants. Thread-safe."""

    def __init__(
        self, store: TenantLimitStore, defaults: TenantLimits, monotonic_ns: Callable[[], int]
    ) -> None:
        """`defaults` are for every tenant that has none of its own."""
        self._store = store
        self.defaults = defaults
        self._monotonic_ns = monotonic_ns
        self._limits: RecentAnswers[str, TenantLimits] = RecentAnswers(monotonic_ns, _AGE_MAX_NS, _KEPT_MAX)
        # One for each tenant that has called: tenants are made by who runs the engine alone.
        self._allowances: dict[str, Allowance] = {}

    def of(self, tenant: str) -> Allowance:
        """Raises StoreUnavailableError if the database does not answer."""
        limits = self._limits.of(tenant, lambda known: self._read(tenant, known))
        allowance = self._allowances.get(tenant)
        if allowance is None:
            # Two threads at once get the same one.
            allowance = self._allowances.setdefault(tenant, Allowance(tenant, self._monotonic_ns))
        if allowance.limits is not limits:
            allowance.change(limits)
        return allowance

    def uses(self, tenant: str) -> list[Use]:
        """Each limit of a tenant as it is in the database, and what is taken of it here."""
        own = self._store.own_limits(tenant)
        self._limits.forget(tenant)
        return self.of(tenant).uses(own)

    def change(self, tenant: str, changes: Mapping[Limit, int | None], dropped: frozenset[Limit]) -> None:
        """Sets some limits of a tenant, and drops others, for which what holds for all holds again.

        Raises:
            NotFoundError: there is no such tenant.
        """
        self._store.change(tenant, changes, dropped)
        self._limits.forget(tenant)

    def charge_events(self, tenant: str, count: int) -> None:
        """Raises as `Allowance.charge`."""
        if (allowance := self._allowances.get(tenant)) is not None:
            allowance.charge(Limit.EVENTS, count)

    def check_groups(self, tenant: str, count: int) -> None:
        """Raises as `Allowance.check_groups`."""
        if (allowance := self._allowances.get(tenant)) is not None:
            allowance.check_groups(count)

    def _read(self, tenant: str, known: TenantLimits | None) -> TenantLimits:
        read = self.defaults.changed(self._store.own_limits(tenant))
        return known if known == read else read
