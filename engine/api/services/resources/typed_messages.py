"""Definitions as messages with fields of their own: by the descriptor of the message, whatever it has.

    fields_of(Customer(id="acme", name="Acme", more='{"time_zone": "Europe/Berlin"}'), names)
    -> {"id": "acme", "name": "Acme", "time_zone": "Europe/Berlin"}

1. A field of the message is the definition's field of its name, or of its name without "_id".
2. `more` has what the message has no field for: nothing of a definition is lost, whatever the contract knows of it.
3. `version`, `etag` and `archived` are no fields of a definition.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from engine.api.services.resources.definition_text import read_fields
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import optional_us, rfc3339_us
from meterline.v1.catalog_pb2 import Resource

_MORE: Final = "more"
_NOT_DEFINED: Final = frozenset({"version", "etag", "archived", _MORE})
_TIMESTAMP: Final = "google.protobuf.Timestamp"
_Typed = TypeVar("_Typed", bound=Message)


def fields_of(message: Message, names: Collection[str]) -> dict[str, Any]:
    """The definition's fields that a message gives; `names`: those that there are.

    Raises:
        InvalidRequestError: `more` is not JSON, or has what a field of the message is for.
    """
    more: str = getattr(message, _MORE)
    fields = read_fields(more, _MORE) if more else {}
    own = {defined_name(each.name, names): each for each in _defined(message)}
    for name in fields:
        if name in own:
            raise InvalidRequestError(FieldMistake(_MORE, f"has {name!r}, for which there is a field"))
    given = {each.name for each, _ in message.ListFields()}
    return fields | {name: _json(message, each) for name, each in own.items() if each.name in given}


def typed(resource: Resource, kind: type[_Typed], names: Collection[str]) -> _Typed:
    """A resource as a message of a kind."""
    message = kind()
    fields: dict[str, Any] = json.loads(resource.definition)
    for each in _defined(message):
        if (value := fields.pop(defined_name(each.name, names), None)) is not None:
            _set(message, each, value)
    for name in ("version", "etag", "archived"):
        setattr(message, name, getattr(resource, name))
    if fields:
        setattr(message, _MORE, json.dumps(fields, ensure_ascii=False, sort_keys=True))
    return message


def defined_name(name: str, names: Collection[str]) -> str:
    """The definition's name of a message's field."""
    return name if name in names else name.removesuffix("_id")


def _defined(message: Message) -> list[FieldDescriptor]:
    descriptors: list[Any] = list(message.DESCRIPTOR.fields)
    return [each for each in descriptors if each.name not in _NOT_DEFINED]


def _json(message: Message, field: FieldDescriptor) -> object:
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.full_name == _TIMESTAMP:
        instant_us = optional_us(message, field.name)
        return None if instant_us is None else rfc3339_us(instant_us)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return dict(value)
    return list(value) if field.is_repeated else value


def _set(message: Message, field: FieldDescriptor, value: Any) -> None:  # noqa: ANN401 - whatever a definition holds
    if isinstance(value, Mapping):
        getattr(message, field.name).update(value)
    elif isinstance(value, list):
        getattr(message, field.name).extend(value)
    elif field.message_type is not None:
        getattr(message, field.name).FromJsonString(value)
    else:
        setattr(message, field.name, value)
