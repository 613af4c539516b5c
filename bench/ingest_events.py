"""The events of the ingestion bench, as requests on the wire and as the rows that they become."""

from collections.abc import Iterator

import pyarrow as pa
from google.protobuf.timestamp_pb2 import Timestamp

from engine.access.caller import DEFAULT_TENANT
from engine.usage.store.tables.schema import ingest_rank
from meterline.v1.usage_pb2 import PropertyValue, RecordUsageColumnsRequest, RecordUsageRequest, UsageEvent

EVENT_TYPE = "llm.completion"
CATALOG = f"meters:\n  - {{id: tokens, event_type: {EVENT_TYPE}, aggregation: sum, value: input_tokens}}\n"
_CUSTOMERS = 5_000
_MODELS = ("small", "medium", "large")


class Events:
    """Event `i` of a run, whoever asks for it: ids like UUIDs, three properties, one second for 1,000 events."""

    def __init__(self, run: int, start_us: int) -> None:
        self._run = run
        self._start_us = start_us

    def requests(self, method: str, first: int, events: int, size: int) -> Iterator[bytes]:
        """The events from `first` on, `size` a request of this method of UsageService."""
        make = {"RecordUsage": self._request, "RecordUsageColumns": self._columns}[method]
        for start in range(first, first + events, size):
            yield make(start, size).SerializeToString()

    def _request(self, first: int, size: int) -> RecordUsageRequest:
        return RecordUsageRequest(events=[self._message(i) for i in range(first, first + size)])

    def _columns(self, first: int, size: int) -> RecordUsageColumnsRequest:
        rows = self.rows(first, size).drop_columns(["tenant", "ingest_rank"])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        return RecordUsageColumnsRequest(arrow_ipc=sink.getvalue().to_pybytes())

    def rows(self, first: int, events: int) -> pa.Table:
        """The same events as rows of the events table."""
        span = range(first, first + events)
        instants = pa.timestamp("us", "UTC")
        return pa.table(
            {
                "tenant": pa.array([DEFAULT_TENANT] * events),
                "customer_id": pa.array([_customer(i) for i in span]),
                "event_type": pa.array([EVENT_TYPE] * events),
                "event_time": pa.array([self._time_us(i) for i in span], instants),
                "event_id": pa.array([self._id(i) for i in span]),
                "ingest_rank": pa.array([ingest_rank(self._start_us)] * events, pa.uint64()),
                "properties": pa.array(
                    [[(key, str(value)) for key, value in _properties(i)] for i in span],
                    pa.map_(pa.string(), pa.string()),
                ),
            }
        )

    def _message(self, i: int) -> UsageEvent:
        time_us = self._time_us(i)
        (_, input_tokens), (_, model), (_, output_tokens) = _properties(i)
        return UsageEvent(
            event_id=self._id(i),
            event_type=EVENT_TYPE,
            customer_id=_customer(i),
            event_time=Timestamp(seconds=time_us // 1_000_000, nanos=time_us % 1_000_000 * 1_000),
            properties={
                "input_tokens": PropertyValue(int_value=int(input_tokens)),
                "model": PropertyValue(string_value=str(model)),
                "output_tokens": PropertyValue(int_value=int(output_tokens)),
            },
        )

    def _id(self, i: int) -> str:
        # A bijection on 64 bits: unlike a counter, and like a UUID, the ids don't compress.
        mixed = (i * 0x9E3779B97F4A7C15 + self._run) & 0xFFFF_FFFF_FFFF_FFFF
        return f"{self._run:08x}-{mixed >> 48:04x}-4{i & 0xFFF:03x}-a000-{mixed & 0xFFFF_FFFF_FFFF:012x}"

    def _time_us(self, i: int) -> int:
        return self._start_us + i * 1_000


def _customer(i: int) -> str:
    return f"customer-{i * 7919 % _CUSTOMERS:05d}"


def _properties(i: int) -> tuple[tuple[str, int | str], ...]:
    return (
        ("input_tokens", i * 7907 % 4_001),
        ("model", _MODELS[i % 3]),
        ("output_tokens", i * 104729 % 997),
    )
