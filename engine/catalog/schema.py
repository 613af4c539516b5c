"""The tables of the catalog store. Rows are only ever added; the migrations make the same tables.

- revisions: one row for each document that changed something, by tenant, from 1.
- resources: one row for each version of each resource; the current one is the newest.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

METADATA: Final = MetaData()

REVISIONS: Final = Table(
    "revisions",
    METADATA,
    Column("tenant", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    # RFC 3339 in UTC, microseconds.
    Column("applied_at", Text, nullable=False),
    # SHA-256 of the document's UTF-8, in hex.
    Column("document_digest", Text, nullable=False),
    PrimaryKeyConstraint("tenant", "revision", name="revisions_pk"),
)

RESOURCES: Final = Table(
    "resources",
    METADATA,
    Column("tenant", Text, nullable=False),
    # "meter", "plan", "customer", "subscription"
    Column("kind", Text, nullable=False),
    Column("id", Text, nullable=False),
    # From 1, by one.
    Column("version", Integer, nullable=False),
    # The revision that made this version.
    Column("revision", BigInteger, nullable=False),
    # The place among the revision's changes: the order of the document.
    Column("position", Integer, nullable=False),
    # The canonical JSON of engine.catalog.definition.
    Column("definition", Text, nullable=False),
    Column("applied_at", Text, nullable=False),
    PrimaryKeyConstraint("tenant", "kind", "id", "version", name="resources_pk"),
    ForeignKeyConstraint(
        ["tenant", "revision"], ["revisions.tenant", "revisions.revision"], name="resources_revision_fk"
    ),
    Index("resources_by_revision", "tenant", "revision", "position", unique=True),
)
