"""A tenant's versions as the store keeps them, read in bulk.

The database itself joins the rows of a revision, column by column, into texts of as many lines, and Arrow splits them: a
million rows come in a second, a quarter of what it takes to make a Python object of each value. No value has a line
break: ids hold none, and JSON escapes them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Row, Text, cast, func, select

from engine.catalog.snapshots.versions import VERSION_ROWS, Versions, together
from engine.errors import MeterlineError
from engine.sql.schema import RESOURCES

# Revisions whose rows are split together, so that those of one change each don't cost much more than one of many.
_SPLIT_ROWS: Final = 65_536
# Rows that are folded into a snapshot at once: a fold copies what the snapshot has, and a million rows take 300 MB.
_FOLDED_ROWS: Final = 500_000
# Revisions that the driver fetches at once; the rows of one may have as many bytes as a document, several times.
_REVISIONS_AT_ONCE: Final = 4
_JOINED: Final = ("kind", "id", "version", "position", "definition", "state")


def versions_between(connection: Connection, tenant: str, after: int, revision: int) -> Iterator[Versions]:
    """Those made in (after, revision], in order, in parts.

    Raises:
        MeterlineError: a definition that this version of Meterline can't read.
    """
    columns = RESOURCES.c
    joined = (func.aggregate_strings(cast(columns[name], Text), "\n").label(name) for name in _JOINED)
    query = (
        select(columns.revision, func.count().label("row_count"), *joined)
        .where(columns.tenant == tenant, columns.revision > after, columns.revision <= revision)
        .group_by(columns.revision)
        .order_by(columns.revision)
        .execution_options(yield_per=_REVISIONS_AT_ONCE)
    )
    parts: list[Versions] = []
    folded_rows = 0
    for revisions in _batched(connection.execute(query)):
        parts.append(Versions.read(_rows(revisions)))
        folded_rows += len(parts[-1])
        if folded_rows >= _FOLDED_ROWS:
            yield together(parts)
            parts, folded_rows = [], 0
    if parts:
        yield together(parts)


def _batched(revisions: Iterable[Row[Any]]) -> Iterator[list[Row[Any]]]:
    batch: list[Row[Any]] = []
    rows = 0
    for each in revisions:
        batch.append(each)
        rows += each.row_count
        if rows >= _SPLIT_ROWS:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


def _rows(revisions: Sequence[Row[Any]]) -> pa.Table:
    """VERSION_ROWS of whole revisions."""
    counts = [each.row_count for each in revisions]
    columns = {name: _split([getattr(each, name) for each in revisions]) for name in _JOINED}
    if any(len(column) != sum(counts) for column in columns.values()):
        raise MeterlineError("the catalog store holds a value with a line break: restore it from a backup")
    columns["revision"] = pa.array(np.repeat([each.revision for each in revisions], counts))
    return pa.table({field.name: columns[field.name].cast(field.type) for field in VERSION_ROWS})


def _split(texts: Sequence[str]) -> pa.LargeStringArray:
    return pc.split_pattern(pa.array(["\n".join(texts)], pa.large_string()), "\n").flatten()
