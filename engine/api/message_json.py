"""A message of the wire contract as JSON: the one way in which commands and the HTTP face write it.

Rules:
1. Fields come in the order of the contract, at any depth, also those at their default. One that may be absent, and
   is, has no key.
2. The keys of a map ascend by code point, as they do on the wire: the same answer is the same bytes.
3. One object is one line, in UTF-8.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

JsonFields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Shape:
    """The fields of a message in their order; of those that are messages, theirs. A map has a key and a value."""

    is_map: bool
    fields: Mapping[str, "_Shape | None"]


def json_line(fields: object) -> str:
    """One line of JSON, without its end."""
    return json.dumps(fields, ensure_ascii=False)


def message_line(message: Message) -> str:
    """A message as one line."""
    return json_line(json_fields(message))


def json_fields(message: Message) -> JsonFields:
    """The fields of a message as JSON has them."""
    fields = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    ordered: JsonFields = _ordered(fields, _shape_of(message.DESCRIPTOR))
    return ordered


@cache
def _shape_of(descriptor: Descriptor) -> _Shape:
    fields = {
        field.name: None if field.message_type is None else _shape_of(field.message_type)
        for field in descriptor.fields
    }
    return _Shape(descriptor.GetOptions().map_entry, fields)


def _ordered(value: Any, shape: _Shape) -> Any:  # noqa: ANN401 - whatever JSON has for a message, or several
    if isinstance(value, list):
        return [_ordered(each, shape) for each in value]
    if not isinstance(value, dict):
        # A message that JSON has a text for, such as a Timestamp.
        return value
    inner_of = dict.fromkeys(sorted(value), shape.fields["value"]) if shape.is_map else shape.fields
    return {
        name: value[name] if inner is None else _ordered(value[name], inner)
        for name, inner in inner_of.items()
        if name in value
    }
