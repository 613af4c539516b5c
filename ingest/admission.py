"""From wire messages to events: each event is admitted or gets a problem of its own.

Rules:
1. An event stands alone: nothing in one event changes what becomes of another.
2. The first broken rule is the one that is reported, in the order of the wire contract's fields.
3. A property that a meter of the event's type aggregates or compares as a number must be a decimal number, if
   it is there. An event without it is admitted: it adds nothing to that meter.
4. Time enters as an argument.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from ingest.event import Event, Problem, Reason, is_quantity
from ingest.limits import MICROSECONDS, Limits
from meterline.v1.usage_pb2 import PropertyValue, UsageEvent

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

    def admit(self, tenant: str, messages: Sequence[UsageEvent], now_us: int) -> list[Event | Problem]:
        """One entry for each message, in its order."""
        return [self._admit_one(tenant, message, now_us) for message in messages]

    def _admit_one(self, tenant: str, message: UsageEvent, now_us: int) -> Event | Problem:
        try:
            self._check_id("event_id", message.event_id)
            self._check_id("event_type", message.event_type)
            self._check_id("customer_id", message.customer_id)
            event_time_us = self._event_time_us(message, now_us)
            quantities = self._quantities_of(message.event_type)
            properties = self._properties(message.properties, quantities)
        except _BrokenRuleError as broken:
            return broken.problem
        return Event(
            tenant, message.event_id, message.event_type, message.customer_id, event_time_us, properties
        )

    def _check_id(self, field: str, value: str) -> None:
        if not value:
            raise _BrokenRuleError(field, Reason.MISSING, f"{field} is empty")
        _check_bytes(field, value, self.limits.id_bytes_max, "id_bytes_max")

    def _event_time_us(self, message: UsageEvent, now_us: int) -> int:
        if not message.HasField("event_time"):
            raise _BrokenRuleError("event_time", Reason.MISSING, "event_time is not set")
        event_time_us = timestamp_us(message.event_time)
        age_us = now_us - event_time_us
        if age_us > self.limits.event_age_max_s * MICROSECONDS:
            raise _BrokenRuleError(
                "event_time",
                Reason.TOO_OLD,
                f"event_time is {age_us // MICROSECONDS} s in the past; event_age_max_s is {self.limits.event_age_max_s}",
            )
        if -age_us > self.limits.event_ahead_max_s * MICROSECONDS:
            raise _BrokenRuleError(
                "event_time",
                Reason.IN_FUTURE,
                f"event_time is {-age_us // MICROSECONDS} s in the future; "
                f"event_ahead_max_s is {self.limits.event_ahead_max_s}: check the producer's clock",
            )
        return event_time_us

    def _quantities_of(self, event_type: str) -> frozenset[str]:
        quantities = self.value_properties.get(event_type)
        if quantities is None:
            raise _BrokenRuleError(
                "event_type",
                Reason.UNKNOWN_EVENT_TYPE,
                f"no meter reads event_type {event_type!r}: check its spelling, or apply a meter for it first",
            )
        return quantities

    def _properties(
        self, values: Mapping[str, PropertyValue], quantities: frozenset[str]
    ) -> tuple[tuple[str, str], ...]:
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
            if key in quantities and not is_quantity(text):
                raise _BrokenRuleError(
                    f"properties.{key}",
                    Reason.NOT_DECIMAL,
                    f"{text[:64]!r} is not a decimal number of at most 26 integer and 12 fractional digits, "
                    "and a meter reads it as a quantity",
                )
            properties.append((key, text))
        return tuple(properties)


def _check_bytes(field: str, value: str, bytes_max: int, limit_name: str) -> None:
    # A character has at most 4 bytes: most values need no encoding to be found short enough.
    if len(value) * 4 > bytes_max and len(value.encode()) > bytes_max:
        raise _BrokenRuleError(
            field, Reason.TOO_LONG, f"has {len(value.encode())} bytes; {limit_name} is {bytes_max}"
        )


def timestamp_us(timestamp: Timestamp) -> int:
    """Microseconds since 1970, what is finer cut off."""
    seconds, nanos = timestamp.seconds, timestamp.nanos
    if not 0 <= seconds <= _SECONDS_MAX or not 0 <= nanos <= _NANOS_MAX:
        raise _BrokenRuleError(
            "event_time", Reason.OUT_OF_RANGE, "event_time must lie between the years 1970 and 9999"
        )
    return seconds * MICROSECONDS + nanos // 1000


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
