"""Admission one event at a time: slow, obvious, and the judge of the columns.

Reads protobuf messages, decides with plain Python, and keeps the rows and problems that must come out. It shares
no code with `ingest` but the words: Problem, Reason and Limits. Rules of form come first, then those of time, then
those of the catalog; an event that only breaks one of the latter two is Refused.
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


@dataclass(frozen=True)
class Refused:
    """An event of good form that a rule of time or catalog refuses: it may have been stored before."""

    event: Row
    problem: Problem


class _BrokenRuleError(Exception):
    def __init__(self, field, reason, message):
        self.problem = Problem(field, reason, message)


def admit(limits, value_properties, tenant, messages, now_us):
    """A Row, a Refused or a Problem for each message."""
    return [_admit_one(limits, value_properties, tenant, message, now_us) for message in messages]


def _admit_one(limits, value_properties, tenant, message, now_us):
    try:
        row = _row(limits, tenant, message)
    except _BrokenRuleError as broken:
        return broken.problem
    try:
        _check_age(limits, row.event_time_us, now_us)
        _check_catalog(value_properties, row)
    except _BrokenRuleError as broken:
        return Refused(row, broken.problem)
    return row


def _row(limits, tenant, message):
    for field in ("event_id", "event_type", "customer_id"):
        value = getattr(message, field)
        if not value:
            raise _BrokenRuleError(field, Reason.MISSING, f"{field} is empty")
        _check_bytes(field, value, limits.id_bytes_max, "id_bytes_max")
    time_us = _event_time_us(message)
    properties = _properties(limits, message.properties)
    return Row(tenant, message.event_id, message.event_type, message.customer_id, time_us, properties)


def _check_bytes(field, value, bytes_max, limit_name):
    if len(value.encode()) > bytes_max:
        raise _BrokenRuleError(
            field, Reason.TOO_LONG, f"has {len(value.encode())} bytes; {limit_name} is {bytes_max}"
        )


def _event_time_us(message):
    if not message.HasField("event_time"):
        raise _BrokenRuleError("event_time", Reason.MISSING, "event_time is not set")
    seconds, nanos = message.event_time.seconds, message.event_time.nanos
    if not 0 <= seconds < 253_402_300_800 or not 0 <= nanos < 1_000_000_000:
        raise _BrokenRuleError(
            "event_time", Reason.OUT_OF_RANGE, "event_time must lie between the years 1970 and 9999"
        )
    return seconds * 1_000_000 + nanos // 1_000


def _check_age(limits, time_us, now_us):
    past_us = now_us - time_us
    if past_us > limits.event_age_max_s * 1_000_000:
        raise _BrokenRuleError(
            "event_time",
            Reason.TOO_OLD,
            f"event_time is {_span(past_us)} in the past; "
            f"at most {_span(limits.event_age_max_s * 1_000_000)} are taken (event_age_max_s): "
            "meterline serve --event-age-max-days sets how many",
        )
    if -past_us > limits.event_ahead_max_s * 1_000_000:
        raise _BrokenRuleError(
            "event_time",
            Reason.IN_FUTURE,
            f"event_time is {_span(-past_us)} in the future; "
            f"at most {_span(limits.event_ahead_max_s * 1_000_000)} are taken (event_ahead_max_s): "
            "check the producer's clock",
        )


def _span(span_us):
    days = span_us // 86_400_000_000
    return f"{days} days" if days > 1 else f"{span_us // 1_000_000} s"


def _check_catalog(value_properties, row):
    if row.event_type not in value_properties:
        raise _BrokenRuleError(
            "event_type",
            Reason.UNKNOWN_EVENT_TYPE,
            f"no meter reads event_type {row.event_type!r}: check its spelling, or apply a meter for it first",
        )
    for key, text in row.properties:
        if key in value_properties[row.event_type] and not _is_quantity(text):
            raise _BrokenRuleError(
                f"properties.{key}",
                Reason.NOT_DECIMAL,
                f"{text[:64]!r} is not a decimal number of at most 26 integer and 12 fractional digits, "
                "and a meter reads it as a quantity",
            )


def _properties(limits, values):
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
