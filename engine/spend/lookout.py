"""What changes the spend that is watched here, and is committed elsewhere: by other gateways, corrections, the catalog, time.

Rules:
1. It looks while somebody watches, and only then. A look is a few statements, whatever is stored.
2. Events of other gateways are found by their stamps: of those between the last look and an instant up to which everything has
   its outcome (IngestOrder.settled), no stamp is missed and none comes later.
3. What is committed between the first reading of a watch and the first look is found too: that look has all read again, once
   it knows from where on it looks.
4. It tells to look, not what changed: the spend is read by the one path, and told if it is another.
"""

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import structlog

from engine.errors import RetryLaterError
from engine.health.outages import Outage
from engine.spend.watchers import SpendWatchers

_log = structlog.get_logger(__name__)
_LOOK_EVERY_MS: Final = 200
# Corrections and catalogs are changed by people: every so many looks are enough.
_LOOKS_OF_PEOPLE: Final = 5
# The period may have ended, and a level that is billed by the time it holds has held longer.
_LOOKS_OF_TIME: Final = 300

Names: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """How it is known. `touched` are those of these names with events that were stored after the one instant and up to the
    other, None where no other gateway stores any; `is_corrected`: whether something was corrected between two instants.
    """

    settled_us: Callable[[], int]
    touched: Callable[[int, int, Names], Collection[tuple[str, str]]] | None
    is_corrected: Callable[[int, int], bool]
    catalog_revision: Callable[[str], int]


class Lookout:
    """A thread that looks."""

    def __init__(self, watchers: SpendWatchers[Any], elsewhere: Elsewhere) -> None:
        self._watchers = watchers
        self._elsewhere = elsewhere
        self._events_us: int | None = None
        self._corrections_us: int | None = None
        self._revisions: dict[str, int] = {}
        self._looks = 0
        self._stop = threading.Event()
        self._outage = Outage()
        self._thread = threading.Thread(target=self._run, name="meterline-spend-lookout", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Raises RetryLaterError if a store does not answer: what was missed is found by the next look."""
        names = self._watchers.names()
        if not names:
            # Whoever watches next begins with all that is stored.
            self._events_us = self._corrections_us = None
            self._revisions.clear()
            return
        self._looks += 1
        settled_us = self._elsewhere.settled_us()
        if self._events_us is None:
            self._events_us = self._corrections_us = settled_us
            self._watchers.look(None)
        self._look_for_events(names, settled_us)
        if self._looks % _LOOKS_OF_PEOPLE == 0:
            self._look_for_corrections(settled_us)
            self._look_for_catalogs({tenant for tenant, _ in names})
        if self._looks % _LOOKS_OF_TIME == 0:
            self._watchers.look(None)

    def _look_for_events(self, names: Names, settled_us: int) -> None:
        touched, after_us = self._elsewhere.touched, self._events_us
        if touched is not None and after_us is not None and after_us < settled_us:
            self._watchers.look(None, touched(after_us, settled_us, names))
        self._events_us = settled_us

    def _look_for_corrections(self, settled_us: int) -> None:
        after_us = self._corrections_us
        is_later = after_us is not None and after_us < settled_us
        if is_later and self._elsewhere.is_corrected(after_us or 0, settled_us):
            self._watchers.look(None)
        self._corrections_us = settled_us

    def _look_for_catalogs(self, tenants: Collection[str]) -> None:
        for tenant in tenants:
            revision = self._elsewhere.catalog_revision(tenant)
            if self._revisions.get(tenant) != revision:
                self._revisions[tenant] = revision
                self._watchers.look(tenant)

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_EVERY_MS / 1_000):
            try:
                self.look()
                self._outage.worked()
            except RetryLaterError as error:
                if self._outage.failed(type(error).__name__):
                    _log.info("watched spend was not looked at", error=str(error))
            except Exception as error:  # noqa: BLE001 - see below
                # The thread must outlive whatever one look runs into.
                if self._outage.failed(type(error).__name__):
                    _log.exception("watched spend was not looked at")
