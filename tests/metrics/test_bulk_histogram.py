"""A histogram of columns says what one of single values says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from engine.bulk_histogram import BulkHistogram

BOUNDS_S = (1, 10, 60.5)


@given(st.lists(st.lists(st.integers(0, 100_000_000), max_size=20), max_size=5))
def test_it_tells_what_a_histogram_of_single_values_tells(columns):
    """To the letter, but for the sum's last digits."""
    own, other = CollectorRegistry(), CollectorRegistry()
    bulk = BulkHistogram("late_seconds", "How late.", BOUNDS_S, own)
    single = Histogram("late_seconds", "How late.", registry=other, buckets=BOUNDS_S)
    for column in columns:
        bulk.observe_us(np.array(column, np.int64))
        for value_us in column:
            single.observe(value_us / 1_000_000)

    def told(registry):
        lines = generate_latest(registry).decode().splitlines()
        sums = [float(each.split()[-1]) for each in lines if each.startswith("late_seconds_sum")]
        return [each for each in lines if "_sum" not in each and "_created" not in each], sums

    (lines, (total,)), (expected_lines, (expected,)) = told(own), told(other)
    assert lines == expected_lines
    assert abs(total - expected) < 1e-3
