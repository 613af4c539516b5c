"""What is copied of the usage store, and how a copy is compared with what it was made of. Pure.

Rules:
1. Of events and facts, all that was stored up to the watermark, and nothing after it: they are added to while the backup
   is made.
2. Of rollups and of what has expired, all: nobody writes them meanwhile, and what they say is as of the watermark or
   earlier.
3. The reconciler may be at work. It has looked at nothing after the watermark as far as the copy is concerned: what
   comes after a restore has later stamps than the watermark, and perhaps earlier ones than it has reached here.
4. A digest is of rows as they count, those that replace each other merged, so that merges before and after don't
   matter. It does not depend on the order of rows.
5. Not copied: drafts and fences of inserts, which pass with the engine.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.usage.store.query import Query
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
    """`condition`: which rows, with the parameters rank (of the watermark) and as_of_us. `month`: of which a file has one,
    as a number; empty: one file. `is_compared`: whether the copy has a digest.
    """

    name: str
    condition: str = _EVERYTHING
    month: str = ""
    is_compared: bool = True


COPIED: Final = (
    CopiedTable(EVENTS_TABLE, "ingest_rank >= {rank:UInt64}", "toYYYYMM(event_time)"),
    CopiedTable(VOIDS_TABLE, "recorded_at <= fromUnixTimestamp64Micro({as_of_us:Int64}, 'UTC')"),
    CopiedTable(ROLLUPS_TABLE, month="toYYYYMM(slice_start)"),
    CopiedTable(ROLLUP_CUSTOMERS_TABLE),
    CopiedTable(ROLLUP_PROGRESS_TABLE),
    CopiedTable(EXPIRED_KEYS_TABLE),
    CopiedTable(EXPIRED_CUSTOMERS_TABLE),
    CopiedTable(RECONCILED_TABLE, is_compared=False),
    CopiedTable(PROBLEMS_TABLE, is_compared=False),
    CopiedTable(PROBLEM_COUNTS_TABLE, is_compared=False),
)
# What a position is capped to: rule 3.
_CAPPED: Final = {
    RECONCILED_TABLE: {"ingested_at": "least(ingested_at, fromUnixTimestamp64Micro({as_of_us:Int64}, 'UTC'))"}
}


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
    """The months of which there are rows, in order; each becomes a file."""
    return Query(
        f"SELECT DISTINCT {table.month} AS month FROM {table.name} WHERE {table.condition} ORDER BY month",
        _parameters(watermark_us),
    )


def rows_query(table: CopiedTable, columns: Sequence[str], month: int | None, watermark_us: int) -> Query:
    """The rows to copy."""
    capped = _CAPPED.get(table.name, {})
    selected = ", ".join(f"{capped[name]} AS {name}" if name in capped else name for name in columns)
    of_month = "" if month is None else f" AND {table.month} = {month:d}"
    return Query(
        f"SELECT {selected} FROM {table.name} WHERE {table.condition}{of_month}", _parameters(watermark_us)
    )


def digest_query(table: CopiedTable, columns: Sequence[str], watermark_us: int) -> Query:
    """How many rows count, and the digest of them all, as text."""
    # As a tuple: the hash of a NULL by itself is NULL.
    of_row = f"reinterpretAsUInt128(sipHash128(tuple({', '.join(columns)})))"
    return Query(
        f"SELECT count(), toString(groupBitXor({of_row})) FROM {table.name} FINAL WHERE {table.condition}",
        _parameters(watermark_us),
    )


def file_name(table: CopiedTable, month: int | None) -> str:
    return f"{table.name}{'' if month is None else f'-{month}'}.native.zst"


def _parameters(watermark_us: int) -> dict[str, object]:
    return {"rank": ingest_rank(watermark_us), "as_of_us": watermark_us}
