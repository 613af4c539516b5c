"""Largest-remainder allocation: shares add up, ties go to the lower row, nothing wraps."""

import random
from fractions import Fraction

import numpy as np
import pytest

from rating.numbers.allocate import AllocationError, allocate, round_to_total
from rating.numbers.decimals import NARROW_MAX, DecimalColumn
from tests.support.rating.oracle_numbers import allocated


def shares_of(totals, weights, groups):
    group = np.array(groups, dtype=np.int64)
    return allocate(DecimalColumn.of(totals), DecimalColumn.of(weights), group).mantissa.tolist()


def test_the_unit_left_over_goes_to_the_largest_remainder():
    """100 as 1:2:4 is 14 2/7, 28 4/7, 57 1/7: whole parts 14 + 28 + 57 = 99, the last unit to 4/7."""
    assert shares_of([100], [1, 2, 4], [0, 0, 0]) == [14, 29, 57]


def test_equal_remainders_go_to_the_lower_row():
    """1000 in three is 333 1/3 each: the unit left goes to the first row; 1001 gives the first two one each."""
    assert shares_of([1000], [1, 1, 1], [0, 0, 0]) == [334, 333, 333]
    assert shares_of([1001], [1, 1, 1], [0, 0, 0]) == [334, 334, 333]


def test_a_refund_is_split_as_its_invoice_was():
    """-1000 in three mirrors 1000 in three."""
    assert shares_of([-1000], [1, 1, 1], [0, 0, 0]) == [-334, -333, -333]


def test_groups_are_settled_apart_in_whatever_order_their_rows_come():
    """Group 0 splits 10 over rows 1 and 3 (5, 5); group 1 splits 7 over rows 0, 2 and 4 as 3:3:1 (3, 3, 1)."""
    assert shares_of([10, 7], [3, 1, 3, 1, 1], [1, 0, 1, 0, 1]) == [3, 5, 3, 5, 1]


def test_a_row_without_weight_gets_nothing():
    """Even when units are left over: 5 over 1, 0, 1 is 2 1/2 each, and the first of the two takes the unit."""
    assert shares_of([5], [1, 0, 1], [0, 0, 0]) == [3, 0, 2]


def test_weights_with_fractions_count_by_their_proportions():
    """100 by 12.5 : 37.5 : 50 (eighths 1 : 3 : 4) is 12.5, 37.5, 50: the unit left goes to the first."""
    assert shares_of([100], ["12.5", "37.5", "50"], [0, 0, 0]) == [13, 37, 50]


def test_shares_keep_the_scale_of_their_total():
    """10.00 in three cents' shares: 3.34, 3.33, 3.33."""
    group = np.zeros(3, dtype=np.int64)
    shares = allocate(DecimalColumn.of_ints([1000], 2), DecimalColumn.of([1, 1, 1]), group)
    assert [str(value) for value in shares.to_decimals()] == ["3.34", "3.33", "3.33"]


def test_nothing_to_allocate_needs_no_weight():
    """A total of zero over zero weights, a group without rows, and no rows at all."""
    assert shares_of([0, 0], [0, 0], [0, 0]) == [0, 0]
    assert shares_of([], [], []) == []


def test_a_total_without_weights_is_refused_by_its_group():
    """Group 1 has 7 and only a weight of 0; a group without rows has none at all."""
    with pytest.raises(AllocationError, match="group 1 has 7"):
        shares_of([3, 7], [1, 0], [0, 1])
    with pytest.raises(AllocationError, match="group 0 has 3"):
        shares_of([3], [], [])


def test_a_negative_weight_is_refused_by_its_row():
    """Row 1 has -2."""
    with pytest.raises(AllocationError, match="row 1 has -2"):
        shares_of([3], [1, -2], [0, 0])


def test_shares_of_mixed_signs_add_up_to_their_rounded_total():
    """Tenths 13, -6, 8 (1.3, -0.6, 0.8; sum 1.5, rounded 2): toward zero 1, 0, 0; one unit left to 0.8."""
    numerator = DecimalColumn.of_ints([13, -6, 8])
    group = np.zeros(3, dtype=np.int64)
    shares = round_to_total(numerator, np.array([10]), group, DecimalColumn.of([2]))
    assert shares.mantissa.tolist() == [1, 0, 1]
    mirrored = round_to_total(numerator.negate(), np.array([10]), group, DecimalColumn.of([-2]))
    assert mirrored.mantissa.tolist() == [-1, 0, -1]


def test_a_total_that_rounding_can_not_reach_is_refused():
    """1.3 may become 1 or 2, not 3 nor 0; an exact share of 2 may not become 3."""
    group = np.zeros(1, dtype=np.int64)
    for numerator, total in ((13, 3), (13, 0), (20, 3), (20, 10**6)):
        with pytest.raises(AllocationError, match="group 0"):
            round_to_total(
                DecimalColumn.of_ints([numerator]), np.array([10]), group, DecimalColumn.of_ints([total])
            )


def test_a_huge_group_takes_the_wide_path_and_leaves_the_others_alone():
    """(2**63 - 1) in two is 2**62 - 1/2 each, the first one up; past int64 the same; 5 in two stays 3 and 2."""
    groups = [0, 0, 1, 1]
    assert shares_of([NARROW_MAX, 5], [3, 3, 1, 1], groups) == [2**62, 2**62 - 1, 3, 2]
    assert shares_of([2**70 + 1, 5], [3, 3, 1, 1], groups) == [2**69 + 1, 2**69, 3, 2]
    assert shares_of([7, 5], [2**80, 2**80, 1, 1], groups) == [4, 3, 3, 2]
    assert shares_of([-(2**70) - 1, 5], [3, 3, 1, 1], groups) == [-(2**69) - 1, -(2**69), 3, 2]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("magnitude", [10, 10**6, 10**12, 10**25])
def test_any_allocation_agrees_with_fractions(magnitude, seed):
    """Random groups against the oracle, row by row; each group adds up, whatever path its numbers take."""
    source = random.Random(seed)
    groups = sorted(source.choices(range(12), k=80))
    totals = [source.randint(-magnitude, magnitude) if g in groups else 0 for g in range(12)]
    weights = [source.randint(1, source.choice([3, magnitude])) for _ in groups]
    order = source.sample(range(80), 80)
    shuffled = shares_of(totals, [weights[i] for i in order], [groups[i] for i in order])
    for g in range(12):
        rows = [place for place, i in enumerate(order) if groups[i] == g]
        if not rows:
            continue
        expected = allocated(Fraction(totals[g]), [Fraction(weights[order[place]]) for place in rows], 0)
        assert [shuffled[place] for place in rows] == expected
        assert sum(shuffled[place] for place in rows) == totals[g]
