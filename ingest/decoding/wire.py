"""From protobuf's bytes to columns, with protobuf's meaning to the last byte and no Python work per event.

Rules:
1. `ptars` decodes through a view of the contract that has the same field numbers and wire types but neither
   Timestamp nor map: both are plain messages in it. So seconds and nanos arrive as they were sent (nothing is
   folded or wraps), and so does a property without a value.
2. Protobuf itself reads every request first, and what it can't read is malformed: `ptars` follows nested groups
   without a bound, and a request of them overflows the stack, which no `except` catches. Its parser in C takes
   0.15 us an event, of more than 4 in all.
   What a proper encoder never sends is settled by protobuf too: a request that `ptars` can't read, or in which a
   value sets two kinds at once, is written anew and decoded again.
3. A malformed request touches no other that is decoded with it: it has no events here, and is named.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from ptars import HandlerPool

from ingest.columns import offsets_of
from ingest.decoding.sent_events import (
    SECONDS_MAX,
    Decoded,
    Instants,
    RequestKind,
    RequestMistake,
    SentEvents,
    SentProperties,
)
from ingest.decoding.texts import double_texts
from ingest.limits import MICROSECONDS
from meterline.v1 import usage_pb2

_VIEW = "meterline.view"
_KINDS = ("string_value", "int_value", "double_value", "bool_value")
_NANOS_MAX = 999_999_999


def decode_messages(kind: RequestKind, payloads: Sequence[bytes]) -> Decoded:
    """Never fails: what can't be read is in `mistakes`."""
    malformed = frozenset(i for i, payload in enumerate(payloads) if not _is_message(kind, payload))
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
        # A panic of the Rust code (a length past 2^63, say) is not an Exception, and its class has no import.
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
    offsets = column.offsets.to_numpy().astype(np.int64)
    return Decoded(offsets, sequences, dict.fromkeys(malformed, _no_message(kind)), _sent(events))


def _no_message(kind: RequestKind) -> RequestMistake:
    return RequestMistake(
        "request",
        f"the bytes are no meterline.v1.{kind.value}: send UTF-8 text and the message of this method",
    )


def _sent(events: pa.StructArray) -> SentEvents:
    """A timestamp that is not set is null, and `properties` is a list of {key, value}, where a value is null or has
    at most one kind that is not.
    """
    return SentEvents(
        events.field("event_id"),
        events.field("event_type"),
        events.field("customer_id"),
        _instants(events.field("event_time")),
        _properties(events.field("properties")),
    )


def _instants(timestamps: pa.StructArray) -> Instants:
    seconds = timestamps.field("seconds").to_numpy()
    nanos = timestamps.field("nanos").to_numpy()
    missing = timestamps.is_null().to_numpy(zero_copy_only=False)
    wild = (seconds < 0) | (seconds > SECONDS_MAX) | (nanos < 0) | (nanos > _NANOS_MAX)
    # Only what lies in the calendar is multiplied: there nothing can wrap.
    times_us = np.where(missing | wild, 0, seconds) * MICROSECONDS + np.where(wild, 0, nanos) // 1_000
    return Instants(missing, wild, times_us)


def _properties(entries: pa.ListArray) -> SentProperties:
    keys, values = entries.values.field("key").dictionary_encode(), entries.values.field("value")
    doubles = values.field("double_value")
    finite = np.ones(len(doubles), np.bool_)
    if doubles.null_count < len(doubles):
        finite = pc.is_finite(doubles).fill_null(True).to_numpy(zero_copy_only=False)
    return SentProperties(
        np.repeat(np.arange(len(entries)), np.diff(offsets_of(entries))),
        keys.indices.to_numpy().astype(np.int64),
        keys.dictionary,
        _texts(values),
        pc.is_valid(values.field("int_value")).to_numpy(zero_copy_only=False),
        ~finite,
    )


def _texts(values: pa.StructArray) -> pa.StringArray:
    columns = [values.field(kind) for kind in _KINDS]
    texts = [
        double_texts(column) if kind == "double_value" else column.cast(pa.string())
        for kind, column in zip(_KINDS, columns, strict=True)
        if column.null_count < len(column)
    ]
    return pc.coalesce(*texts) if texts else columns[0]


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


def _is_message(kind: RequestKind, payload: bytes) -> bool:
    try:
        # Through the view: it refuses the same bytes, and makes no map of each event's properties.
        _MESSAGES[kind].FromString(payload)
    except DecodeError:
        return False
    return True


def _settled(kind: RequestKind, payload: bytes) -> bytes:
    message: type[Message] = getattr(usage_pb2, kind.value)
    # What is malformed is empty by now.
    return message.FromString(payload).SerializeToString()


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


_KINDS_OF_MESSAGES = (RequestKind.RECORD, RequestKind.STREAM)
_VIEW_FILE = _view()
_HANDLER_POOL = HandlerPool([_VIEW_FILE])
_HANDLERS: dict[RequestKind, Any] = {
    kind: _HANDLER_POOL.get_for_message(_VIEW_FILE.message_types_by_name[kind.value])
    for kind in _KINDS_OF_MESSAGES
}
_MESSAGES: dict[RequestKind, type[Message]] = {
    kind: GetMessageClass(_VIEW_FILE.message_types_by_name[kind.value]) for kind in _KINDS_OF_MESSAGES
}
