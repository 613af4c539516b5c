"""Arrow IPC streams of events for the tests, and requests that carry them."""

import io
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa

from meterline.v1.usage_pb2 import RecordUsageColumnsRequest

NOW_US = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z


def stream_of(*batches, **options):
    """The stream of record batches of one schema."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batches[0].schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write(batch)
    return sink.getvalue()


def request_of(stream):
    return RecordUsageColumnsRequest(arrow_ipc=stream).SerializeToString()


def batch_of(rows=3, **columns):
    """A sound batch of events e0, e1, ...; a column that is given stands instead, None leaves it out."""
    sound = {
        "event_id": pa.array([f"e{i}" for i in range(rows)], pa.string()),
        "event_type": pa.array(["call"] * rows, pa.string()),
        "customer_id": pa.array(["acme"] * rows, pa.string()),
        "event_time": pa.array([NOW_US] * rows, pa.timestamp("us", "UTC")),
    } | columns
    return pa.record_batch({name: column for name, column in sound.items() if column is not None})


def varied_batches():
    """Batches that together have every type of column that is taken."""
    rows = 4
    whole = {f"properties.{kind}": pa.array([1, None, 3, 4], kind) for kind in _INTEGERS}
    decimals = {
        f"properties.{kind}": pa.array([Decimal(1), None, Decimal("-2.5"), Decimal(0)], kind)
        for kind in (
            pa.decimal32(9, 2),
            pa.decimal64(18, 4),
            pa.decimal128(38, 12),
            pa.decimal256(76, 20),
        )
    }
    texts = pa.array(["large", None, "", "\N{ROCKET}" * 9])
    pairs = [[("a", "1"), ("b", None)], None, [], [("model", "large"), ("a", "2")]]
    structs = pa.list_(pa.struct([("key", pa.string()), ("value", pa.large_string())]))
    as_structs = pa.array([each and [{"key": k, "value": v} for k, v in each] for each in pairs], structs)
    as_map = pa.array(pairs, pa.map_(pa.string(), pa.string()))
    times = [datetime(2027, 1, 15, 7, i, tzinfo=UTC) for i in range(rows)]
    return [
        batch_of(rows, **whole, **decimals, properties=as_map),
        batch_of(
            rows,
            event_id=pa.array(["a", "b", None, "d"], pa.string_view()),
            event_type=pa.array(["call"] * rows).dictionary_encode(),
            customer_id=pa.array(["acme"] * rows, pa.large_string()),
            event_time=pa.array(times, pa.timestamp("ns", "Europe/Berlin")),
            properties=as_structs,
            **{"properties.model": texts.dictionary_encode(), "properties.flag": pa.array([True, None] * 2)},
        ),
        batch_of(
            rows,
            event_time=pa.array([times[0], None, times[1], times[2]], pa.timestamp("s", "UTC")),
            properties=as_structs.cast(pa.large_list(structs.value_type)),
            **{
                "properties.cost": pa.array([0.1, None, 1e22, -5e-12]),
                "properties.view": texts.cast(pa.string_view()),
                "properties.large": texts.cast(pa.large_string()).dictionary_encode(),
            },
        ),
    ]


_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
