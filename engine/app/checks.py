"""Builds what asks the stores whether they answer."""

import contextlib
import time
from collections.abc import Iterator, Sequence

from engine.app.stores import Stores
from engine.health.store_checks import StoreCheck


@contextlib.contextmanager
def checked_stores(stores: Stores) -> Iterator[Sequence[StoreCheck]]:
    """The checks, which go on until the end of the block. Each store has been asked once."""
    checks = [
        StoreCheck("usage", stores.usage.check_answers, time.monotonic_ns),
        StoreCheck("catalog", stores.catalog.check_answers, time.monotonic_ns),
    ]
    with contextlib.ExitStack() as stack:
        for check in checks:
            check.start()
            stack.callback(check.stop)
        yield checks
