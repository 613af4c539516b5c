"""A customer is erased of whom a part of the usage is only left in rollups."""

import pytest

from engine.upkeep.expire import Clock, Expire
from tests.support.erasure.erasure_world import (
    BOB,
    DAY_US,
    JUNE_US,
    SHE,
    TENANT,
    TEXTS,
    files_with,
    fill,
    now_us,
    open_world,
)

JULY_US = JUNE_US + 30 * DAY_US
METERS = ("tokens", "people", "level", "eu")


@pytest.fixture
def world(tmp_path):
    """June has expired."""
    with open_world(tmp_path / "data") as opened:
        # Of who has aliases nothing that has expired is billed any more.
        fill(opened, aliases=False)
        clock = Clock(opened.stores.order, now_us, lambda _seconds: None)
        expire = Expire(opened.stores.usage, opened.rollups, opened.reconciler, clock)
        expire.expire(TENANT, [opened.meter(each) for each in METERS], JULY_US, ())
    with open_world(tmp_path / "data") as anew:
        yield anew


def test_usage_that_is_only_left_in_rollups_is_erased_and_billed_as_before(world):
    """Of the month that expired and of the one after it, by line; and of both together, each person counted once."""
    lines = world.lines(SHE), world.lines(BOB)
    both = [world.quantity(world.meter(each), SHE) for each in METERS]
    assert world.held(SHE)[-1].section == "usage_by_hour"
    pseudonym = world.erase().pseudonym
    assert (world.lines(pseudonym), world.lines(BOB)) == lines
    assert [world.quantity(world.meter(each), pseudonym) for each in METERS] == both
    assert files_with(world.data, TEXTS) == []
