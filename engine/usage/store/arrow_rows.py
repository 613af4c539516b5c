"""Rows on their way into ClickHouse, as Arrow."""

import pyarrow as pa

from engine.usage.store.schema import ingest_rank
from ingest import EventBatch

# ClickHouse takes these as they are; from plain texts it would make the dictionary itself, at more cost.
_LOW_CARDINALITY = ("tenant", "event_type")


def event_table(batch: EventBatch, *, by_rank: bool = True) -> pa.Table:
    """The rows of the log. `by_rank` False for a table of form 3 (engine.usage.store.migration), which makes the rank itself."""
    name, stamp = "ingest_rank", pa.scalar(ingest_rank(batch.ingested_at_us), pa.uint64())
    if not by_rank:
        name, stamp = "ingested_at", pa.scalar(batch.ingested_at_us, pa.timestamp("us", "UTC"))
    stamps = pa.repeat(stamp, len(batch.events))
    table = pa.Table.from_batches([batch.events]).append_column(name, stamps)
    for name in _LOW_CARDINALITY:
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table.column(name).dictionary_encode())
    return table


def arrow_file(rows: pa.Table) -> bytes:
    """As a file, for HTTP."""
    # LZ4 costs less than the network that it saves.
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, rows.schema, options=options) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue())
