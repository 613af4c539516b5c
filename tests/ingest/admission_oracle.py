"""Admission one event at a time: slow, obvious, and the judge of the columns.

Reads protobuf messages, decides with plain Python, and keeps the rows and problems that must come out. It shares
no code with `ingest` but the words: Problem, Reason and Limits.
"""

import math
import re
from dataclasses import dataclass
from decimal import Decimal

from ingest import Problem, Reason

_is_quantity = re.compile(r"[+-]?[0-9]{1,26}([.][0-9]{1,12})?").fullmatch


@dataclass(frozen=True)
class Row:
    """An admitted event."""

    tenant: str
    event_id: str
    event_type: str
    customer_id: str
    event_time_us: int
    properties: tuple[tuple[str, str], ...]


class _BrokenRuleError(Exception):
    def __init__(self, field, reason, message):
        self.problem = Problem(field, reason, message)


def admit(limits, value_properties, tenant, messages, now_us):
    """A Row or a Problem for each message."""
    return [_admit_one(limits, value_properties, tenant, message, now_us) for message in messages]


def _admit_one(limits, value_properties, tenant, message, now_us):
    try:
        return _row(limits, value_properties, tenant, message, now_us)
    except _BrokenRuleError as broken:
        return broken.problem


def _row(limits, value_properties, tenant, message, now_us):
    for field in ("event_id", "event_type", "customer_id"):
        value = getattr(message, field)
        if not value:
            raise _BrokenRuleError(field, Reason.MISSING, f"{field} is empty")
        _check_bytes(field, value, limits.id_bytes_max, "id_bytes_max")
    time_us = _event_time_us(limits, message, now_us)
    if message.event_type not in value_properties:
        raise _BrokenRuleError(
            "event_type",
            Reason.UNKNOWN_EVENT_TYPE,
            f"no meter reads event_type {message.event_type!r}: check its spelling, or apply a meter for it first",
        )
    properties = _properties(limits, message.properties, value_properties[message.event_type])
    return Row(tenant, message.event_id, message.event_type, message.customer_id, time_us, properties)


def _check_bytes(field, value, bytes_max, limit_name):
    if len(value.encode()) > bytes_max:
        raise _BrokenRuleError(
            field, Reason.TOO_LONG, f"has {len(value.encode())} bytes; {limit_name} is {bytes_max}"
        )


def _event_time_us(limits, message, now_us):
    if not message.HasField("event_time"):
        raise _BrokenRuleError("event_time", Reason.MISSING, "event_time is not set")
    seconds, nanos = message.event_time.seconds, message.event_time.nanos
    if not 0 <= seconds < 253_402_300_800 or not 0 <= nanos < 1_000_000_000:
        raise _BrokenRuleError(
            "event_time", Reason.OUT_OF_RANGE, "event_time must lie between the years 1970 and 9999"
        )
    time_us = seconds * 1_000_000 + nanos // 1_000
    past_us = now_us - time_us
    if past_us > limits.event_age_max_s * 1_000_000:
        raise _BrokenRuleError(
            "event_time",
            Reason.TOO_OLD,
            f"event_time is {past_us // 1_000_000} s in the past; event_age_max_s is {limits.event_age_max_s}",
        )
    if -past_us > limits.event_ahead_max_s * 1_000_000:
        raise _BrokenRuleError(
            "event_time",
            Reason.IN_FUTURE,
            f"event_time is {-past_us // 1_000_000} s in the future; "
            f"event_ahead_max_s is {limits.event_ahead_max_s}: check the producer's clock",
        )
    return time_us


def _properties(limits, values, quantities):
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
        text = _text(f"properties.{key}", values[key])
        _check_bytes(f"properties.{key}", text, limits.property_value_bytes_max, "property_value_bytes_max")
        if key in quantities and not _is_quantity(text):
            raise _BrokenRuleError(
                f"properties.{key}",
                Reason.NOT_DECIMAL,
                f"{text[:64]!r} is not a decimal number of at most 26 integer and 12 fractional digits, "
                "and a meter reads it as a quantity",
            )
        properties.append((key, text))
    return tuple(properties)


def _text(field, value):
    kind = value.WhichOneof("kind")
    if kind is None:
        raise _BrokenRuleError(field, Reason.MISSING, "the property has no value")
    number = getattr(value, kind)
    if kind == "string_value":
        return number
    if kind == "bool_value":
        return "true" if number else "false"
    if kind == "int_value":
        return str(number)
    if not math.isfinite(number):
        raise _BrokenRuleError(field, Reason.OUT_OF_RANGE, f"{number} is not a number")
    return format(Decimal(repr(number)), "f")
