"""What is archived or deleted, of every kind: in no snapshot's resources, yet its id goes on where its versions ended."""

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc

from engine.catalog.snapshots.sorted_rows import SortedRows
from engine.catalog.snapshots.versions import ENDED, ResourceState, Versions

_KEY = ("id", "kind")


class EndedResource(NamedTuple):
    """The version that ended a resource, with the definition that it had."""

    kind: str
    id: str
    version: int
    definition: str
    state: str


class EndedResources(Mapping[tuple[str, str], EndedResource]):
    """By kind and id, iterated as they ended; few beside what there is."""

    def __init__(self, rows: SortedRows) -> None:
        self._rows = rows

    @classmethod
    def empty(cls) -> Self:
        return cls(SortedRows.empty(ENDED, _KEY))

    def __len__(self) -> int:
        return len(self._rows)

    def merged(self, versions: Versions) -> "EndedResources":
        """With what these versions end, and without what they bring back."""
        if not len(versions.ended) and not len(self):
            return self
        again = self._brought_back(versions)
        return EndedResources(self._rows.merged(pa.concat_tables([versions.ended, again])))

    def __getitem__(self, key: tuple[str, str]) -> EndedResource:
        return self.stored([key])[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        keys = self._rows.by_creation(0, ("kind", "id"))
        return ((kind, resource_id) for kind, resource_id in keys)

    def stored(self, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], EndedResource]:
        """Those of these kinds and ids that have ended."""
        if not len(self):
            return {}
        found = self._rows.matching(sorted({resource_id for _, resource_id in wanted}))
        ended = (EndedResource(**row) for row in found.select(EndedResource._fields).to_pylist())
        return {key: each for each in ended if (key := (each.kind, each.id)) in wanted}

    def archived(self, kind: str, first: int) -> Iterator[EndedResource]:
        """The archived ones of a kind, as they were archived, from a place among them."""
        ended = (EndedResource(*row) for row in self._rows.by_creation(0, EndedResource._fields))
        wanted = (each for each in ended if each.kind == kind and each.state == ResourceState.ARCHIVED)
        yield from islice(wanted, first, None)

    def chunks(self) -> Iterator[pa.RecordBatch]:
        yield from self._rows.chunks

    def _brought_back(self, versions: Versions) -> pa.Table:
        """Active versions of what has ended, or ends among the others."""
        active = pa.concat_tables(
            [
                _active("customer", versions.customers),
                _active("subscription", versions.subscriptions),
                pa.Table.from_pylist(
                    [
                        {"id": each.resource.id, "kind": each.resource.kind, "version": each.version}
                        for each in versions.objects
                        if each.is_active
                    ],
                    schema=ENDED,
                ),
            ]
        )
        known = self._rows.matching(sorted(set(active.column("id").to_pylist()))) if len(self) else None
        ids = [versions.ended.column("id"), *([] if known is None else [known.column("id")])]
        ended_ids = pa.array([each for column in ids for each in column.to_pylist()], pa.string())
        return active.filter(pc.is_in(active.column("id"), value_set=ended_ids))


def _active(kind: str, rows: pa.Table) -> pa.Table:
    rows = rows.filter(pc.is_valid(rows.column("created")))
    columns = {
        "id": rows.column("id"),
        "kind": pa.array([kind] * len(rows), pa.string()),
        "version": rows.column("version"),
    }
    nothing = {each.name: pa.nulls(len(rows), each.type) for each in ENDED if each.name not in columns}
    return pa.table({each.name: {**columns, **nothing}[each.name] for each in ENDED}, schema=ENDED)
