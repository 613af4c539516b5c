"""What an erasure (engine.erasure) notes while it is at work: tables of its own, dropped when it is done.

Rules:
1. What deletes and replaces rows names these tables and never the customer: ClickHouse keeps the texts of such statements
   in files beside the rows.
2. They hold what is to be erased, so they go, with their files, before the erasure is said to be done.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PREFIX = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class ErasureTables:
    """The tables of one erasure; their names begin with `prefix`."""

    prefix: str

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise ValueError(f"{self.prefix!r} is no name of a table")

    @property
    def customer(self) -> str:
        """The customer's id and aliases, and what stands in the place of each."""
        return f"{self.prefix}_customer"

    @property
    def ids(self) -> str:
        """Event ids, and what stands in the place of each."""
        return f"{self.prefix}_ids"

    @property
    def texts(self) -> str:
        """Values of properties, and what stands in the place of each."""
        return f"{self.prefix}_texts"

    @property
    def versions(self) -> str:
        """Of events that facts are about, the properties and their hash afterwards."""
        return f"{self.prefix}_versions"

    @property
    def corrections(self) -> str:
        """Corrections whose id or reason is replaced."""
        return f"{self.prefix}_corrections"

    def create(self) -> Iterator[str]:
        """Statements that make them, where they aren't there."""
        keys = "customer_id String, event_type String, event_time DateTime64(6, 'UTC'), event_id String, content_hash UInt32"
        columns = {
            self.customer: ("customer_id String, pseudonym String", "customer_id"),
            self.ids: ("event_id String, new_id String", "event_id"),
            self.texts: (
                "event_type String, property String, text String, new_text String",
                "event_type, property, text",
            ),
            self.versions: (
                f"{keys}, new_properties Map(String, String), new_hash UInt32, is_found UInt8",
                "event_id",
            ),
            self.corrections: (
                "correction_id String, new_id String, hides_reason UInt8, is_found UInt8",
                "correction_id",
            ),
        }
        for table, (described, order) in columns.items():
            yield f"CREATE TABLE IF NOT EXISTS {table} ({described}) ENGINE = MergeTree ORDER BY ({order})"

    def empty(self) -> Iterator[str]:
        """Statements that take all rows out of them."""
        return (f"TRUNCATE TABLE {table} SYNC" for table in self._all())

    def drop(self) -> Iterator[str]:
        """Statements that remove them with their files."""
        return (f"DROP TABLE IF EXISTS {table} SYNC" for table in self._all())

    def _all(self) -> tuple[str, ...]:
        return (self.customer, self.ids, self.texts, self.versions, self.corrections)
