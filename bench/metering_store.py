"""The store that the metering bench reads: one month of events, made by ClickHouse itself, and what comes late."""

import itertools
import sys
import time
from pathlib import Path

import pyarrow as pa

from bench.ingest_events import EVENT_TYPE
from engine.access.caller import DEFAULT_TENANT
from engine.usage.corrections.voids import EventKey, Kind, Void, record_voids
from engine.usage.store.query import Query
from engine.usage.store.tables.rollup_schema import ROLLUPS_TABLE
from engine.usage.store.tables.schema import EVENTS_TABLE
from engine.usage.store.usage_store import UsageStore
from ingest import EVENT_SCHEMA, EventBatch, IngestClock

CUSTOMERS = 5_000
LARGE = "customer-00000"
"""Has a tenth of all events."""
START_US = 1_790_812_800_000_000  # 2026-10-01T00:00:00Z
MONTH_US = 31 * 86_400_000_000
HOUR_US = 3_600_000_000
PERIOD_US = (START_US, START_US + MONTH_US)
_UNMERGED_PARTS = 10
_INSERT_ROWS_MAX = 2_000_000
_SETTLED_S = 1.0
_SETTLE_S_MAX = 1_800


def customer(number: int) -> str:
    return f"customer-{number:05d}"


class BenchStore:
    """An embedded store with so many events in one month, and a clock that stands after them."""

    def __init__(self, path: Path, events: int) -> None:
        self.events = events
        self.store = UsageStore.open_embedded(path)
        self.now_us = itertools.count(START_US + MONTH_US + HOUR_US).__next__
        self.clock = IngestClock(0, lambda _ceiling_us: None)
        self._fresh = itertools.count()

    def watermark(self) -> int:
        return self.clock.watermark(self.now_us())

    def fill(self) -> float:
        """Stores all events; in as many parts as are measured unmerged, unless that would take too much memory.
        Seconds taken.
        """
        self.merges("STOP")
        began = time.perf_counter()
        step = min(-(-self.events // _UNMERGED_PARTS), _INSERT_ROWS_MAX)
        for first in range(0, self.events, step):
            rows = min(step, self.events - first)
            self.store.transform(Query(_fill_sql(self.events, first, rows), {}))
            if first // step + 1 == _UNMERGED_PARTS and self.events > first + step:
                self.merges("START")
        return time.perf_counter() - began

    def merges(self, what: str) -> None:
        self.store.execute(Query(f"SYSTEM {what} MERGES {EVENTS_TABLE}", {}))

    def settle(self) -> int:
        """Waits until ClickHouse has merged what it cares to merge; the parts of the log that are left."""
        self.merges("START")
        began = quiet_since = time.perf_counter()
        while time.perf_counter() - quiet_since < _SETTLED_S:
            time.sleep(0.1)
            ((running,),) = self.store.query(Query("SELECT count() FROM system.merges", {}))
            if running:
                quiet_since = time.perf_counter()
            if time.perf_counter() - began > _SETTLE_S_MAX:
                raise SystemExit("the store does not come to rest")
        return self.parts(EVENTS_TABLE)

    def parts(self, table: str) -> int:
        return self._of_parts("count()", table)

    def bytes_on_disk(self) -> dict[str, int]:
        return {table: self._of_parts("sum(bytes_on_disk)", table) for table in (EVENTS_TABLE, ROLLUPS_TABLE)}

    def _of_parts(self, what: str, table: str) -> int:
        sql = f"SELECT {what} FROM system.parts WHERE active AND database = currentDatabase() AND table = {{table:String}}"
        ((number,),) = self.store.query(Query(sql, {"table": table}))
        return int(str(number))

    def insert(self, customers: list[str], at_us: int) -> EventKey:
        """Stores an event for each of these customers, from this instant on, as the committer does; names the first."""
        rows = []
        for place, customer_id in enumerate(customers):
            number = next(self._fresh)
            properties = [("input_tokens", str(number % 4_001)), ("model", "large"), ("output_tokens", "7")]
            rows.append(
                {
                    "tenant": DEFAULT_TENANT,
                    "customer_id": customer_id,
                    "event_type": EVENT_TYPE,
                    "event_time": at_us + place,
                    "event_id": f"fresh-{number}",
                    "properties": properties,
                }
            )
        stamp_us = self.clock.begin(self.now_us())
        self.store.insert(EventBatch(pa.RecordBatch.from_pylist(rows, EVENT_SCHEMA), stamp_us))
        self.clock.end(stamp_us)
        return self._key(str(rows[0]["event_id"]), customers[0], at_us)

    def void(self, event: EventKey) -> None:
        fact = Void(
            event=event,
            voided=True,
            kind=Kind.VOID,
            correction_id="bench",
            reason="bench",
            recorded_by="bench",
        )
        record_voids([fact], self.store, self.clock, self.now_us)

    def _key(self, event_id: str, customer_id: str, at_us: int) -> EventKey:
        sql = (
            f"SELECT content_hash FROM {EVENTS_TABLE} WHERE tenant = {{tenant:String}} AND customer_id = {{customer_id:String}} "
            "AND event_type = {event_type:String} AND event_time = fromUnixTimestamp64Micro({at_us:Int64}, 'UTC') "
            "AND event_id = {event_id:String}"
        )
        given = {"tenant": DEFAULT_TENANT, "customer_id": customer_id, "event_type": EVENT_TYPE}
        ((content_hash,),) = self.store.query(Query(sql, given | {"event_id": event_id, "at_us": at_us}))
        return EventKey(DEFAULT_TENANT, customer_id, EVENT_TYPE, at_us, event_id, int(str(content_hash)))


def _fill_sql(events: int, first: int, rows: int) -> str:
    """Events `first` to `first + rows` of the month: ids and properties as bench.ingest_events makes them (the ids are
    like UUIDs, in no order of time), one insert of the gateway a second.
    """
    # A bijection on 64 bits.
    mixed = "number * 11400714819323198485"
    event_id = (
        f"concat('00000000-', leftPad(lower(hex(bitShiftRight({mixed}, 48))), 4, '0'), '-4', "
        f"right(concat('000', lower(hex(bitAnd(number, 4095)))), 3), '-a000-', "
        f"leftPad(lower(hex(bitAnd({mixed}, 281474976710655))), 12, '0'))"
    )
    properties = (
        "map('input_tokens', toString(number * 7907 % 4001), 'model', ['small', 'medium', 'large'][number % 3 + 1], "
        "'output_tokens', toString(number * 104729 % 997))"
    )
    small = f"concat('customer-', leftPad(toString(1 + cityHash64(number) % {CUSTOMERS - 1}), 5, '0'))"
    return (
        f"INSERT INTO {EVENTS_TABLE} (tenant, customer_id, event_type, event_time, event_id, ingest_rank, properties) "
        f"SELECT '{DEFAULT_TENANT}', if(number % 10 = 0, '{LARGE}', {small}), '{EVENT_TYPE}', "
        f"fromUnixTimestamp64Micro(toInt64({START_US} + intDiv(toUInt128(number) * {MONTH_US}, {events})), 'UTC') AS at, "
        f"{event_id}, bitNot(toUInt64(toUnixTimestamp(at) + 2) * 1000000), {properties} "
        f"FROM numbers({first}, {rows}) "
        # One block, hence one part.
        f"SETTINGS min_insert_block_size_rows = {rows}, min_insert_block_size_bytes = 0, max_insert_block_size = {rows}, "
        "max_threads = 2"
    )


def say(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)
