"""A tenant whose billing periods are closed: real stores, a catalog, usage, and a clock that the test sets."""

import itertools
import secrets
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np

from engine.billing.accounts.invoice_states import InvoiceState
from engine.billing.closing.booked_lines import BookedLines
from engine.billing.closing.closer import Closer
from engine.billing.closing.invoice import SUMS
from engine.billing.closing.invoice_store import InvoiceStore
from engine.billing.closing.unchanged import UnchangedCustomers
from engine.billing.rater import Rater
from engine.billing.running_periods.part_biller import PartBiller, WantedParts
from engine.catalog.documents.document import read_document
from engine.catalog.store import CatalogStore
from engine.sql.database import open_database
from engine.times import datetime_us
from engine.usage.corrections.voids import EventKey, Kind, Void, record_voids
from engine.usage.query.periods_reader import PeriodsReader
from engine.usage.query.usage_reader import UsageReader
from ingest import IngestClock
from tests.support.usage.content_hashes import content_hash
from tests.support.usage.meter_reads import deliver

TENANT = "t1"
HOUR_US = 3_600_000_000


def instant_us(text):
    """Of "2026-11-01" or a longer form."""
    return datetime_us(datetime.fromisoformat(text).replace(tzinfo=UTC))


class ClosingWorld:
    """`url`: of the catalog's database; `store`: the usage store. `first_event`: where ids of events begin, in stores that have some."""

    def __init__(self, url, store, text, now="2026-11-01", clock=None, first_event=1):
        self.store = store
        self.database = open_database(url)
        self.catalog = CatalogStore(self.database)
        self.now_us = instant_us(now)
        self.clock = clock or IngestClock(0, lambda _ceiling_us: None)
        self.rater = Rater(
            self.catalog, PeriodsReader(store, UsageReader(store)), self.clock, lambda: self.now_us
        )
        self.invoices = InvoiceStore(self.database)
        self.booked = BookedLines(store)
        self.unchanged = UnchangedCustomers(self.database, self.catalog, store)
        self.closer = Closer(
            self.rater, self.invoices, self.booked, self.unchanged, lambda: self.now_us, secrets.token_hex
        )
        self.biller = PartBiller(
            self.rater, self.invoices, self.booked, lambda: self.now_us, secrets.token_hex
        )
        self._ids = itertools.count(first_event)
        self.apply(text)

    def apply(self, text):
        at = datetime.fromtimestamp(self.now_us // 1_000_000, UTC)
        self.catalog.apply(TENANT, read_document(text, "c.yaml"), applied_at=at)

    def at(self, text):
        """The time is this, from now on."""
        self.now_us = instant_us(text)
        return self

    def use(self, customer, time, value=1, event_type="call", **properties):
        """One event, which arrives now."""
        stamp_us = self.clock.begin(self.now_us)
        event = {
            "tenant": TENANT,
            "event_id": f"e{next(self._ids)}",
            "event_type": event_type,
            "customer": customer,
            "time_us": time if isinstance(time, int) else instant_us(time),
            "properties": {"value": str(value), **properties},
            "ingested_us": stamp_us,
        }
        deliver(self.store, [event])
        self.clock.end(stamp_us)
        return event

    def correct(self, event, *, voided=True, kind=Kind.VOID):
        """One event is void from now on, or not any more."""
        key = EventKey(
            TENANT,
            *(event["customer"], event["event_type"], event["time_us"], event["event_id"]),
            content_hash(event["properties"]),
        )
        fact = Void(event=key, voided=voided, kind=kind, correction_id="c", reason="r", recorded_by="p")
        record_voids([fact], self.store, self.clock, lambda: self.now_us)

    def close(self, start, before, subscriptions=10_000, grace_us=HOUR_US):
        """All steps of a run; what they did, in order."""
        run = self.closer.begin(TENANT, instant_us(start), instant_us(before), grace_us, "tests")
        row, steps = 0, []
        while True:
            steps.append(self.closer.step(run, row, subscriptions))
            row = steps[-1].next_row
            if not row:
                return steps

    def bill_parts(self, subscriptions=10_000, **wanted):
        """All steps of a run that bills usage of running periods; the invoices that it issued. `wanted`: the fields of WantedParts."""
        run, row, issued = self.biller.begin(TENANT, "tests"), 0, []
        while True:
            done = self.biller.step(run, WantedParts(**wanted), row, subscriptions)
            issued += done.issued
            row = done.next_row
            if not row:
                return issued

    def standing(self):
        """Every invoice that is not void, by number."""
        found = self.invoices.invoices(TENANT, "", 0, 100_000)
        return [each for each in reversed(found) if each.state is not InvoiceState.VOID]

    def totals(self, invoices=None):
        """(customer, currency) -> the sums of all invoices that stand."""
        found = {}
        for each in self.standing() if invoices is None else invoices:
            own = found.setdefault((each.key.customer_id, each.key.currency), dict.fromkeys(SUMS, Decimal(0)))
            for name in SUMS:
                own[name] += each.sums[name]
        return found

    def lines(self, invoice):
        """Of an invoice what each line says."""
        return self.booked.of_invoice(invoice).to_pylist()

    def rated_at(self, at):
        """The lines of every customer in the periods that contain an instant, at the newest watermark."""
        snapshot = self.rater.snapshot(TENANT, instant_us(at), None)
        rows = np.arange(len(snapshot.catalog.subscription_columns))
        return snapshot, self.rater.rate(snapshot, rows)

    def finish(self):
        self.database.close()
