"""From wire messages to events: each event is admitted or gets a problem of its own.

Rules:
1. An event stands alone: nothing in one event changes what becomes of another.
2. The first broken rule is the one that is reported: of form first, in the order of the wire contract's fields,
   then of time, then of the catalog.
3. A property that a meter of the event's type aggregates or compares as a number must be a decimal number, if
   it is there. An event without it is admitted: it adds nothing to that meter.
4. Time enters as an argument.
5. Rules that change with time or catalog refuse an event; they don't say that it was never stored.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ingest.event import Entry, Event, Problem, Reason, Refused, is_quantity
from ingest.limits import MICROSECONDS, Limits
from meterline.v1.usage_pb2 import PropertyValue, UsageEvent

_DAY_S = 24 * 60 * 60
_NANOS_MAX = 999_999_999
# The end of 9999, as in google.protobuf.Timestamp.
_SECONDS_MAX = 253_402_300_799


class _BrokenRuleError(Exception):
    def __init__(self, field: str, reason: Reason, message: str) -> None:
        self.problem = Problem(field, reason, message)


@dataclass(frozen=True, slots=True)
class Admission:
    """The rules that hold for one tenant at one moment.

    `value_properties` maps each event type that a meter reads to the properties that its meters aggregate or
    compare as quantities.
    """

    limits: Limits
    value_properties: Mapping[str, frozenset[str]]

    def admit(self, tenant: str, messages: Sequence[UsageEvent], now_us: int) -> list[Entry]:
        """One entry for each message, in its order."""
        return [self._admit_one(tenant, message, now_us) for message in messages]

    def _admit_one(self, tenant: str, message: UsageEvent, now_us: int) -> Entry:
        try:
            self._check_id("event_id", message.event_id)
            self._check_id("event_type", message.event_type)
            self._check_id("customer_id", message.customer_id)
            event_time_us = _event_time_us(message)
            properties = self._properties(message.properties)
        except _BrokenRuleError as broken:
            return broken.problem
        event = Event(
            tenant, message.event_id, message.event_type, message.customer_id, event_time_us, properties
        )
        problem = self._time_problem(event, now_us) or self._quantity_problem(event)
        return event if problem is None else Refused(event, problem)

    def _check_id(self, field: str, value: str) -> None:
        if not value:
            raise _BrokenRuleError(field, Reason.MISSING, f"{field} is empty")
        _check_bytes(field, value, self.limits.id_bytes_max, "id_bytes_max")

    def _time_problem(self, event: Event, now_us: int) -> Problem | None:
        age_us = now_us - event.event_time_us
        if age_us > self.limits.event_age_max_s * MICROSECONDS:
            return Problem(
                "event_time",
                Reason.TOO_OLD,
                f"event_time is {_span(age_us)} in the past; at most {_span(self.limits.event_age_max_s * MICROSECONDS)} "
                "are taken (event_age_max_s)",
            )
        if -age_us > self.limits.event_ahead_max_s * MICROSECONDS:
            return Problem(
                "event_time",
                Reason.IN_FUTURE,
                f"event_time is {_span(-age_us)} in the future; at most "
                f"{_span(self.limits.event_ahead_max_s * MICROSECONDS)} are taken (event_ahead_max_s): "
                "check the producer's clock",
            )
        return None

    def _quantity_problem(self, event: Event) -> Problem | None:
        quantities = self.value_properties.get(event.event_type)
        if quantities is None:
            return Problem(
                "event_type",
                Reason.UNKNOWN_EVENT_TYPE,
                f"no meter reads event_type {event.event_type!r}: check its spelling, or apply a meter for it first",
            )
        for key, text in event.properties:
            if key in quantities and not is_quantity(text):
                return Problem(
                    f"properties.{key}",
                    Reason.NOT_DECIMAL,
                    f"{text[:64]!r} is not a decimal number of at most 26 integer and 12 fractional digits, "
                    "and a meter reads it as a quantity",
                )
        return None

    def _properties(self, values: Mapping[str, PropertyValue]) -> tuple[tuple[str, str], ...]:
        limits = self.limits
        if len(values) > limits.properties_max:
            raise _BrokenRuleError(
                "properties",
                Reason.TOO_LONG,
                f"has {len(values)} properties; properties_max is {limits.properties_max}",
            )
        properties = []
        for key in sorted(values):
            if not key:
                raise _BrokenRuleError("properties", Reason.MISSING, "a property has an empty key")
            _check_bytes("properties", key, limits.property_key_bytes_max, "property_key_bytes_max")
            text = _text(key, values[key])
            _check_bytes(
                f"properties.{key}", text, limits.property_value_bytes_max, "property_value_bytes_max"
            )
            properties.append((key, text))
        return tuple(properties)


def _check_bytes(field: str, value: str, bytes_max: int, limit_name: str) -> None:
    # A character has at most 4 bytes: most values need no encoding to be found short enough.
    if len(value) * 4 > bytes_max and len(value.encode()) > bytes_max:
        raise _BrokenRuleError(
            field, Reason.TOO_LONG, f"has {len(value.encode())} bytes; {limit_name} is {bytes_max}"
        )


def _event_time_us(message: UsageEvent) -> int:
    """Microseconds since 1970, what is finer cut off."""
    if not message.HasField("event_time"):
        raise _BrokenRuleError("event_time", Reason.MISSING, "event_time is not set")
    seconds, nanos = message.event_time.seconds, message.event_time.nanos
    if not 0 <= seconds <= _SECONDS_MAX or not 0 <= nanos <= _NANOS_MAX:
        raise _BrokenRuleError(
            "event_time", Reason.OUT_OF_RANGE, "event_time must lie between the years 1970 and 9999"
        )
    return seconds * MICROSECONDS + nanos // 1000


def _span(span_us: int) -> str:
    """A span of time for people, rounded down: "36 days", "90 s"."""
    seconds = span_us // MICROSECONDS
    return f"{seconds // _DAY_S} days" if seconds >= 2 * _DAY_S else f"{seconds} s"


def _text(key: str, value: PropertyValue) -> str:
    kind = value.WhichOneof("kind")
    if kind is None:
        raise _BrokenRuleError(f"properties.{key}", Reason.MISSING, "the property has no value")
    return _TEXT_OF[kind](key, value)


def _double_text(key: str, value: PropertyValue) -> str:
    number = value.double_value
    if not math.isfinite(number):
        raise _BrokenRuleError(f"properties.{key}", Reason.OUT_OF_RANGE, f"{number} is not a number")
    # repr is the shortest text that reads back as the same double; Decimal writes it without an exponent.
    return format(Decimal(repr(number)), "f")


_TEXT_OF: dict[str, Callable[[str, PropertyValue], str]] = {
    "string_value": lambda _key, value: value.string_value,
    "int_value": lambda _key, value: str(value.int_value),
    "double_value": _double_text,
    "bool_value": lambda _key, value: "true" if value.bool_value else "false",
}
