"""Events to bytes: what is kept exactly, and which mistakes are refused on the spot."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterline import Event, InvalidArgumentError, Verdict
from meterline.arguments import epoch_us, time_of
from meterline.sending.messages import decode, encode, judgements
from meterline.v1 import usage_pb2


def sent(value):
    """The property as it stands in the message: (kind, value)."""
    frame = encode("acme", "llm.completion", {"x": value}, "id-1", 0)
    message = usage_pb2.RecordUsageRequest.FromString(frame).events[0].properties["x"]
    return message.WhichOneof("kind"), getattr(message, message.WhichOneof("kind"))


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("large", ("string_value", "large")),
        ("", ("string_value", "")),
        (374, ("int_value", 374)),
        (Level.HIGH, ("int_value", 3)),
        (-(2**63), ("int_value", -9223372036854775808)),
        (2**63, ("string_value", "9223372036854775808")),
        (-(2**63) - 1, ("string_value", "-9223372036854775809")),
        (0.1, ("double_value", 0.1)),
        (True, ("bool_value", True)),
        (False, ("bool_value", False)),
        (Decimal("12.50"), ("string_value", "12.50")),
        (Decimal("1E+5"), ("string_value", "100000")),
        (Decimal("1E-12"), ("string_value", "0.000000000001")),
        (Decimal("-0.000003"), ("string_value", "-0.000003")),
    ],
)
def test_a_property_keeps_its_exact_value(value, expected):
    """Whole numbers beyond 64 bits and Decimals become plain decimal strings, never floats or exponents."""
    assert sent(value) == expected


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "property 'x' is nan: give a finite number"),
        (float("-inf"), "property 'x' is -inf: give a finite number"),
        (Decimal("NaN"), "property 'x' is NaN: give a finite number"),
        (Decimal("Infinity"), "property 'x' is Infinity: give a finite number"),
        (None, "property 'x' is None: leave it out"),
        ([1], "property 'x' is a list: give a str, int, float, Decimal or bool"),
        (b"bytes", "property 'x' is a bytes: give a str, int, float, Decimal or bool"),
        (Colour.RED, "property 'x' is a Colour: give a str, int, float, Decimal or bool"),
        (Decimal("1E+999999"), "property 'x' has more than 1,024 digits"),
        (Decimal("1E-999999"), "property 'x' has more than 1,024 digits"),
        pytest.param(10**5_000, "property 'x' has more than 1,024 digits", id="5,001 digits"),
    ],
)
def test_a_property_that_cannot_be_a_quantity_or_label_is_refused(value, message):
    """The error names the property and says what to give."""
    with pytest.raises(InvalidArgumentError) as caught:
        sent(value)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((7, "type", {}, "id-1", 0), "customer_id is a int (7): give a str"),
        (("acme", None, {}, "id-1", 0), "event_type is a NoneType (None): give a str"),
        (("acme", "type", {}, b"id", 0), "event_id is a bytes (b'id'): give a str"),
        (("acme", "type", {1: "x"}, "id-1", 0), "a property's name is a int (1): give a str"),
        (("acme", "type", {"x": "y" * 200_000}, "id-1", 0), "event id-1 has 200,0"),
        (("ac\ud800me", "type", {}, "id-1", 0), "a text of the event is not valid Unicode"),
        (("acme", "type", {"\ud800": 1}, "id-1", 0), "a text of the event is not valid Unicode"),
        (("acme", "type", {"x": "\ud800"}, "id-1", 0), "a text of the event is not valid Unicode"),
        (("acme", "type", [("x", 1)], "id-1", 0), "properties is a list: give a mapping"),
    ],
)
def test_a_mistake_in_the_calling_code_is_refused(arguments, message):
    """What no engine could read never enters the buffer."""
    with pytest.raises(InvalidArgumentError) as caught:
        encode(*arguments)
    assert str(caught.value).startswith(message)


def test_a_naive_time_is_refused_with_the_way_out():
    """Nobody guesses a zone."""
    with pytest.raises(InvalidArgumentError) as caught:
        epoch_us(datetime(2026, 3, 1, 12, 0))  # noqa: DTZ001 - the mistake under test
    assert str(caught.value) == (
        "event_time 2026-03-01T12:00:00 has no time zone: "
        "give an aware datetime, for instance datetime.now(timezone.utc)"
    )
    with pytest.raises(InvalidArgumentError, match="event_time is a int: give a datetime with a time zone"):
        epoch_us(1_700_000_000)


def test_a_time_is_kept_to_the_microsecond_in_utc():
    """2026-03-01 12:00:00.000001+02:00 is 10:00:00.000001 UTC, 1,772,359,200 s after 1970."""
    local = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=timezone(timedelta(hours=2)))
    assert epoch_us(local) == 1_772_359_200_000_001
    frame = encode("acme", "type", {}, "id-1", epoch_us(local))
    [event] = usage_pb2.RecordUsageRequest.FromString(frame).events
    assert (event.event_time.seconds, event.event_time.nanos) == (1_772_359_200, 1_000)


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001 - zoned below
def test_any_time_comes_back_as_it_was(time):
    """From year 1 to 9999, also before 1970."""
    time = time.replace(tzinfo=UTC)
    assert time_of(epoch_us(time)) == time
    assert decode(encode("acme", "type", {}, "id-1", epoch_us(time))).event_time == time


def test_the_same_event_is_the_same_bytes():
    """Whatever the order of the caller's dict."""
    one = encode("acme", "type", {"a": 1, "b": "x", "c": True}, "id-1", 5)
    other = encode("acme", "type", {"c": True, "b": "x", "a": 1}, "id-1", 5)
    assert one == other


