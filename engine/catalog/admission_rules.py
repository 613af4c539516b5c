"""The admission rules of a tenant, made from its catalog's meters and kept until the catalog changes."""

import threading
from collections.abc import Callable

from engine.catalog.store import CatalogStore
from engine.recent_answers import RecentAnswers
from ingest import Admission, Limits

# How long events may still be admitted whose stretch of time begins to expire (engine.upkeep.retention waits for longer).
FENCE_AGE_MAX_S = 1
_TENANTS_MAX = 1_000


class AdmissionRules:
    """Thread-safe; asks the catalog store for its revision on every call, for its meters only when that moved, and every
    second before which instant events have expired.
    """

    def __init__(self, catalog: CatalogStore, limits: Limits, monotonic_ns: Callable[[], int]) -> None:
        self._catalog = catalog
        self._limits = limits
        self._lock = threading.Lock()
        self._by_tenant: dict[str, tuple[int, int, Admission]] = {}
        self._fences = RecentAnswers[str, int](monotonic_ns, FENCE_AGE_MAX_S * 1_000_000_000, _TENANTS_MAX)

    def for_tenant(self, tenant: str) -> Admission:
        catalog = self._catalog.snapshot(tenant)
        expired_before_us = self._fences.of(
            tenant, lambda _known: self._catalog.events_refused_before_us(tenant)
        )
        with self._lock:
            known = self._by_tenant.get(tenant)
            if known is not None and known[:2] == (catalog.revision, expired_before_us):
                return known[2]
            values: dict[str, set[str]] = {}
            for meter in (each.resource for each in catalog.meters.values()):
                values.setdefault(meter.event_type, set()).update(meter.decimal_properties)
            admission = Admission(
                self._limits,
                {event_type: frozenset(names) for event_type, names in values.items()},
                expired_before_us,
            )
            self._by_tenant[tenant] = (catalog.revision, expired_before_us, admission)
            return admission
