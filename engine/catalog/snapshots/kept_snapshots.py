"""The snapshots that are kept for the next who asks: the newest of each tenant, and earlier ones as memory allows.

1. Of a tenant's revisions the newest that was asked for stays; of all, no more than SNAPSHOTS_MAX.
2. What earlier ones hold besides, rows that no newer one shares and columns, is at most EARLIER_ROWS_MAX rows: the
   columns of whichever was used longest ago go first, then that snapshot. Somebody who holds it goes on with it.

A catalog of a million customers that is applied in pieces makes 80 revisions, of which each copies a million rows.
"""

import threading
from collections import Counter, OrderedDict
from typing import Final

from engine.catalog.snapshots.snapshot import Catalog

# The newest of every tenant in use, and some that invoices of earlier periods ask for.
SNAPSHOTS_MAX: Final = 32
# A row takes some 150 bytes: 300 MB.
EARLIER_ROWS_MAX: Final = 2_000_000


class KeptSnapshots:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Least recently used first.
        self._snapshots: OrderedDict[tuple[str, int], Catalog] = OrderedDict()
        # How many snapshots share a chunk, by identity: it lives as long as one of them.
        self._shared: Counter[int] = Counter()
        self._rows = 0

    def get(self, tenant: str, revision: int) -> Catalog | None:
        with self._lock:
            if catalog := self._snapshots.get((tenant, revision)):
                self._snapshots.move_to_end((tenant, revision))
            return catalog

    def before(self, tenant: str, revision: int) -> Catalog:
        """The tenant's latest catalog before a revision, which may be the empty one."""
        with self._lock:
            earlier = [known for of, known in self._snapshots if of == tenant and known < revision]
            return self._snapshots[tenant, max(earlier)] if earlier else Catalog.empty(tenant)

    def keep(self, catalog: Catalog) -> None:
        key = (catalog.tenant, catalog.revision)
        with self._lock:
            if key in self._snapshots:
                return
            self._snapshots[key] = catalog
            for chunk in catalog.chunks():
                self._rows += 0 if self._shared[id(chunk)] else chunk.num_rows
                self._shared[id(chunk)] += 1
            while len(self._snapshots) > SNAPSHOTS_MAX:
                self._drop(next(iter(self._snapshots)))
            self._shrink(catalog)

    def forget(self, tenant: str) -> None:
        """All of a tenant's: what is in them was changed where it is stored."""
        with self._lock:
            for key in [each for each in self._snapshots if each[0] == tenant]:
                self._drop(key)

    def _shrink(self, asked_for: Catalog) -> None:
        """Rule 2, but for what was just asked for."""
        newest = {tenant: self._snapshots[tenant, revision] for tenant, revision in sorted(self._snapshots)}
        newest_rows = sum(each.row_count for each in newest.values())
        stay = [*newest.values(), asked_for]
        # Revisions share the subscriptions that none of them changed, and their columns.
        earlier = [each for each in self._snapshots.values() if all(each is not other for other in stay)]
        columns = {id(each.billed): each.billed for each in earlier}
        for each in stay:
            columns.pop(id(each.billed), None)
        for catalog in earlier:
            of_columns = sum(each.column_rows for each in columns.values())
            excess = self._rows - newest_rows + of_columns - EARLIER_ROWS_MAX
            if excess <= 0:
                return
            if found := columns.pop(id(catalog.billed), None):
                excess -= found.column_rows
                found.forget_columns()
            if excess > 0:
                self._drop((catalog.tenant, catalog.revision))

    def _drop(self, key: tuple[str, int]) -> None:
        for chunk in self._snapshots.pop(key).chunks():
            self._shared[id(chunk)] -= 1
            if not self._shared[id(chunk)]:
                del self._shared[id(chunk)]
                self._rows -= chunk.num_rows
