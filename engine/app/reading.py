"""Builds what reads: usage from rollups and events, money from usage, and who watches it."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from engine.api.services.spend_service import SpendService
from engine.api.services.watching.watch_service import SpendReader
from engine.app.stores import Stores
from engine.billing.line_windows import LineWindows
from engine.billing.rater import Rater
from engine.billing.reconciliation.billing_reconciliation import BillingReconciliation
from engine.billing.reconciliation.booked_documents import BookedDocuments
from engine.billing.reconciliation.raw_usage import RawUsage
from engine.billing.rendering.renderer import Renderer
from engine.billing.rendering.templates import read_templates
from engine.spend.lookout import Elsewhere, Lookout
from engine.spend.watchers import SpendWatchers
from engine.usage.corrections.voids import newest_heard_query
from engine.usage.query.event_list import EventList
from engine.usage.query.expiries import Expiries
from engine.usage.query.facts_since import stored_between
from engine.usage.query.periods_reader import PeriodsReader
from engine.usage.query.usage_reader import UsageReader
from engine.usage.rollups.coverage import Coverages
from meterline.v1.spend_pb2 import GetSpendResponse


@dataclass(frozen=True, slots=True)
class Watching:
    """Who watches, and what looks out for them."""

    watchers: SpendWatchers[GetSpendResponse]
    lookout: Lookout

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self.watchers.start()
        self.lookout.start()
        try:
            yield
        finally:
            self.stop()

    def stop(self) -> None:
        """Ends every watch; what comes later is refused."""
        self.lookout.stop()
        self.watchers.stop()


@dataclass(frozen=True, slots=True)
class Reading:
    """Usage and money on their way out. `rater_of_events`: rates from events alone, for replays."""

    usage: UsageReader
    periods: PeriodsReader
    events: EventList
    rater: Rater
    rater_of_events: Rater
    line_windows: LineWindows
    documents: Renderer
    watching: Watching


def build_reading(
    stores: Stores,
    now_us: Callable[[], int],
    document_templates: Path | None = None,
    *,
    is_shared: bool = False,
) -> Reading:
    """`is_shared`: other gateways store events beside this one."""
    usage = UsageReader(
        stores.usage,
        Coverages(stores.usage, time.monotonic_ns),
        expiries=Expiries(stores.usage, time.monotonic_ns),
    )
    periods = PeriodsReader(stores.usage, usage)
    rater = Rater(stores.catalog, periods, stores.order, now_us)
    # Reads no rollup: what it rates is computed from events alone, or refused where they have expired.
    events = PeriodsReader(stores.usage, UsageReader(stores.usage))
    rater_of_events = Rater(stores.catalog, events, stores.order, now_us)
    return Reading(
        usage,
        periods,
        EventList(stores.usage, usage),
        rater,
        rater_of_events,
        LineWindows(rater, _later),
        Renderer(read_templates(document_templates)),
        _build_watching(stores, rater, is_shared=is_shared),
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


def _build_watching(stores: Stores, rater: Rater, *, is_shared: bool) -> Watching:
    """`is_shared`: other gateways may store events beside this one."""
    reader = SpendReader(SpendService(rater), stores.catalog)
    watchers = SpendWatchers(reader.read, time.monotonic_ns)

    def is_corrected(after_us: int, until_us: int) -> bool:
        ((last_us,),) = stores.usage.query(newest_heard_query(after_us, until_us, facts_max=1))
        # 0, as a number or in text, for none.
        return str(last_us) != "0"

    elsewhere = Elsewhere(
        stores.order.settled,
        (lambda after, until, names: stored_between(stores.usage, after, until, names))
        if is_shared
        else None,
        is_corrected,
        lambda tenant: stores.catalog.snapshot(tenant).revision,
    )
    return Watching(watchers, Lookout(watchers, elsewhere))
