"""What customers are tied to: the other ids that their events may have, and the customer above each.

Read from the definitions in bulk, chunk by chunk; snapshots that share a chunk share what was read of it. Most customers
have neither, and cost nothing here.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from engine.catalog.snapshots.definition_columns import definition_fields, marked_definitions
from engine.errors import MeterlineError

_LINKS: Final = pa.schema([("id", pa.string()), ("aliases", pa.list_(pa.string())), ("parent", pa.string())])
ALIASES_KEY: Final = '"aliases":'
_PARENT_KEY: Final = '"parent":'


class CustomerLinks:
    """Of the customers of one snapshot."""

    def __init__(self, by_chunk: Mapping[int, tuple[pa.RecordBatch, pa.Table]]) -> None:
        """`by_chunk`: what was read of each chunk, by its identity, which holds while it is kept here."""
        self.by_chunk = by_chunk
        tables = [table for _, table in by_chunk.values() if len(table)]
        links = pa.concat_tables(tables) if tables else _LINKS.empty_table()
        lists = links.column("aliases").combine_chunks()
        owners = links.column("id").combine_chunks()
        self._alias = lists.flatten()
        self._owner = owners.take(pc.list_parent_indices(lists))
        self._children = links.select(["id", "parent"]).filter(pc.is_valid(links.column("parent")))

    @classmethod
    def of(cls, chunks: Iterable[pa.RecordBatch], earlier: "CustomerLinks | None") -> "CustomerLinks":
        """Of rows with `id` and `definition`.

        Raises:
            MeterlineError: a definition that this version of Meterline can't read.
        """
        known = {} if earlier is None else earlier.by_chunk
        return cls({id(each): known.get(id(each)) or (each, _read(each)) for each in chunks})

    def __len__(self) -> int:
        """How many aliases there are."""
        return len(self._alias)

    @property
    def with_aliases(self) -> list[str]:
        """Every customer that has an alias, and every alias."""
        return [*self._owner.unique().to_pylist(), *self._alias.to_pylist()]

    def aliases_of(self, customers: Collection[str]) -> Mapping[str, list[str]]:
        """The aliases of those of these customers that have any, as each gives them."""
        if not len(self):
            return {}
        found: dict[str, list[str]] = {}
        wanted = pc.is_in(self._owner, value_set=pa.array(list(customers), pa.string()))
        pairs = self._owner.filter(wanted).to_pylist(), self._alias.filter(wanted).to_pylist()
        for customer, alias in zip(*pairs, strict=True):
            found.setdefault(customer, []).append(alias)
        return found

    def owners_of(self, aliases: Collection[str]) -> Mapping[str, str]:
        """The customers whose aliases these are; no entry for what is no alias."""
        if not len(self):
            return {}
        wanted = pc.is_in(self._alias, value_set=pa.array(list(aliases), pa.string()))
        pairs = self._alias.filter(wanted).to_pylist(), self._owner.filter(wanted).to_pylist()
        return dict(zip(*pairs, strict=True))

    def children_of(self, customers: Collection[str]) -> Mapping[str, list[str]]:
        """The customers right below these, each sorted; no entry for one that has none."""
        if not len(self._children):
            return {}
        found: dict[str, list[str]] = {}
        wanted = pc.is_in(self._children.column("parent"), value_set=pa.array(list(customers), pa.string()))
        for row in self._children.filter(wanted).sort_by("id").to_pylist():
            found.setdefault(row["parent"], []).append(row["id"])
        return found


def _read(chunk: pa.RecordBatch) -> pa.Table:
    try:
        fields = definition_fields(marked_definitions([chunk], ALIASES_KEY, _PARENT_KEY), _LINKS)
    except pa.ArrowException as error:
        raise MeterlineError(
            f"the catalog store holds customers that this version can't read: {error}; start the version that wrote them"
        ) from error
    return pa.table(fields, schema=_LINKS)
