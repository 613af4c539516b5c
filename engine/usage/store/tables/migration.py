"""An older usage store made into one of today's form, when it is opened.

    form 1    events without `content_hash`: the same id and time with other properties collapsed
    form 2    columns that name ZSTD, also for parts that the next merge replaces (engine.usage.store.tables.settings);
              voids without replacements, whose columns are added with the tables (schema.EXTEND_VOIDS)
    form 3    an event's stamp twice, as `ingested_at` and as `ingest_rank`, which was computed from it

Rules:
1. What the store has decides what is done, never a note beside it: after a crash at any point the next opening
   finds the old table whole, or the new one in its place.
2. Rows are copied as they are, their stamps too: every row that is still there, so that other content under one
   id, which was hidden so far, is a version of its own from now on, and the reconciler settles it.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Callable, Sequence

import structlog

from engine.errors import StartupError
from engine.usage.store.query import number
from engine.usage.store.tables.schema import (
    CREATE_VOIDS,
    EVENTS_TABLE,
    INGESTED_AT,
    RANKS_INDEX,
    RANKS_INDEX_NAME,
    VOIDS_TABLE,
    create_events,
)
from engine.usage.store.tables.settings import EMBEDDED_CODEC, part_statements
from engine.usage.store.tables.void_sql import ID_REUSED

_log = structlog.get_logger(__name__)
# The copy on its way in; after the exchange, the old table on its way out.
COPY_TABLE = f"{EVENTS_TABLE}_of_form_1"
_COLUMNS = "tenant, customer_id, event_type, event_time, event_id, ingest_rank, properties"
# Each block is a part: as large as a good merge makes them, and some hundred MiB at most.
_COPY_SETTINGS = "optimize_on_insert = 0, insert_deduplicate = 0, max_insert_block_size = 500000"

_OLD_KEY = "tenant, customer_id, event_type, event_time, event_id"
# Of one old key the content that was ingested first stands, as it did.
_VOID_HIDDEN = (
    f"INSERT INTO {VOIDS_TABLE} ({_OLD_KEY}, content_hash, recorded_at, voided, kind, correction_id, reason, "
    "recorded_by, stands_customer_id, stands_event_type, stands_event_time, stands_content_hash) "
    f"SELECT {_OLD_KEY}, version.2, version.1, 1, '{ID_REUSED}', "
    f"concat('{ID_REUSED}:', leftPad(lower(hex(version.2)), 8, '0')), "
    "'event_id was used before for an event with other content, which stands', 'migration', "
    "customer_id, event_type, event_time, versions[1].2 FROM ("
    f"SELECT {_OLD_KEY}, arraySort(groupArray((first_at, content_hash))) AS versions FROM ("
    f"SELECT {_OLD_KEY}, content_hash, min(ingested_at) AS first_at FROM {COPY_TABLE}"
)
_VOID_HIDDEN_END = (
    f"GROUP BY {_OLD_KEY}, content_hash) GROUP BY {_OLD_KEY} HAVING count() > 1) "
    "ARRAY JOIN arraySlice(versions, 2) AS version SETTINGS optimize_aggregation_in_order = 1"
)

_INDEX_RANKS = (
    f"ADD INDEX IF NOT EXISTS {RANKS_INDEX}",
    f"MATERIALIZE INDEX {RANKS_INDEX_NAME} SETTINGS mutations_sync = 2",
)
# From form 3 on. Each can be run again, and the last one says that all are done. No row is written again: what is left
# of `ingested_at` goes with the next merges. The sorting key is as it was.
_STAMP_ONCE = (
    "DROP INDEX IF EXISTS ingested_range",
    f"MODIFY COLUMN event_time CODEC(Delta, {EMBEDDED_CODEC})",
    # Nothing is taken from a column that hasn't got it.
    "MODIFY COLUMN ingest_rank UInt64 DEFAULT 0",
    "MODIFY COLUMN ingest_rank REMOVE DEFAULT",
    f"MODIFY COLUMN ingest_rank CODEC(Delta, {EMBEDDED_CODEC})",
    *_INDEX_RANKS,
    f"MODIFY COLUMN ingested_at CODEC({EMBEDDED_CODEC})",
    "MODIFY COLUMN ingested_at REMOVE CODEC",
    f"MODIFY COLUMN {INGESTED_AT}",
)

Rows = Callable[[str], Sequence[Sequence[object]]]


def bring_to_form(run: Callable[[str], object], rows: Rows) -> None:
    """Brings the default database to today's form; `run` runs a statement, `rows` a query. Nothing if it is new.

    Raises:
        StartupError: a copy has not as many rows as there were.
    """
    columns = _columns(rows)
    if columns and "content_hash" not in columns:
        _copy(run, rows)
    run(f"DROP TABLE IF EXISTS {COPY_TABLE} SYNC")
    if _columns(rows).get("ingested_at") == "":
        for statement in _STAMP_ONCE:
            run(f"ALTER TABLE {EVENTS_TABLE} {statement}")
    for (definition,) in rows(
        f"SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = '{EVENTS_TABLE}'"
    ):
        for statement in part_statements(EVENTS_TABLE, str(definition)):
            run(statement)


def extend_server(run: Callable[[str], object], rows: Rows) -> bool:
    """Whether a server's table takes ranks, as one of today's form does.

    One of form 3 stays as it is but for the index, beside gateways of an earlier version that insert `ingested_at`.
    """
    if _columns(rows)["ingested_at"] == "ALIAS":
        return True
    found = rows(
        "SELECT name FROM system.data_skipping_indices "
        f"WHERE database = currentDatabase() AND table = '{EVENTS_TABLE}'"
    )
    if RANKS_INDEX_NAME not in {str(name) for (name,) in found}:
        for statement in _INDEX_RANKS:
            run(f"ALTER TABLE {EVENTS_TABLE} {statement}")
    return False


def _columns(rows: Rows) -> dict[str, str]:
    """The columns of the log, and how those are made that aren't inserted."""
    found = rows(
        "SELECT name, default_kind FROM system.columns "
        f"WHERE database = currentDatabase() AND table = '{EVENTS_TABLE}'"
    )
    return {str(name): str(kind) for name, kind in found}


