"""From an Arrow IPC stream of events to columns as admission takes them, with no Python work per event.

Rules:
1. The columns event_id, event_type, customer_id and event_time must be there; properties come as `properties`, a map
   or a list of {key, value}, or as a column `properties.NAME` each, or both. Any other column is a mistake: a
   spelling mistake must not be lost usage.
2. A null is an absent property, and an absent id or time. Of a key in both forms the column's value stands.
3. A type is taken if each of its values has one exact text. A 32-bit float has not: as a double it would have digits
   that nobody wrote.
4. What dictionaries and views repeat is counted before it is written out, and bounded.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from ingest.decoding.arrow_schema import PROPERTY, check_schema, is_text
from ingest.decoding.arrow_stream import UnreadableError, read_batches
from ingest.decoding.sent_events import (
    SECONDS_MAX,
    Decoded,
    Instants,
    RequestKind,
    RequestMistake,
    SentEvents,
    SentProperties,
)
from ingest.decoding.texts import canonical_texts, sound_views
from ingest.limits import MICROSECONDS, Limits
from meterline.v1 import usage_pb2

_FIELD = "arrow_ipc"
_TICKS_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
# The most bytes of text that a value can have: -9223372036854775808; sign, point and leading zero of a decimal; a
# double of common size, with 17 digits and a few zeros; and of any other size.
_INTEGER_BYTES_MAX = 20
_DECIMAL_EXTRA_BYTES = 3
_DOUBLE_BYTES, _DOUBLE_BYTES_MAX = 32, 360
# The exponents (base 2, as they are stored) of a double of common size: from 2^-23 to below 2^40.
_COMMON_EXPONENTS = (1_000, 1_062)


def decode_columns(payload: bytes, limits: Limits) -> Decoded:
    """One RecordUsageColumnsRequest. Never fails: what can't be read is in `mistakes`."""
    try:
        stream = usage_pb2.RecordUsageColumnsRequest.FromString(payload).arrow_ipc
        events = _events(stream, limits)
    except DecodeError:
        mistake = RequestMistake(
            "request",
            f"the bytes are no meterline.v1.{RequestKind.COLUMNS.value}: send the message of this method",
        )
    except UnreadableError as error:
        # Names and types come from the request: whatever is in them, it stays one line.
        line = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(error))
        mistake = RequestMistake(_FIELD, line)
    else:
        return Decoded(np.array([0, len(events)]), np.zeros(1, np.uint64), {}, events)
    return Decoded(np.zeros(2, np.int64), np.zeros(1, np.uint64), {0: mistake}, _NO_EVENTS)


def _events(stream: bytes, limits: Limits) -> SentEvents:
    schema, batches = read_batches(stream, lambda schema: check_schema(schema, limits), limits)
    table = pa.Table.from_batches(batches, schema)
    _check_size(table, limits)
    columns = {
        name: column.combine_chunks() for name, column in zip(table.column_names, table.columns, strict=True)
    }
    parts = [_mapped(columns["properties"])] if "properties" in columns else []
    named = {name: column for name, column in columns.items() if name.startswith(PROPERTY)}
    if named or not parts:
        parts.append(_named(named, len(table)))
    return SentEvents(
        canonical_texts(columns["event_id"]).fill_null(""),
        canonical_texts(columns["event_type"]).fill_null(""),
        canonical_texts(columns["customer_id"]).fill_null(""),
        _instants(columns["event_time"]),
        SentProperties.join(parts),
    )


def _check_size(table: pa.Table, limits: Limits) -> None:
    """Whether all texts together, names of properties included, fit in one insert."""
    total = 0
    for name, column in zip(table.column_names, table.columns, strict=True):
        key_bytes = len(name.removeprefix(PROPERTY).encode()) if name.startswith(PROPERTY) else 0
        for chunk in column.chunks:
            total += _text_bytes(chunk) + key_bytes * (len(chunk) - chunk.null_count)
    if total > limits.insert_bytes_max:
        raise UnreadableError(
            f"has {total} bytes with its dictionaries written out; insert_bytes_max is {limits.insert_bytes_max}: "
            "send fewer events"
        )


def _text_bytes(array: pa.Array) -> int:
    kind = array.type
    if pa.types.is_map(kind):
        return _text_bytes(array.keys) + _text_bytes(array.items)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return sum(_text_bytes(array.values.field(i)) for i in range(array.values.type.num_fields))
    if not is_text(kind):
        return _number_bytes(array)
    if not pa.types.is_dictionary(kind):
        return int(_lengths(array).sum())
    lengths = _lengths(array.dictionary)
    return int(lengths[_indices(array)].sum()) if len(lengths) else 0


def _number_bytes(array: pa.Array) -> int:
    """No less than the bytes of the texts of numbers, bools or times."""
    kind, values = array.type, len(array) - int(array.null_count)
    if pa.types.is_decimal(kind):
        return values * (int(max(kind.precision, kind.scale)) + _DECIMAL_EXTRA_BYTES)
    if not pa.types.is_floating(kind):
        return values * _INTEGER_BYTES_MAX
    bits = np.frombuffer(array.buffers()[1], np.int64, len(array), 8 * array.offset)
    exponents = bits >> 52 & 0x7FF
    wild = np.count_nonzero((exponents < _COMMON_EXPONENTS[0]) | (exponents > _COMMON_EXPONENTS[1]))
    return values * _DOUBLE_BYTES + int(wild) * _DOUBLE_BYTES_MAX


