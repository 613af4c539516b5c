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
    """An event of good form that rules of time or catalog refuse: it may have been stored before."""

    event: Row
    problems: tuple[Problem, ...]


def admit(limits, value_properties, tenant, messages, now_us):
    """A Row, a Refused or a tuple of Problems for each message."""
    return [_admit_one(limits, value_properties, tenant, message, now_us) for message in messages]


def _admit_one(limits, value_properties, tenant, message, now_us):
    form = [
        *_id_problems(limits, message),
        *_event_time_problems(message),
        *_count_problems(limits, message.properties),
    ]
    of_properties = list(_property_problems(limits, value_properties.get(message.event_type, ()), message))
    malformed = any(problem.reason is not Reason.NOT_DECIMAL for problem in of_properties)
    refusing = [*_age_problems(limits, message, now_us), *_type_problems(value_properties, message)]
    fields = [problem.field for problem in form]
    told = [*form, *(each for each in refusing if each.field not in fields), *of_properties[:8]]
    if form or malformed:
        return tuple(told)
    properties = tuple((key, _text(message.properties[key])) for key in sorted(message.properties))
    row = Row(
        tenant,
        message.event_id,
        message.event_type,
        message.customer_id,
        _time_us(message),
        properties,
    )
    return Refused(row, tuple(told)) if told else row


def _id_problems(limits, message):
    for field in ("event_id", "event_type", "customer_id"):
        value = getattr(message, field)
        if not value:
            yield Problem(field, Reason.MISSING, f"{field} is empty")
        yield from _long(field, value, limits.id_bytes_max, "id_bytes_max")


def _long(field, value, bytes_max, limit_name):
    size = len(value.encode())
    if size > bytes_max:
        yield Problem(field, Reason.TOO_LONG, f"has {size} bytes; {limit_name} is {bytes_max}")


def _time_us(message):
    return message.event_time.seconds * 1_000_000 + message.event_time.nanos // 1_000


def _event_time_problems(message):
    if not message.HasField("event_time"):
        yield Problem("event_time", Reason.MISSING, "event_time is not set")
        return
    seconds, nanos = message.event_time.seconds, message.event_time.nanos
    if not 0 <= seconds < 253_402_300_800 or not 0 <= nanos < 1_000_000_000:
        yield Problem(
            "event_time", Reason.OUT_OF_RANGE, "event_time must lie between the years 1970 and 9999"
        )


def _count_problems(limits, values):
    if len(values) > limits.properties_max:
        yield Problem(
            "properties",
            Reason.TOO_LONG,
            f"has {len(values)} properties; properties_max is {limits.properties_max}",
        )


def _age_problems(limits, message, now_us):
    past_us = now_us - _time_us(message)
    if past_us > limits.event_age_max_s * 1_000_000:
        yield Problem(
            "event_time",
            Reason.TOO_OLD,
            f"event_time is {_span(past_us)} in the past; "
            f"at most {_span(limits.event_age_max_s * 1_000_000)} are taken (event_age_max_s): "
            "meterline serve --event-age-max-days sets how many",
        )
    if -past_us > limits.event_ahead_max_s * 1_000_000:
        yield Problem(
            "event_time",
            Reason.IN_FUTURE,
            f"event_time is {_span(-past_us)} in the future; "
            f"at most {_span(limits.event_ahead_max_s * 1_000_000)} are taken (event_ahead_max_s): "
            "check the producer's clock",
        )


def _span(span_us):
    days = span_us // 86_400_000_000
    return f"{days} days" if days > 1 else f"{span_us // 1_000_000} s"


def _type_problems(value_properties, message):
    if message.event_type not in value_properties:
        yield Problem(
            "event_type",
            Reason.UNKNOWN_EVENT_TYPE,
            f"no meter reads event_type {message.event_type!r}: check its spelling, or apply a meter for it first",
        )


def _property_problems(limits, quantities, message):
    """One for each bad property, by key: the first rule that it breaks."""
    for key in sorted(message.properties):
        yield from list(_problems_of_property(limits, quantities, key, message.properties[key]))[:1]


def _problems_of_property(limits, quantities, key, value):
    if not key:
        yield Problem("properties", Reason.MISSING, "a property has an empty key")
    yield from _long("properties", key, limits.property_key_bytes_max, "property_key_bytes_max")
    kind = value.WhichOneof("kind")
    if kind is None:
        yield Problem(f"properties.{key}", Reason.MISSING, "the property has no value")
        return
    if kind == "double_value" and not math.isfinite(value.double_value):
        yield Problem(f"properties.{key}", Reason.OUT_OF_RANGE, f"{value.double_value} is not a number")
        return
    text = _text(value)
    yield from _long(f"properties.{key}", text, limits.property_value_bytes_max, "property_value_bytes_max")
    if key in quantities and not _is_quantity(text):
        yield Problem(
            f"properties.{key}",
            Reason.NOT_DECIMAL,
            f"{text[:64]!r} is not a decimal number of at most 26 integer and 12 fractional digits, "
            "and a meter reads it as a quantity",
        )


def _text(value):
    kind = value.WhichOneof("kind")
    number = getattr(value, kind)
    if kind == "string_value":
        return number
    if kind == "bool_value":
        return "true" if number else "false"
    return str(number) if kind == "int_value" else format(Decimal(repr(number)), "f")
