"""From untrusted bytes to record batches that are safe to touch.

Rules:
1. Nothing is decompressed: 4 MiB of zstd can hold gigabytes. A message says in its header whether its body is
   compressed, and the headers of all messages are read before the body of any.
2. The schema is judged (by the caller) before a batch is read, so that only types we know are ever loaded.
3. Arrow's reader checks headers and that buffers lie within the body. What the buffers hold (offsets, indices of
   dictionaries, UTF-8) it takes on trust, and reading it may crash the process: no value is touched before
   `validate(full=True)` has looked at all of them.
4. Work and memory are bounded by what is there, not by what it says: events, messages and the bytes that the columns
   of all batches refer to. Several columns may refer to the same bytes, and one dictionary may serve many batches.
5. A dictionary may be replaced from batch to batch, but not added to: Arrow joins the parts before anybody could
   validate them.
"""

import struct
from collections.abc import Callable

import pyarrow as pa

from ingest.limits import Limits

# Fields of the tables in Arrow's Message.fbs and Schema.fbs, by their place.
_MESSAGE_HEADER = 2
_SCHEMA_ENDIANNESS = 0
_BATCH_LENGTH, _BATCH_COMPRESSION = 0, 3
_DICTIONARY_DATA, _DICTIONARY_IS_DELTA = 1, 2
_TEXT_MAX = 160
# As much of a column's name as is shown.
NAME_MAX = 64


class UnreadableError(Exception):
    """The request can't be taken: one line that says why."""


def read_batches(
    stream: bytes, check_schema: Callable[[pa.Schema], None], limits: Limits
) -> tuple[pa.Schema, list[pa.RecordBatch]]:
    """The batches of an Arrow IPC stream, fully validated. `check_schema` raises for one that it doesn't want.

    Raises:
        UnreadableError: it is none, or one that breaks a rule or a limit.
    """
    try:
        _check_messages(stream, limits)
        reader = pa.ipc.open_stream(stream, options=pa.ipc.IpcReadOptions(use_threads=False))
        check_schema(reader.schema)
        batches = []
        held_bytes = 0
        for batch in reader:
            held_bytes += sum(column.get_total_buffer_size() for column in batch.columns)
            if held_bytes > limits.insert_bytes_max:
                raise UnreadableError(
                    f"its columns refer to more than {limits.insert_bytes_max} bytes (insert_bytes_max): "
                    "send fewer events, or one record batch"
                )
            _validate(batch)
            batches.append(batch)
    except (pa.ArrowException, OSError, ValueError, struct.error) as error:
        raise UnreadableError(f"is not a sound Arrow IPC stream: {_first_line(error)}") from error
    return reader.schema, batches


def _validate(batch: pa.RecordBatch) -> None:
    batch.validate()
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            raise UnreadableError(f"column {name[:NAME_MAX]!r} is unsound: {_first_line(error)}") from error


def _check_messages(stream: bytes, limits: Limits) -> None:
    events = 0
    for number, message in enumerate(pa.ipc.MessageReader.open_stream(stream)):
        if number == limits.columns_messages_max:
            raise UnreadableError(
                f"has more than {limits.columns_messages_max} record batches and dictionaries "
                "(columns_messages_max): write larger record batches"
            )
        header = _Table.root(message.metadata.to_pybytes()).table(_MESSAGE_HEADER)
        if message.type == "schema":
            if header.number(_SCHEMA_ENDIANNESS, "<h"):
                raise UnreadableError(
                    "is big-endian: write it on a little-endian machine, as Arrow does by default"
                )
        elif message.type == "dictionary":
            if header.number(_DICTIONARY_IS_DELTA, "<?"):
                raise UnreadableError("has a dictionary delta: write each dictionary whole")
            _check_uncompressed(header.table(_DICTIONARY_DATA))
        elif message.type == "record batch":
            _check_uncompressed(header)
            events += max(0, header.number(_BATCH_LENGTH, "<q"))
        else:
            raise UnreadableError(f"has a message of type {message.type}: send a schema and record batches")
    if not 1 <= events <= limits.columns_events_max:
        raise UnreadableError(
            f"has {events} events: send 1 to {limits.columns_events_max} (columns_events_max)"
        )


def _check_uncompressed(batch: "_Table") -> None:
    if batch.has(_BATCH_COMPRESSION):
        raise UnreadableError(
            "is compressed: write it without compression, and let gRPC compress the message"
        )


class _Table:
    """A table of a flatbuffer whose structure Arrow has verified. What lies outside of it is a struct.error."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data, self._place = data, place
        self._fields = place - self._read("<i", place)

    @classmethod
    def root(cls, data: bytes) -> "_Table":
        (place,) = struct.unpack_from("<I", data)
        return cls(data, place)

    def has(self, field: int) -> bool:
        return self._offset(field) != 0

    def number(self, field: int, layout: str) -> int:
        """Zero if it is left out."""
        offset = self._offset(field)
        return self._read(layout, self._place + offset) if offset else 0

    def table(self, field: int) -> "_Table":
        offset = self._offset(field)
        if not offset:
            raise UnreadableError("has a message without a header")
        place = self._place + offset
        return _Table(self._data, place + self._read("<I", place))

    def _offset(self, field: int) -> int:
        slot = 4 + 2 * field
        return self._read("<H", self._fields + slot) if slot < self._read("<H", self._fields) else 0

    def _read(self, layout: str, place: int) -> int:
        # A negative place would count from the end.
        if place < 0:
            raise struct.error(f"a field at {place}")
        (number,) = struct.unpack_from(layout, self._data, place)
        return int(number)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:_TEXT_MAX]
