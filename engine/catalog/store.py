"""The catalog store: documents in, snapshots out.

1. A document is applied in one transaction, or not at all; concurrent applies run one after the other.
2. Rows are only added: a changed resource is a new version, and each apply that changes something makes one
   revision. Applying the same again makes none.
3. A snapshot is a tenant's catalog at one revision, immutable, and shared by all who ask for it.
"""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import pyarrow as pa
from sqlalchemy import Connection, delete, func, insert, select

from engine.catalog.documents.changes import Applied
from engine.catalog.documents.document import Document
from engine.catalog.history import versions_between
from engine.catalog.snapshots.kept_snapshots import SNAPSHOTS_MAX, KeptSnapshots
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import Versions
from engine.errors import NotFoundError
from engine.sql.database import Database, open_database
from engine.sql.schema import EVENT_FENCES, RESOURCES, REVISIONS

_RELEASED_AFTER: Final = 100_000


class CatalogStore:
    """Thread-safe. Several processes may open the same database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loading = threading.Lock()
        self._kept = KeptSnapshots()

    @classmethod
    def open(cls, url: str) -> "CatalogStore":
        """Opens the database at a SQLAlchemy URL ("sqlite:///PATH"), making or upgrading its tables.

        Raises StartupError for a database that can't be opened, is damaged, or is a newer Meterline's.
        """
        return cls(open_database(url))

    def close(self) -> None:
        self._database.close()

    def apply(self, tenant: str, document: Document, *, applied_at: datetime) -> Applied:
        """Applies a document as a whole or not at all.

        Raises:
            CatalogDocumentError: the document has mistakes: all of them.
            StoreUnavailableError: the store does not answer; apply again.
        """
        at = _rfc3339(applied_at)
        # Compared before the transaction, which others wait for; anew in it if somebody applied something meanwhile.
        catalog = self.snapshot(tenant)
        found = document.changes(catalog)
        if not found.changes:
            return found.at(catalog.revision)
        with self._database.writing() as connection:
            newest = self._newest(connection, tenant)
            if newest.revision != catalog.revision:
                found = document.changes(newest)
                if not found.changes:
                    return found.at(newest.revision)
            revision = newest.revision + 1
            connection.execute(
                insert(REVISIONS).values(
                    tenant=tenant, revision=revision, applied_at=at, document_digest=document.digest
                )
            )
            rows = found.rows(revision)
            connection.execute(
                insert(RESOURCES), [{**row, "tenant": tenant, "applied_at": at} for row in rows]
            )
        return found.at(revision)

    def load(self) -> None:
        """Reads the newest catalogs ahead of whoever asks for them: of a million customers it takes seconds.

        Raises:
            StoreUnavailableError: the store does not answer.
            MeterlineError: it holds what this version of Meterline can't read.
        """
        for tenant in self.tenants()[:SNAPSHOTS_MAX]:
            self.snapshot(tenant)

    def check_answers(self) -> None:
        """Returns if the database answers.

        Raises:
            StoreUnavailableError: it does not.
        """
        with self._database.reading() as connection:
            connection.execute(select(1))

    def tenants(self) -> list[str]:
        """The tenants that have a catalog.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        with self._database.reading() as connection:
            return list(
                connection.scalars(select(REVISIONS.c.tenant).distinct().order_by(REVISIONS.c.tenant))
            )

    def snapshot(self, tenant: str, revision: int | None = None) -> Catalog:
        """The tenant's catalog at `revision`, or the newest. A tenant without any has an empty one, revision 0.

        Raises:
            NotFoundError: there is no such revision.
            StoreUnavailableError: the store does not answer.
        """
        if revision is not None and (cached := self._kept.get(tenant, revision)):
            return cached
        with self._database.reading() as connection:
            if revision is None:
                return self._newest(connection, tenant)
            newest = _newest_revision(connection, tenant)
            if not 0 <= revision <= newest:
                raise NotFoundError(f"the catalog has no revision {revision}: its newest is {newest}")
            return self._loaded(connection, tenant, revision)

    def history(self, tenant: str) -> Iterator[Versions]:
        """Every version of every resource that any revision had, in order, part by part.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._database.reading() as connection:
            yield from versions_between(connection, tenant, 0, _newest_revision(connection, tenant))

    def refuse_events_before(self, tenant: str, before_us: int) -> None:
        """From now on admission refuses the tenant's events before this instant; an earlier one changes nothing.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._database.writing() as connection:
            known_us = _refused_before_us(connection, tenant)
            if before_us > known_us:
                connection.execute(delete(EVENT_FENCES).where(EVENT_FENCES.c.tenant == tenant))
                connection.execute(insert(EVENT_FENCES).values(tenant=tenant, refused_before_us=before_us))

    def events_refused_before_us(self, tenant: str) -> int:
        """0 if none are.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._database.reading() as connection:
            return _refused_before_us(connection, tenant)

    def _newest(self, connection: Connection, tenant: str) -> Catalog:
        revision = _newest_revision(connection, tenant)
        return self._kept.get(tenant, revision) or self._loaded(connection, tenant, revision)

    def _loaded(self, connection: Connection, tenant: str, revision: int) -> Catalog:
        """Brings the nearest earlier snapshot forward. One at a time: a large catalog takes seconds, and memory."""
        with self._loading:
            if catalog := self._kept.get(tenant, revision):
                return catalog
            catalog = self._kept.before(tenant, revision)
            for versions in versions_between(connection, tenant, catalog.revision, revision):
                catalog = catalog.advanced(revision, versions)
                if len(versions) > _RELEASED_AFTER:
                    # What a large part was read into is free again, in pieces that malloc would keep.
                    pa.default_memory_pool().release_unused()
            self._kept.keep(catalog)
            return catalog


def _newest_revision(connection: Connection, tenant: str) -> int:
    found = connection.scalar(select(func.max(REVISIONS.c.revision)).where(REVISIONS.c.tenant == tenant))
    return int(found or 0)


def _refused_before_us(connection: Connection, tenant: str) -> int:
    found = connection.scalar(select(EVENT_FENCES.c.refused_before_us).where(EVENT_FENCES.c.tenant == tenant))
    return int(found or 0)


def _rfc3339(instant: datetime) -> str:
    if instant.tzinfo is None:
        raise ValueError("applied_at must be an aware datetime")
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
