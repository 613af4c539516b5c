"""The rating core against the oracle: random charges of every model, whole lines compared, seeds printed.

`make test` rates a few thousand; `make test-oracle` a million, with progress. METERLINE_SEED repeats a run, and a
failure prints the seed, price and charge of each difference.
"""

import sys
import time
from itertools import islice

import pytest

from tests.support.rating.oracle_bridge import differences, line_differences
from tests.support.rating.oracle_charges import random_batch

SHORT_BATCHES, SHORT_SIZE = 10, 600
LONG_PARTS, LONG_BATCHES, LONG_SIZE = 4, 250, 1000
SHOWN_MAX = 10


@pytest.mark.parametrize("part", range(SHORT_BATCHES))
def test_the_core_rates_random_charges_as_the_oracle_does(part, seed):
    """Amount, exact amount, every stage, every tier, billable quantity and flag of each line are equal."""
    batch = random_batch(f"{seed}-short-{part}", SHORT_SIZE)
    assert not list(islice(differences(batch), SHOWN_MAX))


@pytest.mark.parametrize("part", range(4))
def test_the_core_rates_a_charge_alone_as_the_oracle_does(part, seed):
    """Batches of a single charge: no neighbour decides which arithmetic is chosen."""
    for number in range(50):
        batch = random_batch(f"{seed}-alone-{part}-{number}", 1)
        assert not list(differences(batch))


@pytest.mark.parametrize("part", range(4))
def test_a_line_in_full_is_what_the_oracle_says_and_its_formula_holds(part, seed):
    """Decimals, places, stages, bounds of tiers, fees of events, and every equation of the formula."""
    batch = random_batch(f"{seed}-full-{part}", 300)
    assert not list(islice(line_differences(batch), SHOWN_MAX))


@pytest.mark.parametrize("part", range(6))
def test_cells_of_a_matrix_with_tiers_of_their_own_are_rated_as_the_oracle_does(part, seed):
    """Matrices only, most of whose cells have tiers: graduated ones, volume and amounts a unit side by side."""
    batch = random_batch(f"{seed}-cells-{part}", 600, model="matrix")
    assert not list(islice(differences(batch), SHOWN_MAX))
    few = random_batch(f"{seed}-cells-full-{part}", 60, model="matrix")
    assert not list(islice(line_differences(few), SHOWN_MAX))


@pytest.mark.parametrize("part", range(2))
def test_a_large_batch_is_rated_as_the_oracle_does(part, seed):
    """Tens of thousands of charges of one price: more than the core takes in one bite."""
    batch = random_batch(f"{seed}-large-{part}", 40_000, prices_max=1)
    assert not list(islice(differences(batch), SHOWN_MAX))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_batches_past_every_chunk_are_rated_as_the_oracle_does(seed):
    """A quarter of a million charges of a few prices at once, three times."""
    for part in range(3):
        batch = random_batch(f"{seed}-larger-{part}", 250_000, prices_max=3)
        assert not list(islice(differences(batch), SHOWN_MAX))


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(LONG_PARTS))
def test_the_core_rates_a_million_random_charges_as_the_oracle_does(part, seed, capsys):
    """Four parts of a quarter of a million charges each, so that two processes can share them."""
    found: list[str] = []
    began = time.monotonic()
    for number in range(LONG_BATCHES):
        batch = random_batch(f"{seed}-long-{part}-{number}", LONG_SIZE)
        found += islice(differences(batch), SHOWN_MAX)
        found += islice(line_differences(random_batch(batch.seed + "-full", LONG_SIZE // 20)), SHOWN_MAX)
        if (number + 1) % 50 == 0:
            rated, seconds = (number + 1) * LONG_SIZE, time.monotonic() - began
            with capsys.disabled():
                sys.stderr.write(
                    f"\nseed {seed} part {part}: {rated} charges, {len(found)} differences, {seconds:.0f} s"
                )
    assert not found[:SHOWN_MAX]
