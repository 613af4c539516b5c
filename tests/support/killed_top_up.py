"""A top-up by a process that is killed at its n-th touch of the catalog's database: before or after a statement, or before a commit."""

import os
import signal
from decimal import Decimal

from sqlalchemy import Engine, event

from engine.catalog.store import CatalogStore
from engine.spend.top_ups.store import LowBalance, TopUpStore
from engine.sql.database import open_database

_NAMES = ("before_cursor_execute", "after_cursor_execute", "commit")


def top_up(url, tenant, customer, now_us, touch):
    """The first rule of the customer, who has 19.50. Ends with the exit code of a kill, or with 0 if there were fewer touches."""
    database = open_database(url)
    catalog = CatalogStore(database)
    snapshot = catalog.snapshot(tenant)
    low = LowBalance(
        snapshot, snapshot.top_up_rules_of[customer][0], Decimal("19.50"), now_us, now_us, now_us
    )
    left = iter(range(touch - 1, -1, -1))

    def touched(*_arguments):
        if next(left, None) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in _NAMES:
        event.listen(Engine, name, touched)
    TopUpStore(database, catalog, lambda: now_us).top_up(low)
