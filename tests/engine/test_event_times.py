"""When an event counts: at the borders of periods, around a change of the clocks, and by clocks that are off."""

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from examples.engine_process import EngineProcess
from meterline import Client, Event, open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.usage_pb2 import (
    PROBLEM_REASON_IN_FUTURE,
    PROBLEM_REASON_TOO_OLD,
    VERDICT_ACCEPTED,
    VERDICT_REJECTED,
    RecordUsageRequest,
    UsageEvent,
)
from meterline.v1.usage_pb2_grpc import UsageServiceStub

CATALOG = """
meters: [{id: NAME, event_type: NAME, aggregation: count}]
plans:
  - id: NAME
    name: NAME
    currency: USD
    prices: [{id: NAME, meter: NAME, model: per_unit, unit_amount: 1}]
customers: [{id: NAME, name: NAME}]
subscriptions: [{customer: NAME, plan: NAME, start: START}]
"""
DAY_S = 86_400


def _at(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def _stamp(moment):
    stamp = Timestamp()
    stamp.FromDatetime(moment.astimezone(UTC).replace(tzinfo=None))
    return stamp


@pytest.fixture
def counted(apply, channel, request):
    """A customer since that day, one event at each moment; the number of events in the period of a moment."""
    name = request.node.name.partition("[")[0].removeprefix("test_")[:40]

    def world(start, *moments):
        apply(CATALOG.replace("NAME", name).replace("START", start))
        events = [
            UsageEvent(event_id=f"{name}-{i}", event_type=name, customer_id=name, event_time=_stamp(moment))
            for i, moment in enumerate(moments)
        ]
        answer = UsageServiceStub(channel).RecordUsage(RecordUsageRequest(events=events), timeout=120)
        assert set(answer.verdicts) == {VERDICT_ACCEPTED}

        def count(at):
            asked = GetSpendRequest(customer_id=name, at=_stamp(_at(at)))
            (line,) = SpendServiceStub(channel).GetSpend(asked, timeout=120).line_items
            return line.event_count, line.period_start.ToJsonString(), line.period_end.ToJsonString()

        return count

    return world


def test_the_last_microsecond_belongs_to_the_old_period(counted):
    """Half-open periods: 23:59:59.999999 counts before, 00:00:00 after."""
    count = counted("2025-01-01", _at("2025-06-30T23:59:59.999999Z"), _at("2025-07-01T00:00:00Z"))
    assert count("2025-06-15T00:00Z") == (1, "2025-06-01T00:00:00Z", "2025-07-01T00:00:00Z")
    assert count("2025-07-15T00:00Z") == (1, "2025-07-01T00:00:00Z", "2025-08-01T00:00:00Z")


def test_the_leap_day_is_in_february(counted):
    """The 29th of February 2024, to its last microsecond."""
    count = counted(
        "2024-01-01",
        _at("2024-02-29T00:00:00Z"),
        _at("2024-02-29T23:59:59.999999Z"),
        _at("2024-03-01T00:00:00Z"),
    )
    assert count("2024-02-10T00:00Z") == (2, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z")
    assert count("2024-03-10T00:00Z")[0] == 1


def test_months_from_the_31st_end_on_the_last_day_of_short_ones(counted):
    """31 January to 28 February to 31 March: no day is in two periods, and none in none."""
    count = counted(
        "2025-01-31",
        _at("2025-02-27T23:59:59.999999Z"),
        _at("2025-02-28T00:00:00Z"),
        _at("2025-03-30T23:59:59.999999Z"),
        _at("2025-03-31T00:00:00Z"),
    )
    assert count("2025-02-01T00:00Z") == (1, "2025-01-31T00:00:00Z", "2025-02-28T00:00:00Z")
    assert count("2025-03-15T00:00Z") == (2, "2025-02-28T00:00:00Z", "2025-03-31T00:00:00Z")
    assert count("2025-04-01T00:00Z") == (1, "2025-03-31T00:00:00Z", "2025-04-30T00:00:00Z")


def test_an_anchor_on_the_leap_day(counted):
    """From 29 February 2024: the 29th of each month, and the 28th of February 2025."""
    count = counted("2024-02-29", _at("2025-02-27T23:59:59.999999Z"), _at("2025-02-28T00:00:00Z"))
    assert count("2025-02-01T00:00Z") == (1, "2025-01-29T00:00:00Z", "2025-02-28T00:00:00Z")
    assert count("2025-03-01T00:00Z") == (1, "2025-02-28T00:00:00Z", "2025-03-29T00:00:00Z")


@pytest.mark.parametrize(
    ("moment", "period"),
    [
        # One instant, written in three zones: still March in UTC.
        ("2025-04-01T01:59:59+02:00", "2025-03-01T00:00:00Z"),
        ("2025-03-31T23:59:59+00:00", "2025-03-01T00:00:00Z"),
        ("2025-03-31T13:59:59-10:00", "2025-03-01T00:00:00Z"),
        # The 31st of March there, April in UTC.
        ("2025-03-31T20:00:00-04:00", "2025-04-01T00:00:00Z"),
    ],
)
def test_an_offset_decides_nothing_but_the_instant(engine, channel, apply, moment, period, request):
    """Through the client, which takes any zone: periods are UTC."""
    name = f"offset-{abs(hash(request.node.name))}"
    apply(CATALOG.replace("NAME", name).replace("START", "2025-01-01"))
    with Client(engine.target) as client:
        client.record_batch([Event(name, name, event_time=datetime.fromisoformat(moment))])
    asked = GetSpendRequest(customer_id=name, at=_stamp(_at(moment)))
    (line,) = SpendServiceStub(channel).GetSpend(asked, timeout=120).line_items
    assert (line.event_count, line.period_start.ToJsonString()) == (1, period)


def test_the_hour_that_comes_twice_is_two_hours(counted):
    """Berlin, 26 October 2025: 02:30 in summer time and 02:30 in winter time are an hour apart, and both count. And
    the hour that 30 March 2025 leaves out loses nothing.
    """
    berlin = ZoneInfo("Europe/Berlin")
    first, second = (datetime(2025, 10, 26, 2, 30, fold=fold, tzinfo=berlin) for fold in (0, 1))
    assert second.astimezone(UTC) - first.astimezone(UTC) == timedelta(hours=1)
    before = datetime(2025, 3, 30, 1, 59, 59, tzinfo=berlin)
    after = datetime(2025, 3, 30, 3, 0, 0, tzinfo=berlin)
    assert after.astimezone(UTC) - before.astimezone(UTC) == timedelta(seconds=1)
    count = counted("2025-01-01", first, second, before, after)
    assert count("2025-10-10T00:00Z")[0] == 2
    assert count("2025-03-10T00:00Z")[0] == 2


def test_a_producer_whose_clock_is_off(tmp_path):
    """Within 35 days behind and 5 minutes ahead of the engine's clock events count, to the second; outside they are
    rejected, with the reason, and those ahead may be sent again later.
    """
    with EngineProcess(tmp_path / "data") as engine, open_channel(engine.target) as channel:
        document = CATALOG.replace("NAME", "skew").replace("START", "2020-01-01")
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=document), timeout=120)

        def record(number, offset_us):
            # The engine looks at its clock later than this: by as much an event is older, or less far ahead.
            at_us = time.time_ns() // 1_000 + offset_us
            event = UsageEvent(event_id=f"skew-{number}", event_type="skew", customer_id="skew")
            event.event_time.FromMicroseconds(at_us)
            answer = UsageServiceStub(channel).RecordUsage(RecordUsageRequest(events=[event]), timeout=120)
            return answer.verdicts[0], *((each.reason, each.retryable) for each in answer.problems)

        second = 1_000_000
        behind, ahead = 35 * DAY_S * second, 300 * second
        assert record(0, -behind - 1) == (VERDICT_REJECTED, (PROBLEM_REASON_TOO_OLD, False))
        assert record(1, -behind + 30 * second) == (VERDICT_ACCEPTED,)
        assert record(2, -3_600 * second) == (VERDICT_ACCEPTED,)
        assert record(3, ahead) == (VERDICT_ACCEPTED,)
        assert record(4, ahead + 30 * second) == (VERDICT_REJECTED, (PROBLEM_REASON_IN_FUTURE, True))
        assert record(5, -20 * 365 * DAY_S * second) == (VERDICT_REJECTED, (PROBLEM_REASON_TOO_OLD, False))
