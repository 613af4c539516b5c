"""Events to the bytes of the wire, and answers back to judgements.

1. An event is encoded once, when it is recorded: a later change of the caller's dict changes nothing,
   and a retry repeats the same bytes.
2. The encoding of one event (a frame) is the encoding of a request with that one event. Joined frames
   are the encoding of a request with all of them (protobuf: repeated fields of joined messages append).
3. Only what a mistake in the calling code can be is refused here: types, naive times, NaN, text that is
   not Unicode, absurd sizes. The rules on content are the engine's, and come back as verdicts.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal

from meterline.arguments import checked_text, time_of
from meterline.errors import InvalidArgumentError
from meterline.events import Event, Judgement, PropertyScalar, Verdict
from meterline.options import EVENT_BYTES_MAX
from meterline.v1 import usage_pb2

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_TEXT_DIGITS_MAX = 1_024  # the contract's bound for a property's text

_VERDICTS = {
    usage_pb2.VERDICT_ACCEPTED: Judgement(Verdict.ACCEPTED),
    usage_pb2.VERDICT_DUPLICATE: Judgement(Verdict.DUPLICATE),
    usage_pb2.VERDICT_CONFLICT: Judgement(Verdict.CONFLICT),
    usage_pb2.VERDICT_REJECTED: Judgement(Verdict.REJECTED),
}
_REASONS: dict[int, str] = {
    number: name.removeprefix("PROBLEM_REASON_").lower() for name, number in usage_pb2.ProblemReason.items()
}
UNKNOWN_VERDICT_REASON = "unknown_verdict"
_UNKNOWN_VERDICT = Judgement(
    Verdict.FAILED,
    reason=UNKNOWN_VERDICT_REASON,
    message="the engine gave a verdict that this client does not know: update the client",
)


def encode(
    customer_id: str,
    event_type: str,
    properties: Mapping[str, PropertyScalar] | None,
    event_id: str,
    event_time_us: int,
) -> bytes:
    """One event's frame, at most EVENT_BYTES_MAX bytes. Raises InvalidArgumentError."""
    request = usage_pb2.RecordUsageRequest()
    event = request.events.add()
    try:
        event.event_id = checked_text("event_id", event_id)
        event.event_type = checked_text("event_type", event_type)
        event.customer_id = checked_text("customer_id", customer_id)
        event.event_time.seconds, micros = divmod(event_time_us, 1_000_000)
        event.event_time.nanos = micros * 1_000
        if properties:
            if not isinstance(properties, Mapping):
                raise InvalidArgumentError(f"properties is a {type(properties).__name__}: give a mapping")
            for name, value in properties.items():
                _set_property(event.properties[checked_text("a property's name", name)], name, value)
        frame = request.SerializeToString(deterministic=True)
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"a text of the event is not valid Unicode: {error}") from None
    if len(frame) > EVENT_BYTES_MAX:
        raise InvalidArgumentError(
            f"event {event_id} has {len(frame):,} bytes, at most {EVENT_BYTES_MAX:,} can be sent: "
            "leave large texts out of the properties"
        )
    return frame


def decode(frame: bytes) -> Event:
    """The event of a frame, as it was sent: Decimals and ints beyond 64 bits are strings."""
    event = usage_pb2.RecordUsageRequest.FromString(frame).events[0]
    properties: dict[str, PropertyScalar] = {}
    for name, value in event.properties.items():
        kind = value.WhichOneof("kind")
        if kind is not None:
            properties[name] = getattr(value, kind)
    time = time_of(event.event_time.ToMicroseconds())
    return Event(event.customer_id, event.event_type, properties, event.event_id, time)


def judgements(response: usage_pb2.RecordUsageResponse, events_count: int) -> list[Judgement]:
    """One judgement for each event of the request, in its order.

    An answer of another length says nothing about any event: all of them have failed.
    """
    if len(response.verdicts) != events_count:
        message = f"the engine gave {len(response.verdicts)} verdicts for {events_count} events"
        return [Judgement(Verdict.FAILED, "", "malformed_answer", message, retryable=True)] * events_count
    judged = [_VERDICTS.get(verdict, _UNKNOWN_VERDICT) for verdict in response.verdicts]
    for problem in response.problems:
        if problem.index < events_count:
            judged[problem.index] = _with(judged[problem.index], problem)
    return judged


def _with(judgement: Judgement, problem: usage_pb2.EventProblem) -> Judgement:
    """The judgement with a problem of its event: the first one's field and reason stand, and every message."""
    if not judgement.reason:
        return Judgement(
            judgement.verdict,
            problem.field,
            _REASONS.get(problem.reason, f"reason_{problem.reason}"),
            problem.message,
            problem.retryable,
        )
    message = "; ".join(filter(None, (judgement.message, _named(problem))))
    return judgement._replace(message=message, retryable=judgement.retryable and problem.retryable)


def _named(problem: usage_pb2.EventProblem) -> str:
    """The message behind its field, where it doesn't begin with that anyway."""
    if not problem.message or problem.message.startswith(problem.field):
        return problem.message
    return f"{problem.field}: {problem.message}"


def count_verdicts(judged: Sequence[Judgement]) -> Counter[Verdict]:
    """How many events got which verdict."""
    return Counter(judgement.verdict for judgement in judged)


def _set_property(target: usage_pb2.PropertyValue, name: str, value: object) -> None:
    # bool before int: a bool is an int to isinstance.
    if isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        if _INT64_MIN <= value <= _INT64_MAX:
            target.int_value = value
        else:
            target.string_value = _long_int(name, value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidArgumentError(f"property {name!r} is {value}: give a finite number")
        target.double_value = value
    elif isinstance(value, Decimal):
        target.string_value = _plain_decimal(name, value)
    elif value is None:
        raise InvalidArgumentError(f"property {name!r} is None: leave it out")
    else:
        raise InvalidArgumentError(
            f"property {name!r} is a {type(value).__name__}: give a str, int, float, Decimal or bool"
        )


def _long_int(name: str, value: int) -> str:
    # 10 bits are more than 3 digits: checked before str(), whose time grows with the square.
    if value.bit_length() * 3 // 10 > _TEXT_DIGITS_MAX:
        raise InvalidArgumentError(f"property {name!r} has more than {_TEXT_DIGITS_MAX:,} digits")
    return str(value)


def _plain_decimal(name: str, value: Decimal) -> str:
    if not value.is_finite():
        raise InvalidArgumentError(f"property {name!r} is {value}: give a finite number")
    # The longest of the digits before and after the point; checked before they are written out.
    if max(abs(value.adjusted()), abs(int(value.as_tuple().exponent))) > _TEXT_DIGITS_MAX:
        raise InvalidArgumentError(f"property {name!r} has more than {_TEXT_DIGITS_MAX:,} digits")
    return format(value, "f")
