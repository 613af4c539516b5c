"""The bytes of an answer: the same message is the same bytes, in every process and with every release of protobuf.

Rules:
1. Fields come as in protobuf's deterministic form: in the order of their numbers.
2. The entries of a map, at any depth, ascend by the UTF-8 bytes of their keys, which is the order of their code
   points. Deterministic protobuf has an order of its own, which it doesn't name and may change: today it is the same
   but that "model_version" comes before "model". So there is work to do only where one key begins with another.
3. To move entries changes no length, so they are moved where they lie.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

# protobuf's wire types. What is not named here is a varint; the contract has no groups.
_FIXED_64, _LENGTH_DELIMITED, _FIXED_32 = 1, 2, 5
_FIXED_BYTES = {_FIXED_64: 8, _FIXED_32: 4}
# An entry begins with its key, a text in field 1, whose tag is one byte.
_KEY_TAG_BYTES = 1


@dataclass(frozen=True, slots=True)
class _Field:
    """A field that is a map (`maps` is empty), or a message that has maps in it."""

    name: str
    number: int
    is_repeated: bool
    maps: tuple["_Field", ...]


def answer_bytes(message: Message) -> bytes:
    """The message on the wire."""
    data = message.SerializeToString(deterministic=True)
    maps = _maps_of(message.DESCRIPTOR)
    keys = sorted(set(_keys(message, maps)))
    # If any key begins with this one, the next one does.
    if not any(following.startswith(key) for key, following in pairwise(keys)):
        return data
    ordered = bytearray(data)
    _order_maps(ordered, 0, len(ordered), maps)
    return bytes(ordered)


@cache
def _maps_of(descriptor: Descriptor) -> tuple[_Field, ...]:
    """The fields of a message that are maps or have some in them, by number. No message contains itself here."""
    found = []
    for field in sorted(descriptor.fields, key=lambda each: each.number):
        if field.message_type is not None:
            is_map = field.message_type.GetOptions().map_entry
            maps = () if is_map else _maps_of(field.message_type)
            if is_map or maps:
                found.append(_Field(field.name, field.number, field.is_repeated, maps))
    return tuple(found)


def _keys(message: Message, maps: tuple[_Field, ...]) -> Iterator[str]:
    for field in maps:
        value = getattr(message, field.name)
        if not field.maps:
            yield from value
        elif field.is_repeated:
            for each in value:
                yield from _keys(each, field.maps)
        elif message.HasField(field.name):
            yield from _keys(value, field.maps)


def _order_maps(data: bytearray, at: int, end: int, maps: tuple[_Field, ...]) -> None:
    """Orders the maps of the message in `data[at:end]`."""
    inner = {field.number: field.maps for field in maps}
    last = maps[-1].number
    # The entries of one map, which come one behind the other: key and all of it.
    entries: list[tuple[bytes, bytes]] = []
    entries_of = 0
    while at < end:
        tag, content_at = _varint(data, at)
        number, following = tag >> 3, _end_of(data, content_at, tag & 7)
        if number != entries_of:
            _put_before(data, at, entries)
            entries, entries_of = [], number
        if number > last:
            return
        if number in inner:
            content_at = _varint(data, content_at)[1]
            if inner[number]:
                _order_maps(data, content_at, following, inner[number])
            else:
                key_size, key_at = _varint(data, content_at + _KEY_TAG_BYTES)
                entries.append((bytes(data[key_at : key_at + key_size]), bytes(data[at:following])))
        at = following
    _put_before(data, end, entries)


def _put_before(data: bytearray, end: int, entries: list[tuple[bytes, bytes]]) -> None:
    if entries:
        ordered = b"".join(entry for _, entry in sorted(entries))
        data[end - len(ordered) : end] = ordered


def _end_of(data: bytearray, at: int, wire_type: int) -> int:
    """Where the field ends whose tag ends at this place."""
    if wire_type in _FIXED_BYTES:
        return at + _FIXED_BYTES[wire_type]
    value, at = _varint(data, at)
    return at + value if wire_type == _LENGTH_DELIMITED else at


def _varint(data: bytearray, at: int) -> tuple[int, int]:
    """The number at this place, and the place behind it."""
    byte = data[at]
    value, shift = byte & 0x7F, 7
    while byte > 0x7F:
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
    return value, at + 1
