"""Between the columns of `ingest` and what a test can read: rows out, events in."""

import pyarrow as pa
from google.protobuf.timestamp_pb2 import Timestamp

from ingest import EVENT_SCHEMA, Limits, RequestKind, decode
from meterline.v1.usage_pb2 import PropertyValue, RecordUsageRequest, UsageEvent
from tests.support.ingest.admission_oracle import Refused, Row


def rows_of(events):
    """Each event of a RecordBatch."""
    times = events.column("event_time").cast(pa.int64()).to_pylist()
    return [
        Row(
            row["tenant"],
            row["event_id"],
            row["event_type"],
            row["customer_id"],
            time_us,
            tuple(row["properties"]),
        )
        for row, time_us in zip(events.drop_columns(["event_time"]).to_pylist(), times, strict=True)
    ]


def columns_of(rows):
    """The RecordBatch of these events."""
    columns = [
        [row.tenant for row in rows],
        [row.customer_id for row in rows],
        [row.event_type for row in rows],
        [row.event_time_us for row in rows],
        [row.event_id for row in rows],
        [row.properties for row in rows],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, EVENT_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=EVENT_SCHEMA)


def message_of(row):
    """The event as its producer sends it."""
    seconds, micros = divmod(row.event_time_us, 1_000_000)
    return UsageEvent(
        event_id=row.event_id,
        event_type=row.event_type,
        customer_id=row.customer_id,
        event_time=Timestamp(seconds=seconds, nanos=micros * 1_000),
        properties={key: PropertyValue(string_value=text) for key, text in row.properties},
    )


def admit(admission, tenant, messages, now_us):
    """A Row, a Refused or a tuple of Problems for each message, through the bytes of one request."""
    decoded = decode(RequestKind.RECORD, [RecordUsageRequest(events=messages).SerializeToString()], Limits())
    assert not decoded.mistakes
    return entries_of(admission.admit(tenant, decoded.events, now_us))


def entries_of(admitted):
    """A Row, a Refused or a tuple of Problems for each row, in order."""
    entries = {place: tuple(problems) for place, problems in admitted.problems.items()}
    of_good_form = zip(admitted.places.tolist(), rows_of(admitted.events), admitted.refused, strict=True)
    for place, row, refused in of_good_form:
        assert refused == (place in entries)
        entries[place] = Refused(row, entries[place]) if refused else row
    assert sorted(entries) == list(range(len(entries)))
    return [entries[place] for place in sorted(entries)]
