"""The instants at which the billing periods of a span of time are listed."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from engine.billing.periods import add_months, month_period
from engine.cli.billing.billed_periods import instants

MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize("part", range(20))
def test_every_period_that_starts_in_a_span_contains_the_first_instant_behind_its_start(seed, part):
    """And no instant lies at or behind the end of the span: a period that starts there is not asked for."""
    dice = random.Random(f"{seed}-{part}")
    start = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.randrange(10**8))
    end = start + timedelta(
        microseconds=dice.choice((1, 10**6, 28 * 86_400 * 10**6, dice.randrange(1, 10**14)))
    )
    listed = instants(start, end)
    assert listed == sorted(set(listed))
    assert start <= listed[0] <= listed[-1] < end
    for _ in range(50):
        anchor = start + timedelta(seconds=dice.randrange(-(10**8), 10**7))
        starts = [add_months(anchor, number) for number in range(90)]
        for began in (each for each in starts if start <= each < end):
            first = next(at for at in listed if at >= began)
            assert month_period(anchor, None, first).start == began
            # A subscription that ends at once is billed for the period all the same.
            assert month_period(anchor, anchor + MICROSECOND, first) is not None or began != anchor
