"""Every aggregation, filter and option in ClickHouse against the oracle's lists and fractions; seeds printed.

`make test` makes 480 reads, `make test-long` 16,000. METERLINE_SEED repeats a run, and a failure prints seed,
meter and both answers.
"""

import random
import sys
import time
from fractions import Fraction

import pytest

from tests.support.usage.meter_reads import deliver, usage_by_store
from tests.support.usage.usage_histories import CUSTOMERS, PERIOD_US, random_deliveries, random_meter
from tests.support.usage.usage_oracle import usage_by_oracle

SHORT_HISTORIES, SHORT_METERS = 6, 40
LONG_PARTS, LONG_HISTORIES, LONG_METERS = 2, 40, 100


def differences(store, seed, meters):
    """Reads a random history through random meters, twice each: at some watermark, and once all is there."""
    deliveries = random_deliveries(seed, seed, 120)
    deliver(store, deliveries)
    dice = random.Random(f"{seed}-meters")
    for _ in range(meters):
        meter = random_meter(dice)
        for as_of_us in (dice.randint(1, 5), 5):
            scope = {
                "tenant": seed,
                "customers": dice.sample(CUSTOMERS, dice.randint(1, 3)),
                "period_us": PERIOD_US,
                "as_of_us": as_of_us,
            }
            expected = usage_by_oracle(deliveries, meter, **scope)
            found = {
                key: (
                    Fraction(usage.quantity),
                    usage.event_count,
                    usage.unreadable_event_count,
                    usage.event_digest,
                )
                for key, usage in usage_by_store(store, meter, **scope).items()
            }
            if found != expected:
                yield f"seed {seed}, meter {meter}, {scope}: store {found}, oracle {expected}"


@pytest.mark.parametrize("history", range(SHORT_HISTORIES))
def test_meters_read_random_histories_as_the_oracle_does(shared_store, history, seed):
    """Retries, ties, months' bounds, unreadable values, groups, filters, watermarks."""
    assert not list(differences(shared_store, f"{seed}-{history}", SHORT_METERS))[:3]


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(LONG_PARTS))
def test_meters_read_many_random_histories_as_the_oracle_does(shared_store, part, seed, capsys):
    """The same, for as many histories as an evening has time for."""
    found: list[str] = []
    began = time.monotonic()
    for history in range(LONG_HISTORIES):
        found += list(differences(shared_store, f"{seed}-long-{part}-{history}", LONG_METERS))[:3]
        if (history + 1) % 10 == 0:
            with capsys.disabled():
                sys.stderr.write(
                    f"\nseed {seed} part {part}: {(history + 1) * LONG_METERS * 2} reads, "
                    f"{len(found)} differences, {time.monotonic() - began:.0f} s"
                )
    assert not found[:3]


def test_the_oracle_s_histories_have_what_makes_meters_hard(seed):
    """Retries, ties in time, every kind of value: a generator that lost one would prove nothing."""
    deliveries = [each for n in range(40) for each in random_deliveries(f"{seed}-kinds-{n}", f"{n}", 120)]
    ids = [(each["tenant"], each["event_id"]) for each in deliveries]
    assert len(set(ids)) < len(ids)
    in_period = [each for each in deliveries if PERIOD_US[0] <= each["time_us"] < PERIOD_US[1]]
    assert 0 < len(in_period) < len(deliveries)
    ties = {(each["tenant"], each["customer"], each["time_us"]) for each in in_period}
    assert len(ties) < len({(each["tenant"], each["event_id"]) for each in in_period})
    values = {each["properties"].get("value") for each in deliveries}
    assert {None, "", "1e3", "+7", "99999999999999999999999999.999999999999"} <= values
    kinds = {random_meter(random.Random(f"{seed}-{n}"))["aggregation"] for n in range(500)}
    assert len(kinds) == 9
