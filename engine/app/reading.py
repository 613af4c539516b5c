"""Builds what reads: usage from rollups and events, and money from usage."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from engine.app.stores import Stores
from engine.billing.line_windows import LineWindows
from engine.billing.rater import Rater
from engine.billing.reconciliation.billing_reconciliation import BillingReconciliation
from engine.billing.reconciliation.booked_documents import BookedDocuments
from engine.billing.reconciliation.raw_usage import RawUsage
from engine.billing.rendering.renderer import Renderer
from engine.billing.rendering.templates import read_templates
from engine.usage.query.event_list import EventList
from engine.usage.query.expiries import Expiries
from engine.usage.query.periods_reader import PeriodsReader
from engine.usage.query.usage_reader import UsageReader
from engine.usage.rollups.coverage import Coverages


@dataclass(frozen=True, slots=True)
class Reading:
    """Usage and money on their way out. `rater_of_events`: rates from events alone, for replays."""

    usage: UsageReader
    events: EventList
    rater: Rater
    rater_of_events: Rater
    line_windows: LineWindows
    documents: Renderer


def build_reading(
    stores: Stores, now_us: Callable[[], int], document_templates: Path | None = None
) -> Reading:
    usage = UsageReader(
        stores.usage,
        Coverages(stores.usage, time.monotonic_ns),
        expiries=Expiries(stores.usage, time.monotonic_ns),
    )
    rater = Rater(stores.catalog, PeriodsReader(stores.usage, usage), stores.order, now_us)
    # Reads no rollup: what it rates is computed from events alone, or refused where they have expired.
    events = PeriodsReader(stores.usage, UsageReader(stores.usage))
    rater_of_events = Rater(stores.catalog, events, stores.order, now_us)
    return Reading(
        usage,
        EventList(stores.usage, usage),
        rater,
        rater_of_events,
        LineWindows(rater, _later),
        Renderer(read_templates(document_templates)),
    )


def check_templates(directory: Path | None) -> None:
    """Raises ConfigurationError where templates of the operator's own can't make a document."""
    if directory is not None:
        Renderer(read_templates(directory)).check()


def build_reconciliation(stores: Stores) -> BillingReconciliation:
    """What works closed periods out a second time: for callers, and daily in the background."""
    documents = BookedDocuments(stores.database, stores.usage)
    return BillingReconciliation(stores.catalog, documents, RawUsage(stores.usage))


def _later(delay_s: int, work: Callable[[], None]) -> None:
    timer = Timer(delay_s, work)
    # An engine that stops waits for nobody.
    timer.daemon = True
    timer.start()
