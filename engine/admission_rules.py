"""The admission rules of a tenant, made from its catalog's meters and kept until the catalog changes."""

import threading

from engine.catalog.store import CatalogStore
from ingest import Admission, Limits


class AdmissionRules:
    """Thread-safe; asks the catalog store for its revision on every call, for its meters only when that moved."""

    def __init__(self, catalog: CatalogStore, limits: Limits) -> None:
        self._catalog = catalog
        self._limits = limits
        self._lock = threading.Lock()
        self._by_tenant: dict[str, tuple[int, Admission]] = {}

    def for_tenant(self, tenant: str) -> Admission:
        catalog = self._catalog.snapshot(tenant)
        with self._lock:
            known = self._by_tenant.get(tenant)
            if known is not None and known[0] == catalog.revision:
                return known[1]
            values: dict[str, set[str]] = {}
            for meter in (each.resource for each in catalog.meters.values()):
                values.setdefault(meter.event_type, set()).update(meter.decimal_properties)
            admission = Admission(
                self._limits, {event_type: frozenset(names) for event_type, names in values.items()}
            )
            self._by_tenant[tenant] = (catalog.revision, admission)
            return admission
