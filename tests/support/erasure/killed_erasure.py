"""An erasure by a process that is killed after so many of its steps in the stores, whatever they are.

python -m tests.support.erasure.killed_erasure DIRECTORY STEPS
"""

import os
import signal
import sys

from engine.erasure.jobs import ErasureJobs
from engine.sql.database import Database
from engine.usage.store.usage_store import UsageStore
from tests.support.erasure.erasure_world import open_world

_STEPS = (
    (UsageStore, ("execute", "transform", "delete", "drop_old_parts")),
    (ErasureJobs, ("begin", "advance")),
    (Database, ("purge",)),
)


def _killing(steps):
    left = iter(range(steps - 1, -1, -1))

    def counted(done):
        def step(*arguments, **options):
            answer = done(*arguments, **options)
            if next(left, 0) == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return step

    for kind, names in _STEPS:
        for name in names:
            setattr(kind, name, counted(getattr(kind, name)))


if __name__ == "__main__":
    with open_world(sys.argv[1]) as world:
        _killing(int(sys.argv[2]))
        print(world.erase().pseudonym)
