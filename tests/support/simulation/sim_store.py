"""The simulated usage store: rows by their whole content, as the sorting key has them, and the ways in which an
insert can go wrong.

Rules:
1. A batch is one partition: all of its rows are applied at once, or none.
2. Identical rows collapse to the one ingested first, sooner (a merge) or later (a read).
3. An insert that fails may have been applied. Embedded, it ends with its call: nothing is applied after it. At a
   server it may be executed at any time later, until its stamp is called off.
"""

import collections
import contextlib

from engine.errors import StoreUnavailableError
from tests.support.ingest.event_columns import columns_of, rows_of

FATES = ("refused", "lost ack", "bug")
SERVER_FATES = (*FATES, "late")


class SimStore:
    """Rows and their stamps. `ledger` is told of each row that is applied."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.physical = []
        self.down = False
        self.full = False
        self.late = []
        self._fences = []

    def check(self):
        """Raises StoreUnavailableError while nothing can be written."""
        if self.down or self.full:
            raise StoreUnavailableError("no space" if self.full else "no answer", retry_after_ms=1)

    def apply(self, batch):
        if any(first <= batch.ingested_at_us <= last for first, last in self._fences):
            raise StoreUnavailableError("called off", retry_after_ms=1)
        rows = rows_of(batch.events)
        self.physical += [(batch.ingested_at_us, row) for row in rows]
        self.ledger.applied(rows, batch.ingested_at_us)

    def apply_late(self, batch):
        """The server executes what nobody waits for any more."""
        self.late.remove(batch)
        with contextlib.suppress(StoreUnavailableError):
            self.apply(batch)

    def call_off(self, spans):
        self.check()
        self._fences += spans

    def merge(self):
        """Of identical rows the one ingested first stays."""
        kept = {}
        for stamp_us, row in sorted(self.physical, key=lambda entry: entry[0]):
            kept.setdefault(row, stamp_us)
        self.physical = [(stamp_us, row) for row, stamp_us in kept.items()]

    def first_stamps(self):
        """When each row was ingested first."""
        stamps = {}
        for stamp_us, row in self.physical:
            stamps[row] = min(stamp_us, stamps.get(row, stamp_us))
        return stamps

    def read(self, as_of_us):
        """What a snapshot sees: events and the sum of their tokens, by tenant and customer, each event once."""
        usage = collections.defaultdict(lambda: [0, 0])
        for row, stamp_us in self.first_stamps().items():
            if stamp_us <= as_of_us:
                total = usage[row.tenant, row.customer_id]
                total[0] += 1
                total[1] += int(dict(row.properties).get("tokens", "0"))
        return {key: tuple(total) for key, total in usage.items()}

    def latest_stamp_us(self):
        return max((stamp_us for stamp_us, _ in self.physical), default=0)

    def recent_rows(self, rows_max):
        """The rows ingested last, oldest of them first."""
        newest = sorted(self.physical, key=lambda entry: entry[0])[-rows_max:]
        return [row for _, row in newest]

    def recent_events(self, rows_max):
        return columns_of(self.recent_rows(rows_max))
