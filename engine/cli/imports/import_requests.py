"""Events to requests: rows are collected until a request is full, then written as one Arrow stream.

A request has at most REQUEST_EVENTS rows and REQUEST_BYTES_MAX bytes; one that comes out larger is cut in two.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from engine.cli.imports.row_mapping import ImportedEvent, RowMapping, RowProblem
from engine.cli.imports.rows import Row
from meterline.v1.usage_pb2 import RecordUsageColumnsRequest

# Beyond this a request gains nothing, and an answer takes longer.
REQUEST_EVENTS = 20_000
# Below the 4 MiB that the engine takes.
REQUEST_BYTES_MAX = 4_000_000
# Rows are held with their cells and as they were: what is collected is bounded before it is written.
_COLLECTED_BYTES_MAX = 3_000_000
# Properties beyond this get no column of their own: the engine takes 256 columns.
_COLUMNS_MAX = 200
_TIMES_US = pa.timestamp("us", "UTC")
_PROPERTIES = pa.map_(pa.string(), pa.string())


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """Rows that follow each other, and what is sent for those that are events. `last_row` is the number of the last of
    them, `events` the rows of the events in their order.
    """

    last_row: int
    payload: bytes
    events: list[Row]
    problems: list[tuple[Row, RowProblem]]


def requests_of(
    rows: Iterable[Row], mapping: RowMapping, derived_id: Callable[[int], str]
) -> Iterator[ImportRequest]:
    """The requests of rows, in their order. One without events has no payload."""
    events: list[tuple[Row, ImportedEvent]] = []
    problems: list[tuple[Row, RowProblem]] = []
    nbytes = 0
    last = None
    for last in rows:
        made = mapping.event(last, derived_id)
        if isinstance(made, RowProblem):
            problems.append((last, made))
            nbytes += len(str(last.original))
        else:
            events.append((last, made))
            nbytes += made.nbytes()
        if len(events) + len(problems) >= REQUEST_EVENTS or nbytes >= _COLLECTED_BYTES_MAX:
            yield from _written(last.number, events, problems)
            events, problems, nbytes = [], [], 0
    if last is not None and (events or problems):
        yield from _written(last.number, events, problems)


def _written(
    last_row: int, events: list[tuple[Row, ImportedEvent]], problems: list[tuple[Row, RowProblem]]
) -> Iterator[ImportRequest]:
    payload = _payload([event for _, event in events]) if events else b""
    if len(payload) <= REQUEST_BYTES_MAX or len(events) == 1:
        yield ImportRequest(last_row, payload, [row for row, _ in events], problems)
        return
    half = len(events) // 2
    middle = events[half - 1][0].number
    yield from _written(middle, events[:half], [each for each in problems if each[0].number <= middle])
    yield from _written(last_row, events[half:], [each for each in problems if each[0].number > middle])


def _payload(events: list[ImportedEvent]) -> bytes:
    columns = {
        "event_id": pa.array([event.event_id for event in events], pa.string()),
        "event_type": pa.array([event.event_type for event in events], pa.string()).dictionary_encode(),
        "customer_id": pa.array([event.customer_id for event in events], pa.string()).dictionary_encode(),
        "event_time": pa.array([event.event_time_us for event in events], pa.int64()).cast(_TIMES_US),
    }
    names = dict.fromkeys(name for event in events for name in event.properties)
    if len(names) > _COLUMNS_MAX:
        columns["properties"] = pa.array([list(event.properties.items()) for event in events], _PROPERTIES)
    else:
        for name in names:
            texts = pa.array([event.properties.get(name) for event in events], pa.string())
            columns[f"properties.{name}"] = texts
    batch = pa.record_batch(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return RecordUsageColumnsRequest(arrow_ipc=sink.getvalue().to_pybytes()).SerializeToString()
