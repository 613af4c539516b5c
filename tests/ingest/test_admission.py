"""Admission: which events are stored, and why another is not."""

import datetime as dt
import re
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ingest import Admission, Limits, Problem, Reason, RequestKind, Verdict, decode
from meterline.v1 import usage_pb2
from meterline.v1.usage_pb2 import PropertyValue, UsageEvent
from tests.support.ingest.admission_oracle import Refused, Row
from tests.support.ingest.event_columns import admit

NOW_US = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z
DAY_US = 24 * 60 * 60 * 1_000_000
LIMITS = Limits()
ADMISSION = Admission(LIMITS, {"llm.completion": frozenset({"tokens"})})


def _timestamp(instant_us):
    return Timestamp(seconds=instant_us // 1_000_000, nanos=instant_us % 1_000_000 * 1000)


def _event(**changes):
    fields = {
        "event_id": "e1",
        "event_type": "llm.completion",
        "customer_id": "acme",
        "event_time": _timestamp(NOW_US),
        "properties": {"model": PropertyValue(string_value="large"), "tokens": PropertyValue(int_value=374)},
    }
    return UsageEvent(**{name: value for name, value in (fields | changes).items() if value is not None})


def _admit(**changes):
    """The event, or its one problem."""
    (entry,) = admit(ADMISSION, "t1", [_event(**changes)], NOW_US)
    if isinstance(entry, Row):
        return entry
    (problem,) = entry.problems if isinstance(entry, Refused) else entry
    return problem


def test_a_sound_event_is_admitted_with_its_properties_as_sorted_text():
    """Ids and time as sent; properties sorted by key, quantities as plain text."""
    event = _admit()
    assert isinstance(event, Row)
    assert (event.tenant, event.event_id, event.event_type, event.customer_id) == (
        "t1",
        "e1",
        "llm.completion",
        "acme",
    )
    assert event.event_time_us == NOW_US
    assert event.properties == (("model", "large"), ("tokens", "374"))


@pytest.mark.parametrize("field", ["event_id", "event_type", "customer_id"])
def test_an_empty_id_is_missing(field):
    """Each id is required, and the problem names it."""
    problem = _admit(**{field: ""})
    assert (problem.field, problem.reason, problem.retryable) == (field, Reason.MISSING, False)
    assert problem.verdict is Verdict.REJECTED


@pytest.mark.parametrize("field", ["event_id", "customer_id"])
def test_an_id_may_have_128_bytes_and_not_129(field):
    """The bound counts bytes of UTF-8, not characters: 32 emoji of 4 bytes fit."""
    assert isinstance(_admit(**{field: "\N{ROCKET}" * 32}), Row)
    problem = _admit(**{field: "\N{ROCKET}" * 32 + "x"})
    assert (problem.field, problem.reason) == (field, Reason.TOO_LONG)
    assert "129" in problem.message
    assert "id_bytes_max" in problem.message


def test_an_event_type_that_no_meter_reads_is_rejected_until_a_meter_does():
    """A spelling mistake must not be lost revenue; once a meter is applied, a retry helps."""
    problem = _admit(event_type="llm.completoin")
    assert (problem.field, problem.reason, problem.retryable) == (
        "event_type",
        Reason.UNKNOWN_EVENT_TYPE,
        True,
    )


def test_an_event_without_a_time_is_missing_it():
    """Time is made by the producer, once."""
    assert _admit(event_time=None).reason is Reason.MISSING


@pytest.mark.parametrize(
    ("distance_us", "reason"),
    [
        (-35 * DAY_US, None),
        (-35 * DAY_US - 1, Reason.TOO_OLD),
        (300_000_000, None),
        (300_000_001, Reason.IN_FUTURE),
    ],
)
def test_the_window_is_35_days_back_and_5_minutes_ahead_to_the_microsecond(distance_us, reason):
    """Both bounds are inclusive."""
    entry = _admit(event_time=_timestamp(NOW_US + distance_us))
    assert (entry.reason if isinstance(entry, Problem) else None) is reason


@pytest.mark.parametrize(("seconds", "nanos"), [(-1, 0), (253_402_300_800, 0), (0, -1), (0, 1_000_000_000)])
def test_a_timestamp_out_of_the_calendar_is_out_of_range(seconds, nanos):
    """Nothing wraps into another year."""
    assert _admit(event_time=Timestamp(seconds=seconds, nanos=nanos)).reason is Reason.OUT_OF_RANGE


def test_time_is_cut_to_the_microsecond():
    """999 nanoseconds are not a microsecond."""
    event = _admit(event_time=Timestamp(seconds=NOW_US // 1_000_000, nanos=999))
    assert event.event_time_us == NOW_US


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (PropertyValue(int_value=-(2**63)), "-9223372036854775808"),
        (PropertyValue(double_value=0.1), "0.1"),
        (PropertyValue(double_value=1e22), "10000000000000000000000"),
        (PropertyValue(double_value=5e-12), "0.000000000005"),
        (
            PropertyValue(string_value="12345678901234567890123456.123456789012"),
            "12345678901234567890123456.123456789012",
        ),
    ],
)
def test_a_quantity_is_kept_digit_by_digit(value, text):
    """Integers as they are, doubles by their shortest form without an exponent, strings untouched."""
    assert dict(_admit(properties={"tokens": value}).properties) == {"tokens": text}


@pytest.mark.parametrize(
    "text",
    ["", "abc", "1e3", "1.", ".5", "1_000", " 1", "1\n", "0x10", "NaN", "1" * 27, "0.1234567890123", "٣"],
)
def test_a_quantity_that_is_no_plain_decimal_is_rejected(text):
    """At most 26 integer and 12 fractional ASCII digits: whatever else could be counted wrongly."""
    problem = _admit(properties={"tokens": PropertyValue(string_value=text)})
    assert (problem.field, problem.reason) == ("properties.tokens", Reason.NOT_DECIMAL)


def test_a_double_with_more_digits_than_a_quantity_has_is_rejected():
    """0.1 + 0.2 has 17 fractional digits: the producer decides how to round, not we."""
    assert _admit(properties={"tokens": PropertyValue(double_value=0.1 + 0.2)}).reason is Reason.NOT_DECIMAL


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("key", ["tokens", "temperature"])
def test_nan_and_infinities_are_rejected_in_any_property(key, number):
    """They have no decimal form."""
    assert _admit(properties={key: PropertyValue(double_value=number)}).reason is Reason.OUT_OF_RANGE


def test_a_label_may_be_any_text():
    """Only what a meter reads as a quantity must be one."""
    text = "'; DROP TABLE events; -- \x00 \N{ROCKET}"
    assert dict(_admit(properties={"model": PropertyValue(string_value=text)}).properties) == {"model": text}


def test_an_event_without_the_metered_property_is_admitted():
    """It adds nothing to that meter, and may matter to another."""
    assert isinstance(_admit(properties={}), Row)


def test_a_property_without_a_value_is_missing_it():
    """An unset oneof is a producer's mistake."""
    assert _admit(properties={"model": PropertyValue()}).reason is Reason.MISSING


def test_65_properties_are_too_many():
    """The bound is 64, and the message names it."""
    many = {f"p{i}": PropertyValue(bool_value=True) for i in range(65)}
    problem = _admit(properties=many)
    assert problem.reason is Reason.TOO_LONG
    assert "properties_max is 64" in problem.message


@pytest.mark.parametrize(("key", "value"), [("k" * 129, "v"), ("k", "v" * 1025)])
def test_long_keys_and_values_are_rejected(key, value):
    """129 bytes of key, 1,025 of value: one more than allowed."""
    assert _admit(properties={key: PropertyValue(string_value=value)}).reason is Reason.TOO_LONG


@pytest.mark.parametrize(
    "changes",
    [
        {"event_time": _timestamp(NOW_US - 36 * DAY_US)},
        {"event_time": _timestamp(NOW_US + DAY_US)},
        {"event_type": "unknown"},
        {"properties": {"tokens": PropertyValue(string_value="many")}},
    ],
)
def test_rules_of_time_and_catalog_refuse_an_event_that_may_be_stored(changes):
    """The event goes on with its problem, to be compared with what is stored."""
    (entry,) = admit(ADMISSION, "t1", [_event(**changes)], NOW_US)
    assert isinstance(entry, Refused)
    assert entry.event.event_id == "e1"


def test_ages_are_told_in_words_that_people_use():
    """Days, not seconds; and the option that an operator would look for."""
    problem = _admit(event_time=_timestamp(NOW_US - 365 * DAY_US))
    assert problem.message == (
        "event_time is 365 days in the past; at most 35 days are taken (event_age_max_s): "
        "meterline serve --event-age-max-days sets how many"
    )


def test_one_bad_event_touches_no_other():
    """Each event of a batch stands alone."""
    entries = admit(ADMISSION, "t1", [_event(), _event(event_id=""), _event(event_id="e2")], NOW_US)
    assert [type(entry) for entry in entries] == [Row, tuple, Row]


def test_all_problems_of_an_event_are_told_at_once():
    """The first of each field, in the order of the contract; of its properties each, up to eight."""
    text = PropertyValue(string_value="many")
    (problems,) = admit(
        ADMISSION,
        "t1",
        [
            _event(
                event_id="",
                customer_id="c" * 129,
                event_time=_timestamp(NOW_US - 40 * DAY_US),
                properties={"tokens": text, "empty": PropertyValue(), "k" * 129: text},
            )
        ],
        NOW_US,
    )
    assert [(each.field, each.reason) for each in problems] == [
        ("event_id", Reason.MISSING),
        ("customer_id", Reason.TOO_LONG),
        ("event_time", Reason.TOO_OLD),
        ("properties.empty", Reason.MISSING),
        ("properties", Reason.TOO_LONG),
        ("properties.tokens", Reason.NOT_DECIMAL),
    ]
    nothing = {f"p{number}": PropertyValue() for number in range(64)}
    (problems,) = admit(ADMISSION, "t1", [_event(event_type="", properties=nothing)], NOW_US)
    fields = ["event_type", *(f"properties.{name}" for name in sorted(nothing)[:8])]
    assert [each.field for each in problems] == fields


def test_verdicts_and_reasons_have_the_numbers_of_the_wire():
    """The engine casts them by number."""
    assert {v.name: v.value for v in Verdict} == {
        name.removeprefix("VERDICT_"): number for name, number in usage_pb2.Verdict.items() if number
    }
    assert {r.name: r.value for r in Reason} == {
        name.removeprefix("PROBLEM_REASON_"): number
        for name, number in usage_pb2.ProblemReason.items()
        if number
    }


def test_limits_that_contradict_each_other_are_refused():
    """A request larger than an insert could never be stored."""
    with pytest.raises(ValueError, match="request_events_max must not be greater than insert_events_max"):
        Limits(request_events_max=60_000)
    with pytest.raises(ValueError, match="id_bytes_max must be at least 1"):
        Limits(id_bytes_max=0)


def test_every_limit_has_its_default_in_the_documentation():
    """docs/ingest.md lists each of them, and none that is gone."""
    page = (Path(__file__).parents[2] / "docs" / "ingest.md").read_text()
    listed = dict(re.findall(r"^\| `(\w+_max\w*)` \| ([\d,]+)", page, re.MULTILINE))
    assert {name: int(text.replace(",", "")) for name, text in listed.items()} == asdict(Limits())


def test_the_instant_of_these_tests_is_what_the_comment_says():
    """2027-01-15T08:00:00Z."""
    assert dt.datetime.fromtimestamp(NOW_US // 1_000_000, dt.UTC).isoformat() == "2027-01-15T08:00:00+00:00"


@pytest.mark.parametrize(
    ("kind", "reasons"),
    [
        ({"properties": {"tokens": PropertyValue(string_value="x1")}}, [Reason.NOT_DECIMAL]),
        ({"properties": {"tokens": PropertyValue(double_value=float("nan"))}}, [Reason.OUT_OF_RANGE]),
        ({"properties": {"k" * 200: PropertyValue(string_value="1")}}, [Reason.TOO_LONG]),
        ({"event_time": _timestamp(5)}, [Reason.TOO_OLD]),
        ({"event_type": "unheard of"}, [Reason.UNKNOWN_EVENT_TYPE]),
    ],
)
def test_a_flood_of_bad_events_delays_nobody_for_long(kind, reasons):
    """Judged together they cost some of what sound ones do from bytes on, and not ten times as much."""
    events = 10_000

    def request(**changes):
        message = usage_pb2.RecordUsageRequest(events=[_event(**changes)] * events)
        return [message.SerializeToString()]

    def cost_s(work):
        """Of three tries the least: CPU time of this thread."""
        costs = []
        for _ in range(3):
            began_s = time.thread_time()
            work()
            costs.append(time.thread_time() - began_s)
        return min(costs)

    sound, bad = request(), decode(RequestKind.RECORD, request(**kind), LIMITS)
    sound_s = cost_s(lambda: ADMISSION.admit("t1", decode(RequestKind.RECORD, sound, LIMITS).events, NOW_US))
    found = ADMISSION.admit("t1", bad.events, NOW_US)
    assert [[each.reason for each in problems] for problems in found.problems.values()] == [reasons] * events
    assert cost_s(lambda: ADMISSION.admit("t1", bad.events, NOW_US)) < 6 * sound_s