def _copy(run: Callable[[str], object], rows: Rows) -> None:
    """Copies month by month: an insert takes a bounded number of partitions."""
    run(f"DROP TABLE IF EXISTS {COPY_TABLE} SYNC")
    run(create_events(COPY_TABLE, EMBEDDED_CODEC))
    # Nothing may collapse between counting and counting again.
    run(f"SYSTEM STOP MERGES {EVENTS_TABLE}")
    run(f"SYSTEM STOP MERGES {COPY_TABLE}")
    months = rows(f"SELECT DISTINCT _partition_id FROM {EVENTS_TABLE} ORDER BY _partition_id")
    _log.info(
        "the usage store is brought to today's form", months=len(months), events=_count(rows, EVENTS_TABLE)
    )
    for (month,) in months:
        run(
            f"INSERT INTO {COPY_TABLE} ({_COLUMNS}) SELECT {_COLUMNS} FROM {EVENTS_TABLE} "
            f"WHERE _partition_id = '{month}' SETTINGS {_COPY_SETTINGS}"
        )
    before, after = _count(rows, EVENTS_TABLE), _count(rows, COPY_TABLE)
    if before != after:
        raise StartupError(
            f"{EVENTS_TABLE}: {after} of {before} events were copied to today's form: nothing was changed; "
            "start again, and report it if it stays so"
        )
    # What was hidden so far stays out of every answer that was ever given: it is void from its own stamp on.
    run(CREATE_VOIDS)
    for (month,) in months:
        run(f"{_VOID_HIDDEN} WHERE _partition_id = '{month}' {_VOID_HIDDEN_END}")
    run(f"EXCHANGE TABLES {EVENTS_TABLE} AND {COPY_TABLE}")
    run(f"SYSTEM START MERGES {EVENTS_TABLE}")
    _log.info("the usage store has today's form", events=after)


def _count(rows: Rows, table: str) -> int:
    ((count,),) = rows(f"SELECT count() FROM {table}")
    return number(count)