def _lengths(texts: pa.Array) -> NDArray[np.int64]:
    """The bytes of each text; 0 for null."""
    if pa.types.is_string_view(texts.type):
        # Arrow has no kernel for it; the first four bytes of a view are its length.
        return sound_views(texts).view(np.int32)[:, 0].astype(np.int64)
    lengths: NDArray[np.int64] = pc.binary_length(texts).fill_null(0).to_numpy().astype(np.int64)
    return lengths


def _indices(array: pa.DictionaryArray) -> NDArray[np.int64]:
    """Places in the dictionary; 0 for null."""
    places: NDArray[np.int64] = array.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return places


def _instants(times: pa.TimestampArray) -> Instants:
    ticks_second = _TICKS_SECOND[times.type.unit]
    missing = times.is_null().to_numpy(zero_copy_only=False)
    ticks = times.cast(pa.int64()).fill_null(0).to_numpy()
    wild = (ticks < 0) | (ticks // ticks_second > SECONDS_MAX)
    # Only what lies in the calendar is multiplied: there nothing can wrap.
    sound = np.where(missing | wild, 0, ticks)
    if ticks_second < MICROSECONDS:
        return Instants(missing, wild, sound * (MICROSECONDS // ticks_second))
    return Instants(missing, wild, sound // (ticks_second // MICROSECONDS))


def _mapped(lists: pa.Array) -> SentProperties:
    """The entries of a map, or of a list of {key, value}, without those whose value is null."""
    if pa.types.is_map(lists.type):
        keys, values = lists.keys, lists.items
    else:
        keys, values = lists.values.field("key"), lists.values.field("value")
    offsets = lists.offsets.to_numpy()
    entries = np.arange(offsets[0], offsets[-1])
    there = np.repeat(lists.is_valid().to_numpy(zero_copy_only=False), np.diff(offsets))
    there &= values.is_valid().to_numpy(zero_copy_only=False)[entries]
    if not pa.types.is_map(lists.type):
        there &= lists.values.is_valid().to_numpy(zero_copy_only=False)[entries]
    chosen = pa.array(entries[there])
    encoded = canonical_texts(keys).take(chosen).fill_null("").dictionary_encode()
    return SentProperties(
        np.repeat(np.arange(len(lists)), np.diff(offsets))[there],
        encoded.indices.to_numpy().astype(np.int64),
        encoded.dictionary,
        canonical_texts(values).take(chosen),
        np.zeros(len(chosen), np.bool_),
        np.zeros(len(chosen), np.bool_),
    )


def _named(columns: dict[str, pa.Array], events: int) -> SentProperties:
    """The values of the columns `properties.NAME` that are not null, by event and then by name."""
    # In the order in which admission wants them, so that it need not sort.
    names = sorted(columns, key=str.encode)
    values = [_Values.of(columns[name]) for name in names]
    there = np.zeros((events, len(names)), np.bool_)
    places = np.empty((events, len(names)), np.int64)
    first = 0
    for number, each in enumerate(values):
        there[:, number] = each.there
        places[:, number] = each.places + first
        first += len(each.texts)
    entries = np.flatnonzero(there)
    codes = entries % max(len(names), 1)
    not_finite = np.zeros(len(entries), np.bool_)
    for number, each in enumerate(values):
        if not each.finite.all():
            of_column = codes == number
            not_finite[of_column] = ~each.finite[entries[of_column] // len(names)]
    return SentProperties(
        entries // max(len(names), 1),
        codes,
        pa.array([name.removeprefix(PROPERTY) for name in names], pa.string()),
        pa.concat_arrays([_NO_TEXTS, *(each.texts for each in values)]).take(
            pa.array(places.ravel()[entries])
        ),
        np.array([each.whole for each in values], np.bool_)[codes],
        not_finite,
    )


class _Values:
    """One column of n values: the texts, the place of each value's text among them, and which values are there."""

    def __init__(
        self, column: pa.Array, texts: pa.StringArray, places: NDArray[np.int64], there: NDArray[np.bool_]
    ) -> None:
        self.texts, self.places, self.there = texts, places, there
        self.whole = pa.types.is_integer(column.type)
        self.finite = np.ones(len(column), np.bool_)
        if pa.types.is_floating(column.type):
            self.finite = pc.is_finite(column).fill_null(True).to_numpy(zero_copy_only=False)

    @classmethod
    def of(cls, column: pa.Array) -> "_Values":
        there = column.is_valid().to_numpy(zero_copy_only=False)
        if not pa.types.is_dictionary(column.type):
            return cls(column, canonical_texts(column), np.arange(len(column)), there)
        texts, places = canonical_texts(column.dictionary), _indices(column)
        if texts.null_count:
            there = there & texts.is_valid().to_numpy(zero_copy_only=False)[places]
        return cls(column, texts, places, there)


_NO_TEXTS = pa.array([], pa.string())
_NO_EVENTS = SentEvents(
    _NO_TEXTS,
    _NO_TEXTS,
    _NO_TEXTS,
    Instants(*(np.zeros(0, np.bool_),) * 2, np.zeros(0, np.int64)),
    _named({}, 0),
)
