"""What differs between the embedded store and a server, as one protocol; and what rows of the log are in both."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from engine.usage.store.backends.clickhouse import Client
from engine.usage.store.backends.own_writes import OwnWrites
from engine.usage.store.backends.write_watch import WriteWatch
from engine.usage.store.query import Query
from engine.usage.store.tables.schema import ingest_rank
from ingest import EventBatch

# As many reads at once as two cores and a waiting disk make use of.
READERS = 4
# ClickHouse takes these as they are; from plain texts it would make the dictionary itself, at more cost.
_LOW_CARDINALITY = ("tenant", "event_type")

Settings = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Clients:
    """Connections, each of which runs one query at a time. Without `lookers`, readers look through the log as well.
    `checker`: asks whether the store answers, however busy the others are.
    """

    writer: Client
    checker: Client
    readers: Sequence[Client]
    lookers: Sequence[Client] = ()


class Backend(Protocol):
    """One kind of ClickHouse. What is given a client works with that one, which is nobody else's meanwhile."""

    @property
    def clients(self) -> Clients: ...

    @property
    def own_writes(self) -> OwnWrites | None:
        """None where others write as well."""

    @property
    def watch(self) -> WriteWatch | None:
        """None where somebody else looks after the disk."""

    @property
    def bounds(self) -> Settings:
        """Of every statement."""

    @property
    def look_settings(self) -> Settings:
        """Of a look through the whole log."""

    @property
    def transform_settings(self) -> Settings:
        """Of what is made of the events in the background."""

    def confirmed(self) -> contextlib.AbstractContextManager[None]:
        """What was written inside is sure to be stored at its end; raises StoreUnavailableError."""

    def answered(self) -> contextlib.AbstractContextManager[None]:
        """What was read inside is sure to be all that there is at its end; raises StoreUnavailableError."""

    def insert_events(self, batch: EventBatch) -> None:
        """By the writer; raises what the driver raises."""

    def insert_facts(self, client: Client, table: str, rows: pa.Table, stamp_us: int) -> None:
        """All or none; raises what the driver raises."""

    def insert_plain(self, client: Client, table: str, rows: pa.Table) -> None:
        """Rows on which nothing depends that lasts; raises what the driver raises."""

    def read_columns(self, client: Client, query: Query, settings: Settings) -> pa.Table:
        """The rows of a read, as ClickHouse's Arrow has them; raises what the driver raises."""

    def stamped(self, statement: Query, stamp_us: int) -> tuple[Query, Settings]:
        """A statement without a WHERE of its own as one that can be called off, and its settings."""

    def call_off(self, client: Client, spans: Sequence[tuple[int, int]]) -> None:
        """See UsageStore.call_off; raises what the driver raises, and StoreUnavailableError."""

    def drop_old_parts(self, client: Client, tables: Sequence[str]) -> None:
        """See UsageStore.drop_old_parts; raises what the driver raises, and StoreUnavailableError."""

    def claim(self, client: Client, directory: str) -> None:
        """See UsageStore.claim."""

    def close(self) -> None: ...


def arrow_file(rows: pa.Table, compression: str | None = None) -> bytes:
    """Rows as a file in Arrow's format."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(sink, rows.schema, options=options) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue())


def event_table(batch: EventBatch, *, by_rank: bool = True) -> pa.Table:
    """The rows of the log. `by_rank` False for a table of form 3 (`migration`), which makes the rank itself."""
    name, stamp = "ingest_rank", pa.scalar(ingest_rank(batch.ingested_at_us), pa.uint64())
    if not by_rank:
        name, stamp = "ingested_at", pa.scalar(batch.ingested_at_us, pa.timestamp("us", "UTC"))
    stamps = pa.repeat(stamp, len(batch.events))
    table = pa.Table.from_batches([batch.events]).append_column(name, stamps)
    for name in _LOW_CARDINALITY:
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table.column(name).dictionary_encode())
    return table
