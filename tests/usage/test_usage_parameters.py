"""What a query of usage binds fits what a ClickHouse server takes."""

from datetime import UTC, datetime

import pytest

from engine.time_zones import time_zone
from engine.times import datetime_us
from engine.usage.facts.queries import usage_query
from engine.usage.facts.usage_request import UsageRequest
from engine.usage.facts.windows import WINDOWS_MAX, Window, window_bounds_us

# http_max_field_value_size, as a server has it by default.
FIELD_BYTES_MAX = 128 * 1024
LENGTH_US = {Window.MINUTE: 60, Window.HOUR: 3_600, Window.DAY: 86_400, Window.WEEK: 7 * 86_400}


@pytest.mark.parametrize("window", list(LENGTH_US))
def test_ten_thousand_windows_are_one_parameter(window):
    """The longest text that their bounds can make, of windows that end in 2199."""
    end_us = datetime_us(datetime(2199, 12, 30, tzinfo=UTC))
    start_us = end_us - (WINDOWS_MAX - 2) * LENGTH_US[window] * 1_000_000 + 1
    bounds_us = window_bounds_us(start_us, end_us, window, time_zone("Australia/Lord_Howe"))
    assert len(bounds_us) > WINDOWS_MAX - 2
    request = UsageRequest(
        tenant="t", event_type="e", aggregation="count", value=None, filters={}, group_by=(),
        customer_ids=None, bounds_us=bounds_us, as_of_us=1,
    )  # fmt: skip
    query = usage_query(request, 1)
    assert max(len(str(value)) for value in query.parameters.values()) < FIELD_BYTES_MAX // 4
