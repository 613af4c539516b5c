"""The order of ingestion of a simulated deployment: in one process, or shared by gateways through a real database."""

import contextlib
import functools
import tempfile
from pathlib import Path

from sqlalchemy import delete

from engine.cluster.shared_clock import SharedClock, Surroundings
from engine.errors import StoreUnavailableError
from engine.sql.database import open_database
from engine.sql.schema import INGEST_IN_FLIGHT, INGEST_ORDER
from ingest import IngestClock
from tests.support.simulation.sim_actor import pause

_LEASE_US = 60_000_000
# A few polls: whoever pauses longer than this has waited in vain.
_WAIT_MS_MAX = 40


class EmbeddedOrder:
    """One process, whose ceiling is on its disk."""

    shared = False

    def __init__(self, world):
        self._world = world
        self._ceiling_us = 0

    def join(self, _gateway):
        return IngestClock(max(self._world.store.latest_stamp_us(), self._ceiling_us), self._keep_ceiling)

    def _keep_ceiling(self, ceiling_us):
        self._world.store.check()
        self._ceiling_us = ceiling_us


class SharedOrder:
    """Several gateways, each of which may die at any moment."""

    shared = True

    def __init__(self, world):
        self._world = world
        with _database("quick").writing() as connection:
            connection.execute(delete(INGEST_IN_FLIGHT))
            connection.execute(delete(INGEST_ORDER))

    def join(self, gateway):
        world = self._world
        surroundings = Surroundings(
            now_us=gateway.now_us,
            sleep_ms=lambda _ms: pause(),
            call_off=world.store.call_off,
            is_dead=world.is_dead,
        )
        clock = SharedClock(
            Faulty(_database("quick"), world),
            Faulty(_database("power safe"), world),
            gateway.name,
            surroundings,
            lease_us=_LEASE_US,
            wait_ms_max=_WAIT_MS_MAX,
        )
        clock.start(world.store.latest_stamp_us(), alone=world.nobody_lives())
        return clock


class Faulty:
    """The catalog database, which may fail before a transaction, or after it without a word that it was done."""

    def __init__(self, database, world):
        self._database, self._world = database, world

    def reading(self):
        self._fail()
        return self._database.reading()

    @contextlib.contextmanager
    def writing(self):
        self._fail()
        with self._database.writing() as connection:
            yield connection
        self._fail()

    def _fail(self):
        if self._world.catalog_fails():
            raise StoreUnavailableError("no answer from the catalog", retry_after_ms=1)


@functools.cache
def _database(_use):
    """One file for all histories of a process: making its tables takes longer than a history does."""
    return open_database(f"sqlite:///{Path(_FOLDER.name) / 'order.sqlite'}", power_safe=False)


_FOLDER = tempfile.TemporaryDirectory(prefix="meterline-simulation-")
