"""What has come to its threshold billed, and then a close, by a process that is killed at its n-th touch of a store: before or after a statement, a commit, or an insert.

python -m tests.support.killed_close USAGE_DIRECTORY CATALOG_URL NOW START BEFORE SUBSCRIPTIONS TOUCHES

Ends with the exit code of a kill at that touch; with 0, and the number of touches as its output, if the close had fewer.
"""

import os
import signal
import sys
from pathlib import Path

from sqlalchemy import Engine, event

from engine.usage.store.usage_store import UsageStore
from tests.support.closing_histories import CATALOG
from tests.support.closing_world import ClosingWorld


class Touches:
    """Counts, and kills its own process at the last that is left."""

    def __init__(self, left):
        self.left, self.count = left, 0

    def __call__(self, *_arguments):
        self.count += 1
        if self.count == self.left:
            os.kill(os.getpid(), signal.SIGKILL)


def watch(touch):
    """Calls `touch` before and after each statement of a catalog database, before each commit, and around each booking."""
    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(Engine, name, touch)
    insert = UsageStore.insert_booked_lines

    def touched(store, rows):
        touch()
        insert(store, rows)
        touch()

    UsageStore.insert_booked_lines = touched


def main(directory, url, now, start, before, subscriptions, touches):
    store = UsageStore.open_embedded(Path(directory))
    world = ClosingWorld(url, store, CATALOG, now)
    touch = Touches(int(touches))
    watch(touch)
    world.bill_parts(subscriptions=int(subscriptions))
    world.close(start, before, subscriptions=int(subscriptions), grace_us=0)
    world.finish()
    store.close()
    print(touch.count)


if __name__ == "__main__":
    main(*sys.argv[1:])
