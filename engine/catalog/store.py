"""The catalog store: documents and changes of single resources in, snapshots out.

1. A write is one transaction, or nothing; concurrent writes run one after the other, each on what the one before left.
2. Rows are only added: a changed resource is a new version, and so is one that is archived or deleted. Each write that
   changes something makes one revision, which says who made it and when, and records facts in the outbox. Writing the same
   again makes none.
3. A snapshot is a tenant's catalog at one revision, immutable, and shared by all who ask for it.
4. An erasure (engine.erasure) changes what is stored of earlier revisions. How many there were is asked with every
   snapshot: one that was read before the last of them is given to nobody any more, by no gateway.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa
from sqlalchemy import Connection, bindparam, delete, func, insert, select

from engine.catalog.catalog_facts import catalog_facts
from engine.catalog.documents.changes import Applied, Changes, ResourceChange
from engine.catalog.documents.document import Document
from engine.catalog.history import versions_between
from engine.catalog.idempotency import Once, Remembered, remember, remembered
from engine.catalog.past_changes import (
    ResourceVersion,
    changes_of,
    definitions_between,
    version_at,
    versions_of,
)
from engine.catalog.snapshots.kept_snapshots import SNAPSHOTS_MAX, KeptSnapshots
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import Versions
from engine.errors import MeterlineError, NotFoundError
from engine.outbox.facts import record_facts
from engine.sql.database import Database, open_database
from engine.sql.schema import ERASURES, EVENT_FENCES, RESOURCES, REVISIONS
from engine.times import datetime_us

_RELEASED_AFTER: Final = 100_000
# The newest revision, and how many erasures changed the catalog. Asked with every read and every group of events, so made once:
# putting it together takes longer than its answer.
_NEWEST: Final = select(
    select(func.max(REVISIONS.c.revision)).where(REVISIONS.c.tenant == bindparam("tenant")).scalar_subquery(),
    select(func.count())
    .where(ERASURES.c.tenant == bindparam("tenant"), ERASURES.c.catalog_is_changed == 1)
    .scalar_subquery(),
)


@dataclass(frozen=True, slots=True)
class Write:
    """What a write leaves beside its change: when it was, whose credential made it, the SHA-256 of what was sent (hex),
    and that it counts once, if it does. `beside`: what else its transaction writes; what it raises leaves all as it was.
    """

    at: datetime
    by: str
    digest: str
    once: Once | None = None
    beside: Callable[[Connection], None] | None = None


class CatalogStore:
    """Thread-safe. Several processes may open the same database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loading = threading.Lock()
        self._kept = KeptSnapshots()
        # By tenant, how many erasures the kept snapshots know.
        self._erasures: dict[str, int] = {}
        self._looking = threading.Lock()

    @classmethod
    def open(cls, url: str) -> "CatalogStore":
        """Opens the database at a SQLAlchemy URL ("sqlite:///PATH"), making or upgrading its tables.

        Raises StartupError for a database that can't be opened, is damaged, or is a newer Meterline's.
        """
        return cls(open_database(url))

    def close(self) -> None:
        self._database.close()

    def apply(
        self,
        tenant: str,
        document: Document,
        *,
        applied_at: datetime,
        applied_by: str = "",
        once: Once | None = None,
    ) -> Applied:
        """Applies a document as a whole or not at all.

        Raises:
            CatalogDocumentError: the document has mistakes: all of them.
            IdempotencyKeyUsedError: `once` has the key of another request.
            StoreUnavailableError: the store does not answer; apply again.
        """
        write = Write(applied_at, applied_by, document.digest, once)
        return self.write(tenant, lambda catalog: document.changes(catalog, applied_at), write)

    def write(self, tenant: str, changes: Callable[[Catalog], Changes], write: Write) -> Applied:
        """Makes what `changes` finds to change in the newest catalog. It is called again if that moves meanwhile, and what
        it raises leaves everything as it is.

        Raises:
            IdempotencyKeyUsedError: the write has the key of another request.
            StoreUnavailableError: the store does not answer; write again.
        """
        once = write.once
        if once is not None and (known := self._remembered(tenant, once)):
            return known
        # Compared before the transaction, which others wait for; anew in it if somebody changed something meanwhile.
        catalog = self.snapshot(tenant)
        try:
            found = changes(catalog)
        except MeterlineError:
            # Another call with the same key may have made the change that this one stumbles on.
            if once is not None and (known := self._remembered(tenant, once)):
                return known
            raise
        if not found.changes and once is None:
            return found.at(catalog.revision)
        with self._database.writing() as connection:
            if once is not None and (what := remembered(connection, tenant, once)):
                return _answer(connection, tenant, what)
            newest = self._newest(connection, tenant)
            # Another one of the same revision: an erasure came in between.
            if newest is not catalog:
                found = changes(newest)
            revision = newest.revision + 1 if found.changes else newest.revision
            if found.changes:
                _insert(connection, tenant, revision, found, write)
            if once is not None:
                what = Remembered(revision, len(found.changes), found.unchanged_count)
                remember(connection, tenant, once, what, datetime_us(write.at))
        return found.at(revision)

    def versions(
        self, tenant: str, kind: str, resource_id: str, before: int | None, count: int
    ) -> Sequence[ResourceVersion]:
        """The versions of a resource, of one that is gone too, the newest first; those before the version `before`.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._database.reading() as connection:
            return versions_of(connection, tenant, kind, resource_id, before, count)

    def definitions_between(
        self, tenant: str, after: int, revision: int
    ) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
        """The kind, revision and fields of what the revisions in (after, revision] made, archived or deleted, in no order.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._database.reading() as connection:
            yield from definitions_between(connection, tenant, after, revision)

    def version_at(self, tenant: str, kind: str, resource_id: str, revision: int) -> ResourceChange | None:
        """What made the version that a resource had at a revision; None if it had none yet.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._database.reading() as connection:
            return version_at(connection, tenant, kind, resource_id, revision)

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

    def tenants_with(self, kind: str) -> list[str]:
        """The tenants whose catalog has a resource of a kind that some upkeep asks for (WATCHED_KINDS), or had one.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        columns = RESOURCES.c
        wanted = select(columns.tenant).distinct().where(columns.kind == kind).order_by(columns.tenant)
        with self._database.reading() as connection:
            return list(connection.scalars(wanted))

    def snapshot(self, tenant: str, revision: int | None = None) -> Catalog:
        """The tenant's catalog at `revision`, or the newest. A tenant without any has an empty one, revision 0.

        Raises:
            NotFoundError: there is no such revision.
            StoreUnavailableError: the store does not answer.
        """
        with self._database.reading() as connection:
            if revision is None:
                return self._newest(connection, tenant)
            newest, erasures = self._look(connection, tenant)
            if not 0 <= revision <= newest:
                raise NotFoundError(f"the catalog has no revision {revision}: its newest is {newest}")
            return self._loaded(connection, tenant, revision, erasures)

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

    def _remembered(self, tenant: str, once: Once) -> Applied | None:
        with self._database.reading() as connection:
            what = remembered(connection, tenant, once)
            return None if what is None else _answer(connection, tenant, what)

    def _newest(self, connection: Connection, tenant: str) -> Catalog:
        revision, erasures = self._look(connection, tenant)
        return self._loaded(connection, tenant, revision, erasures)

    def _look(self, connection: Connection, tenant: str) -> tuple[int, int]:
        """The newest revision and the number of erasures; forgets what was read before the last one. Rule 4."""
        revision, erasures = connection.execute(_NEWEST, {"tenant": tenant}).one()
        with self._looking:
            if erasures > self._erasures.get(tenant, 0):
                self._kept.forget(tenant)
                self._erasures[tenant] = erasures
        return int(revision or 0), int(erasures)

    def _loaded(self, connection: Connection, tenant: str, revision: int, erasures: int) -> Catalog:
        """Brings the nearest earlier snapshot forward. One at a time: a large catalog takes seconds, and memory."""
        if self._knows(tenant, erasures) and (catalog := self._kept.get(tenant, revision)):
            return catalog
        with self._loading:
            # A transaction that began before an erasure sees what nobody else is to see.
            is_newest = self._knows(tenant, erasures)
            if is_newest and (catalog := self._kept.get(tenant, revision)):
                return catalog
            catalog = self._kept.before(tenant, revision) if is_newest else Catalog.empty(tenant)
            for versions in versions_between(connection, tenant, catalog.revision, revision):
                catalog = catalog.advanced(revision, versions)
                if len(versions) > _RELEASED_AFTER:
                    # What a large part was read into is free again, in pieces that malloc would keep.
                    pa.default_memory_pool().release_unused()
            with self._looking:
                if self._erasures.get(tenant, 0) == erasures:
                    self._kept.keep(catalog)
            return catalog

    def _knows(self, tenant: str, erasures: int) -> bool:
        with self._looking:
            return self._erasures.get(tenant, 0) == erasures


def _insert(connection: Connection, tenant: str, revision: int, changes: Changes, write: Write) -> None:
    at = _rfc3339(write.at)
    connection.execute(
        insert(REVISIONS).values(
            tenant=tenant,
            revision=revision,
            applied_at=at,
            document_digest=write.digest,
            changed_by=write.by,
        )
    )
    rows = changes.rows(revision)
    connection.execute(insert(RESOURCES), [{**row, "tenant": tenant, "applied_at": at} for row in rows])
    record_facts(connection, tenant, catalog_facts(changes, revision), datetime_us(write.at))
    if write.beside is not None:
        write.beside(connection)


def _answer(connection: Connection, tenant: str, what: Remembered) -> Applied:
    """As the write was answered that is remembered."""
    made = changes_of(connection, tenant, what.revision) if what.changed_count else ()
    return Applied(what.revision, made, what.unchanged_count)


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
