"""From request bytes to columns, with protobuf's meaning to the last byte and no Python work per event.

Rules:
1. `ptars` decodes through a view of the contract that has the same field numbers and wire types but neither
   Timestamp nor map: both are plain messages in it. So seconds and nanos arrive as they were sent (nothing is
   folded or wraps), and so does a property without a value.
2. Protobuf itself reads every request first, and what it can't read is malformed: `ptars` follows nested groups
   without a bound, and a request of them overflows the stack, which no `except` catches. Its parser in C takes
   0.17 us an event, of more than 5 in all.
   What a proper encoder never sends is settled by protobuf too: a request that `ptars` can't read, or in which a
   value sets two kinds at once, is written anew and decoded again.
3. A malformed request touches no other that is decoded with it: it has no events here, and is named.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray
from ptars import HandlerPool

from meterline.v1 import usage_pb2

_VIEW = "meterline.view"
_KINDS = ("string_value", "int_value", "double_value", "bool_value")


class RequestKind(enum.Enum):
    """The two requests that carry events."""

    RECORD = "RecordUsageRequest"
    STREAM = "StreamUsageRequest"


@dataclass(frozen=True, slots=True)
class Decoded:
    """The events of several requests of one kind, one after the other, unjudged.

    `offsets`: n + 1 places, the events of request i are the rows [offsets[i], offsets[i + 1]).
    `sequences`: n uint64, 0 for requests that have none. `malformed`: requests that are no messages.
    `events`: a StructArray with the fields of UsageEvent; a timestamp that is not set is null, and `properties`
    is a list of {key, value}, where a value is null or has at most one kind that is not.
    """

    offsets: NDArray[np.int64]
    sequences: NDArray[np.uint64]
    malformed: frozenset[int]
    events: pa.StructArray


def decode(kind: RequestKind, payloads: Sequence[bytes]) -> Decoded:
    """Never fails: what can't be read is in `malformed`."""
    malformed = frozenset(i for i, payload in enumerate(payloads) if _read(kind, payload) is None)
    if malformed:
        payloads = [b"" if i in malformed else payload for i, payload in enumerate(payloads)]
    decoded = _decode(kind, payloads, malformed)
    if decoded is not None:
        return decoded
    decoded = _decode(kind, [_settled(kind, payload) for payload in payloads], malformed)
    if decoded is None:
        raise RuntimeError("requests that protobuf wrote can't be decoded to columns")
    return decoded


def _decode(kind: RequestKind, payloads: Sequence[bytes], malformed: frozenset[int]) -> Decoded | None:
    """None if protobuf itself must settle what is meant."""
    try:
        batch = _HANDLERS[kind].list_to_record_batch(list(payloads))
    except BaseException as error:
        # A panic of the Rust code (a length past 2^63, say) is no Exception, and its class has no import.
        if isinstance(error, ValueError) or type(error).__name__ == "PanicException":
            return None
        raise
    column = batch.column("events")
    events = column.values
    if _sets_two_kinds(events):
        return None
    if kind is RequestKind.STREAM:
        sequences = batch.column("sequence").to_numpy()
    else:
        sequences = np.zeros(len(payloads), np.uint64)
    return Decoded(column.offsets.to_numpy().astype(np.int64), sequences, malformed, events)


def _sets_two_kinds(events: pa.StructArray) -> bool:
    values = events.field("properties").values.field("value")
    kinds = [values.field(kind) for kind in _KINDS]
    kinds = [kind for kind in kinds if kind.null_count < len(kind)]
    if len(kinds) < 2:  # also when there are no properties at all
        return False
    total = np.zeros(len(values), np.uint8)
    for kind in kinds:
        total += pc.is_valid(kind).to_numpy(zero_copy_only=False)
    return bool(total.max() > 1)


def _read(kind: RequestKind, payload: bytes) -> Message | None:
    message: type[Message] = getattr(usage_pb2, kind.value)
    try:
        return message.FromString(payload)
    except DecodeError:
        return None


def _settled(kind: RequestKind, payload: bytes) -> bytes:
    message = _read(kind, payload)
    return b"" if message is None else message.SerializeToString()


def _view() -> FileDescriptor:
    file = FileDescriptorProto()
    usage_pb2.DESCRIPTOR.CopyToProto(file)
    file.name, file.package = "meterline/view/usage.proto", _VIEW
    file.ClearField("service")
    file.ClearField("dependency")
    instant = file.message_type.add(name="Instant")
    instant.field.add(name="seconds", number=1, type="TYPE_INT64", label="LABEL_OPTIONAL")
    instant.field.add(name="nanos", number=2, type="TYPE_INT32", label="LABEL_OPTIONAL")
    for message in file.message_type:
        for nested in message.nested_type:
            nested.ClearField("options")  # no longer a map's entry
        for field in [*message.field, *(each for nested in message.nested_type for each in nested.field)]:
            if field.type_name == ".google.protobuf.Timestamp":
                field.type_name = f".{_VIEW}.Instant"
            elif field.type_name:
                field.type_name = field.type_name.replace(".meterline.v1.", f".{_VIEW}.")
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindFileByName(file.name)


def _handlers() -> dict[RequestKind, Any]:
    view = _view()
    pool = HandlerPool([view])
    return {kind: pool.get_for_message(view.message_types_by_name[kind.value]) for kind in RequestKind}


_HANDLERS = _handlers()
