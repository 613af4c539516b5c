"""Rows in the order of their key, in chunks that later rows share.

    rows = SortedRows.empty(schema, ("customer", "id")).merged(batch)
    rows.find(("acme", "acme:basic"))

1. Immutable: merging makes new rows, which share every chunk that nothing fell into. One change among a million rows
   copies one chunk, and a pointer for each other one.
2. A key is one or more columns of text, unique, in the order of code points (which is that of UTF-8).
3. Rows are merged as versions: of several with one key the highest `version` stands, in the place that the lowest
   `created` gives it. `created` orders the rows as they came to be.
4. A version without `created` ends the row: it is gone, and a later version begins it anew, in its own place.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# A change sorts one chunk anew, in about a millisecond, and copies a pointer for each of the others: 250 for a
# million rows.
_CHUNK_ROWS_MAX: Final = 4096
# Rows that are looked up at once, on the way through all of them.
_ROWS_AT_ONCE: Final = 1024

Key: TypeAlias = tuple[str, ...]
Row: TypeAlias = dict[str, Any]


class SortedRows:
    """Columns of a schema that has `version` and `created`, and the columns of the key."""

    def __init__(
        self, schema: pa.Schema, key: tuple[str, ...], chunks: Sequence[pa.RecordBatch], firsts: Sequence[Key]
    ) -> None:
        self._schema = schema
        self._key = key
        self.chunks = chunks
        # The key of each chunk's first row.
        self._firsts = firsts

    @classmethod
    def empty(cls, schema: pa.Schema, key: tuple[str, ...]) -> "SortedRows":
        return cls(schema, key, (), ())

    def __len__(self) -> int:
        return int(self._ends[-1]) if self.chunks else 0

    def merged(self, versions: pa.Table) -> "SortedRows":
        """These versions besides, or in place of earlier ones of theirs."""
        if not versions.num_rows:
            return self
        # Ends count against the rows that there are: all versions stay until they are merged with those.
        has_ends = versions.column("created").null_count > 0
        rows = self._ordered(versions) if has_ends else self._newest(versions)
        chunks: list[pa.RecordBatch] = []
        firsts: list[Key] = []
        done = begin = 0
        while begin < rows.num_rows:
            at = max(0, bisect_right(self._firsts, self._key_at(rows, begin)) - 1)
            chunks += self.chunks[done:at]
            firsts += self._firsts[done:at]
            end = rows.num_rows
            if at + 1 < len(self._firsts):
                end = self._lower_bound(rows, self._firsts[at + 1], begin)
            piece = rows.slice(begin, end - begin)
            if self.chunks:
                piece = self._newest(pa.Table.from_batches([self.chunks[at], piece]))
            elif has_ends:
                piece = self._newest(pa.Table.from_batches([piece]))
            for chunk in _split(piece):
                chunks.append(chunk)
                firsts.append(self._key_at(chunk, 0))
            done, begin = at + 1, end
        return SortedRows(
            self._schema, self._key, (*chunks, *self.chunks[done:]), (*firsts, *self._firsts[done:])
        )

    def find(self, key: Key) -> Row | None:
        """The row with this key."""
        found = next(self.rows_from(key), None)
        return found if found is not None and tuple(found[name] for name in self._key) == key else None

    def rows_from(self, key: Key) -> Iterator[Row]:
        """The rows from the first one at or behind this place in the order; a key may end early."""
        at = max(0, bisect_right(self._firsts, key) - 1)
        for number, chunk in enumerate(self.chunks[at:]):
            begin = self._lower_bound(chunk, key, 0) if number == 0 else 0
            for index in range(begin, chunk.num_rows):
                yield _row(chunk, index)

    def matching(self, values: Sequence[str]) -> pa.Table:
        """Every row with one of these values in the first column of the key; `values` are sorted, each once."""
        found: list[pa.RecordBatch] = []
        # A value may go on in the chunk behind the one that it begins in.
        begins = [first[0] for first in self._firsts]
        place = 0
        at = -1
        while place < len(values):
            at = max(at + 1, bisect_left(begins, values[place]) - 1)
            if at >= len(self.chunks):
                break
            last = begins[at + 1] if at + 1 < len(begins) else None
            end = len(values) if last is None else bisect_right(values, last, place)
            chunk = self.chunks[at]
            wanted = pa.array(values[place:end], pa.string())
            found.append(chunk.filter(pc.is_in(chunk.column(self._key[0]), value_set=wanted)))
            place = end if last is None else bisect_left(values, last, place)
        return pa.Table.from_batches(found, self._schema)

    def column(self, name: str) -> pa.ChunkedArray:
        return pa.chunked_array([chunk.column(name) for chunk in self.chunks], self._schema.field(name).type)

    def by_creation(self, first: int, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """These columns of the rows in the order in which they came to be, from a place in it."""
        return self.at_places(range(first, len(self)), names)

    def places_where(
        self, first: int, condition: Callable[[pa.RecordBatch], pa.BooleanArray]
    ) -> npt.NDArray[np.int64]:
        """The places in the order of creation, from one of them on, of the rows that a condition on chunks holds for."""
        if first >= len(self):
            return np.empty(0, dtype=np.int64)
        holds = np.concatenate([condition(chunk).to_numpy(zero_copy_only=False) for chunk in self.chunks])
        return first + np.flatnonzero(holds[self._by_creation[first:]])

    def at_places(
        self, places: range | npt.NDArray[np.int64], names: Sequence[str]
    ) -> Iterator[tuple[Any, ...]]:
        """These columns of the rows at places in the order of creation."""
        columns = [[chunk.column(name) for name in names] for chunk in self.chunks]
        begins = np.concatenate([[0], self._ends])
        for begin in range(0, len(places), _ROWS_AT_ONCE):
            positions = self._by_creation[np.asarray(places[begin : begin + _ROWS_AT_ONCE])]
            chunks = np.searchsorted(self._ends, positions, side="right")
            indexes = positions - begins[chunks]
            for chunk, index in zip(chunks.tolist(), indexes.tolist(), strict=True):
                yield tuple(column[index].as_py() for column in columns[chunk])

    @cached_property
    def _ends(self) -> npt.NDArray[np.int64]:
        """How many rows there are up to the end of each chunk."""
        return np.cumsum([chunk.num_rows for chunk in self.chunks], dtype=np.int64)

    @cached_property
    def _by_creation(self) -> npt.NDArray[np.int64]:
        return np.argsort(self.column("created").to_numpy(), kind="stable")

    def _ordered(self, rows: pa.Table) -> pa.RecordBatch:
        """By key, and the versions of each from the newest on."""
        order = pc.sort_indices(
            rows, sort_keys=[*((name, "ascending") for name in self._key), ("version", "descending")]
        )
        # Column by column, since taking from chunks makes one array of them first.
        ordered = [column.take(order).combine_chunks() for column in rows.columns]
        return pa.record_batch(ordered, schema=self._schema)

    def _newest(self, rows: pa.Table) -> pa.RecordBatch:
        """In the order of the key, each key once (rules 3 and 4)."""
        versions = self._ordered(rows)
        begins = self._begins(versions)
        created = self._schema.get_field_index("created")
        if versions.column(created).null_count:
            since = ~_ended_later(begins, versions.column(created).is_null().to_numpy(zero_copy_only=False))
            versions, begins = versions.filter(pa.array(since)), begins[since]
        ordered = versions.columns
        if not begins.all():
            newest = np.flatnonzero(begins)
            oldest = np.append(newest[1:], len(begins)) - 1
            first_created = ordered[created].take(pa.array(oldest))
            ordered = [column.take(pa.array(newest)) for column in ordered]
            ordered[created] = first_created
        return pa.record_batch(ordered, schema=self._schema)

    def _begins(self, rows: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """Where another key begins, among ordered rows."""
        begins = np.ones(rows.num_rows, dtype=np.bool_)
        begins[1:] = False
        for name in self._key:
            column = rows.column(name)
            begins[1:] |= pc.not_equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
        return begins

    def _key_at(self, rows: pa.RecordBatch, index: int) -> Key:
        return tuple(rows.column(name)[index].as_py() for name in self._key)

    def _lower_bound(self, rows: pa.RecordBatch, key: Key, begin: int) -> int:
        columns = [rows.column(name) for name in self._key]
        return bisect_left(
            range(rows.num_rows), key, begin, key=lambda index: tuple(each[index].as_py() for each in columns)
        )


def _ended_later(begins: npt.NDArray[np.bool_], ends: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Of versions by key from the newest on: whether each ends its row, or is older than one that does."""
    so_far = np.cumsum(ends)
    of_key = np.cumsum(begins) - 1
    before_key: npt.NDArray[np.int64] = (so_far - ends)[begins]
    found: npt.NDArray[np.bool_] = so_far > before_key[of_key]
    return found


def _split(rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if not rows.num_rows:
        return
    parts = -(-rows.num_rows // _CHUNK_ROWS_MAX)
    bounds = [rows.num_rows * part // parts for part in range(parts + 1)]
    for begin, end in pairwise(bounds):
        yield rows.slice(begin, end - begin)


def _row(rows: pa.RecordBatch, index: int) -> Row:
    return {name: rows.column(place)[index].as_py() for place, name in enumerate(rows.schema.names)}
