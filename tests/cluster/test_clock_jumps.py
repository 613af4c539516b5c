"""The machine's clock jumps, forward and back: what docs/operations.md says under "The clock jumped", of both forms of the order.

`test_shared_clock.py` lets it jump both ways in random histories of gateways that are killed.
"""

from contextlib import closing

import pytest

from engine.cluster.shared_clock import SharedClock, Surroundings
from engine.sql.database import open_database
from ingest import CEILING_STEP_US, IngestClock

NOW_US = 1_793_491_200_000_000
MONTH_US = 30 * 86_400_000_000


class Embedded:
    """One process; the ceiling is a number that a file would keep."""

    def __init__(self, _directory):
        self.kept_us = 0

    def start(self):
        return IngestClock(self.kept_us, self._keep)

    def _keep(self, ceiling_us):
        self.kept_us = ceiling_us

    def close(self):
        """Nothing is open."""


class Shared:
    """Gateways over one database."""

    def __init__(self, directory):
        url = f"sqlite:///{directory / 'clock.sqlite'}"
        self._databases = open_database(url, power_safe=False), open_database(url)
        self._started = 0

    def start(self):
        self._started += 1
        world = Surroundings(lambda: NOW_US, lambda _ms: None, lambda _spans: None, lambda _name: False)
        clock = SharedClock(*self._databases, str(self._started), world, lease_us=60_000_000, wait_ms_max=50)
        clock.start(0, alone=True)
        return clock

    def close(self):
        for each in self._databases:
            each.close()


@pytest.fixture(params=[Embedded, Shared])
def world(request, tmp_path):
    with closing(request.param(tmp_path)) as made:
        yield made


def _store(clock, now_us):
    stamp_us = clock.begin(now_us)
    clock.end(stamp_us)
    return stamp_us


def test_a_clock_that_jumps_back_takes_nothing_back(world):
    """Stamps go on a microsecond at a time, each read has what was acknowledged before it, and what was read once stays."""
    clock = world.start()
    before = _store(clock, NOW_US)
    seen = clock.watermark(NOW_US)
    after = [_store(clock, NOW_US - MONTH_US + number) for number in range(3)]
    assert before <= seen < after[0] < after[1] < after[2]
    assert after[2] - seen == 3
    assert clock.watermark(NOW_US - MONTH_US) == after[2]


def test_a_clock_that_jumped_forward_leaves_the_order_ahead_until_it_gets_there(world):
    """Set right again, the engine takes and shows usage as before, also after a restart; only the names of the instants are ahead."""
    clock = world.start()
    ahead = _store(clock, NOW_US + MONTH_US)
    assert ahead == NOW_US + MONTH_US
    following = _store(clock, NOW_US + 60_000_000)
    assert following == ahead + 1
    again = world.start()
    restarted = _store(again, NOW_US + 120_000_000)
    assert following < restarted <= ahead + CEILING_STEP_US + 2
    assert again.watermark(NOW_US + 120_000_000) == restarted
    # A month later the clock has got there.
    assert _store(again, NOW_US + 2 * MONTH_US) == NOW_US + 2 * MONTH_US
