"""What is copied of the usage store, and how a copy is compared with what it was made of. Pure.

Rules:
1. Of events and facts, all that was stored up to the watermark, and nothing after it: they are added to while the backup
   is made.
2. Of rollups and of what has expired, all: nobody writes them meanwhile, and what they say is as of the watermark or
   earlier.
3. The reconciler may be at work. How far it has come is copied before the watermark is drawn: it records what it finds
   before it says how far it came, so whatever it found until then is in the copy.
4. A digest is of rows as they count, those that replace each other merged, so that merges before and after don't
   matter. It does not depend on the order of rows.
5. A statement copies a bounded number of rows, since an embedded store holds what it answers in memory.
6. Not copied: drafts and fences of inserts, which pass with the engine.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.usage.store.query import Query
from engine.usage.store.tables.booked_schema import BOOKED_LINES_TABLE
from engine.usage.store.tables.problem_schema import PROBLEM_COUNTS_TABLE, PROBLEMS_TABLE
from engine.usage.store.tables.retention_schema import EXPIRED_CUSTOMERS_TABLE, EXPIRED_KEYS_TABLE
from engine.usage.store.tables.rollup_schema import (
    ROLLUP_CUSTOMERS_TABLE,
    ROLLUP_PROGRESS_TABLE,
    ROLLUPS_TABLE,
)
from engine.usage.store.tables.schema import EVENTS_TABLE, RECONCILED_TABLE, VOIDS_TABLE, ingest_rank

_EVERYTHING: Final = "1"


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """`condition`: which rows, with the parameters rank (of the watermark) and as_of_us. `month`: of which a file has one
    at most, as a number; empty: there are none. `spread`: by what a large one is cut into pieces; empty: it is small.
    `is_compared`: whether the copy has a digest. `is_first`: copied before the watermark is drawn.
    """

    name: str
    condition: str = _EVERYTHING
    month: str = ""
    spread: str = ""
    piece_rows: int = 500_000
    is_compared: bool = True
    is_first: bool = False


COPIED: Final = (
    CopiedTable(RECONCILED_TABLE, is_compared=False, is_first=True),
    CopiedTable(EVENTS_TABLE, "ingest_rank >= {rank:UInt64}", "toYYYYMM(event_time)", "event_id"),
    CopiedTable(
        VOIDS_TABLE, "recorded_at <= fromUnixTimestamp64Micro({as_of_us:Int64}, 'UTC')", spread="event_id"
    ),
    # A row has the groups of a customer: up to some KiB.
    CopiedTable(ROLLUPS_TABLE, month="toYYYYMM(slice_start)", spread="customer_id", piece_rows=50_000),
    CopiedTable(ROLLUP_CUSTOMERS_TABLE, spread="customer_id"),
    CopiedTable(ROLLUP_PROGRESS_TABLE),
    CopiedTable(EXPIRED_KEYS_TABLE),
    CopiedTable(EXPIRED_CUSTOMERS_TABLE, spread="customer_id"),
    CopiedTable(BOOKED_LINES_TABLE, spread="invoice_id", piece_rows=100_000),
    CopiedTable(PROBLEMS_TABLE, spread="event_id", is_compared=False),
    CopiedTable(PROBLEM_COUNTS_TABLE, is_compared=False),
)


@dataclass(frozen=True, slots=True)
class TablePiece:
    """Of a table: a month of it, or None, and of that the rows whose hash leaves `number` when divided by `count`."""

    month: int | None
    number: int
    count: int


def columns_query(table: CopiedTable) -> Query:
    """The names of the columns that an insert may give, in the order of the table."""
    # In a server's table of an earlier form the rank is made from the stamp: what is copied is the same.
    return Query(
        "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String}"
        " AND (default_kind NOT IN ('ALIAS', 'MATERIALIZED') OR name = 'ingest_rank')"
        " AND NOT (table = 'events' AND name = 'ingested_at') ORDER BY position",
        {"table": table.name},
    )


def months_query(table: CopiedTable, watermark_us: int) -> Query:
    """The months of which there are rows, in order, each with how many; of a table without months one, 0."""
    month = table.month or "0"
    return Query(
        f"SELECT toUInt32({month}) AS month, count() FROM {table.name} WHERE {table.condition}"
        " GROUP BY month ORDER BY month",
        _parameters(watermark_us),
    )


def pieces_of(table: CopiedTable, months: Sequence[tuple[int, int]]) -> list[TablePiece]:
    """What statements copy of a table with so many rows a month: rule 5."""
    found = []
    for month, rows in months:
        count = 1 + rows // table.piece_rows if table.spread else 1
        found += [TablePiece(month if table.month else None, number, count) for number in range(count)]
    return found


def rows_query(table: CopiedTable, columns: Sequence[str], piece: TablePiece, watermark_us: int) -> Query:
    """The rows to copy."""
    of_month = "" if piece.month is None else f" AND {table.month} = {piece.month:d}"
    of_piece = (
        "" if piece.count == 1 else f" AND cityHash64({table.spread}) % {piece.count:d} = {piece.number:d}"
    )
    return Query(
        f"SELECT {', '.join(columns)} FROM {table.name} WHERE {table.condition}{of_month}{of_piece}",
        _parameters(watermark_us),
    )


def latest_watermark_query() -> Query:
    """As of when anything of rollups, or of what has expired, was computed last, in microseconds since 1970."""
    instants = (
        f"(SELECT max(rolled_up_at) FROM {ROLLUPS_TABLE})",
        f"(SELECT max(rolled_up_until) FROM {ROLLUP_PROGRESS_TABLE})",
        f"(SELECT max(verified_at) FROM {EXPIRED_CUSTOMERS_TABLE})",
    )
    return Query(f"SELECT toUnixTimestamp64Micro(greatest({', '.join(instants)}))", {})


def digest_query(table: CopiedTable, columns: Sequence[str], watermark_us: int) -> Query:
    """How many rows count, and the digest of them all, as text."""
    # As a tuple: the hash of a NULL by itself is NULL.
    of_row = f"reinterpretAsUInt128(sipHash128(tuple({', '.join(columns)})))"
    return Query(
        f"SELECT count(), toString(groupBitXor({of_row})) FROM {table.name} FINAL WHERE {table.condition}",
        _parameters(watermark_us),
    )


def file_name(table: CopiedTable, piece: TablePiece) -> str:
    month = "" if piece.month is None else f"-{piece.month}"
    part = "" if piece.count == 1 else f"-{piece.number}"
    return f"{table.name}{month}{part}.native.zst"


def _parameters(watermark_us: int) -> dict[str, object]:
    return {"rank": ingest_rank(watermark_us), "as_of_us": watermark_us}
