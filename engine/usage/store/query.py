"""One statement for the usage store, the tables that it brings along, and the numbers that come back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

import pyarrow as pa

Parameters: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Query:
    """One statement for the usage store.

    tables: what it reads besides the store's own tables, by the names that it has for them. Of a server every parameter,
        and the text with its parameters if it has such tables, has at most 128 KiB; a table has no such bound.
    """

    sql: str
    parameters: Parameters
    tables: Mapping[str, pa.Table] = field(default_factory=lambda: MappingProxyType({}))


def number(value: object) -> int:
    """The integer that a column of integers holds: the driver types what it reads as anything.

    Raises:
        ValueError: it is none.
    """
    return int(str(value))


# The types that a table of a statement may have.
_COLUMN_TYPES = {
    pa.string(): "String",
    pa.int64(): "Int64",
    pa.uint32(): "UInt32",
    pa.uint8(): "UInt8",
}


def structure_of(table: pa.Table) -> str:
    """A table's columns as ClickHouse declares them."""
    return ", ".join(f"{field.name} {_COLUMN_TYPES[field.type]}" for field in table.schema)