def test_joined_frames_are_one_request():
    """A batch's payload is what protobuf would write for the request with all its events."""
    frames = [encode("acme", "type", {"n": number}, f"id-{number}", number) for number in range(3)]
    joined = usage_pb2.RecordUsageRequest.FromString(b"".join(frames))
    assert [event.event_id for event in joined.events] == ["id-0", "id-1", "id-2"]
    assert [event.properties["n"].int_value for event in joined.events] == [0, 1, 2]


def test_a_frame_tells_its_event():
    """The report of a problem shows the event that was sent."""
    frame = encode("acme", "type", {"n": 1, "s": "x", "d": Decimal("1E+2")}, "id-1", 0)
    assert decode(frame) == Event(
        "acme", "type", {"n": 1, "s": "x", "d": "100"}, "id-1", datetime(1970, 1, 1, tzinfo=UTC)
    )


def test_a_judgement_carries_the_engines_reason():
    """Reasons are the contract's, in lower case; one that this client does not know keeps its number."""
    answer = usage_pb2.RecordUsageResponse(
        verdicts=[usage_pb2.VERDICT_ACCEPTED, usage_pb2.VERDICT_REJECTED, usage_pb2.VERDICT_REJECTED],
        problems=[
            usage_pb2.EventProblem(
                index=1,
                field="event_time",
                reason=usage_pb2.PROBLEM_REASON_IN_FUTURE,
                message="too early",
                retryable=True,
            ),
            usage_pb2.EventProblem(index=2, reason=99),
            usage_pb2.EventProblem(index=7, message="of no event"),
        ],
    )
    accepted, early, other = judgements(answer, 3)
    assert accepted == (Verdict.ACCEPTED, "", "", "", False)
    assert early == (Verdict.REJECTED, "event_time", "in_future", "too early", True)
    assert other == (Verdict.REJECTED, "", "reason_99", "", False)


def test_several_problems_of_an_event_are_one_judgement_with_every_message():
    """The first names field and reason; it can be accepted later only if all of them can heal."""
    told = [
        ("event_time", "too early", True),
        ("customer_id", "customer_id is empty", False),
        ("properties.n", "is long", True),
    ]
    answer = usage_pb2.RecordUsageResponse(
        verdicts=[usage_pb2.VERDICT_REJECTED],
        problems=[
            usage_pb2.EventProblem(index=0, field=field, reason=5, message=message, retryable=heals)
            for field, message, heals in told
        ],
    )
    message = "too early; customer_id is empty; properties.n: is long"
    assert judgements(answer, 1) == [(Verdict.REJECTED, "event_time", "in_future", message, False)]


def test_a_verdict_that_is_not_known_is_no_acceptance():
    """A newer engine's verdict counts as failed, and says what to do."""
    [judgement] = judgements(usage_pb2.RecordUsageResponse(verdicts=[42]), 1)
    assert judgement.verdict is Verdict.FAILED
    assert "update the client" in judgement.message
