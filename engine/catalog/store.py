"""The catalog store: documents in, snapshots out.

1. A document is applied in one transaction, or not at all; concurrent applies run one after the other.
2. Rows are only added: a changed resource is a new version, and each apply that changes something makes one
   revision. Applying the same again makes none.
3. A snapshot is a tenant's catalog at one revision, immutable, and shared by all who ask for it.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import Connection, Row, Select, and_, delete, func, insert, or_, select

from engine.catalog.definition import definition, fields_of, read_definition
from engine.catalog.diff import FieldChange, differences
from engine.catalog.document import Document, read_document
from engine.catalog.read import ResourceError
from engine.catalog.resources import Kind, Resource
from engine.catalog.snapshot import Catalog, Versioned
from engine.errors import MeterlineError, NotFoundError
from engine.sql.database import Database, open_database
from engine.sql.schema import EVENT_FENCES, RESOURCES, REVISIONS

# The newest of every tenant in use, and some that invoices of earlier periods ask for.
_SNAPSHOTS_MAX: Final = 32

Action: TypeAlias = Literal["create", "update"]


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """One resource of a document that is new or differs; `version` is the version that the change makes."""

    kind: Kind
    id: str
    version: int
    fields: tuple[FieldChange, ...]
    definition: str

    @property
    def action(self) -> Action:
        return "create" if self.version == 1 else "update"


@dataclass(frozen=True, slots=True)
class Applied:
    """`revision`: after the change; as it was if nothing differs, or for a dry run."""

    revision: int
    changes: tuple[ResourceChange, ...]
    unchanged_count: int


class CatalogStore:
    """Thread-safe. Several processes may open the same database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._snapshots: OrderedDict[tuple[str, int], Catalog] = OrderedDict()

    @classmethod
    def open(cls, url: str) -> "CatalogStore":
        """Opens the database at a SQLAlchemy URL ("sqlite:///PATH"), making or upgrading its tables.

        Raises StartupError for a database that can't be opened, is damaged, or is a newer Meterline's.
        """
        return cls(open_database(url))

    def close(self) -> None:
        self._database.close()

    def apply(
        self, tenant: str, document_text: str, file_name: str, *, dry_run: bool, applied_at: datetime
    ) -> Applied:
        """Applies a document as a whole or not at all; a dry run checks and compares only.

        Raises:
            CatalogDocumentError: the document has mistakes: all of them.
            StoreUnavailableError: the store does not answer; apply again.
        """
        at = _rfc3339(applied_at)
        document = read_document(document_text, file_name)
        if dry_run:
            with self._database.reading() as connection:
                catalog = self._newest(connection, tenant)
            changes, unchanged_count = _compare(document, catalog)
            return Applied(catalog.revision, changes, unchanged_count)
        with self._database.writing() as connection:
            catalog = self._newest(connection, tenant)
            changes, unchanged_count = _compare(document, catalog)
            if not changes:
                return Applied(catalog.revision, (), unchanged_count)
            revision = catalog.revision + 1
            digest = hashlib.sha256(document_text.encode()).hexdigest()
            connection.execute(
                insert(REVISIONS).values(
                    tenant=tenant, revision=revision, applied_at=at, document_digest=digest
                )
            )
            connection.execute(insert(RESOURCES), list(_rows(tenant, revision, at, changes)))
        return Applied(revision, changes, unchanged_count)

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
        if revision is not None and (cached := self._cached(tenant, revision)):
            return cached
        with self._database.reading() as connection:
            if revision is None:
                return self._newest(connection, tenant)
            newest = _newest_revision(connection, tenant)
            if not 0 <= revision <= newest:
                raise NotFoundError(f"the catalog has no revision {revision}: its newest is {newest}")
            return self._loaded(connection, tenant, revision)

    def every_version(self, tenant: str) -> list[Versioned[Resource]]:
        """Every version of every resource that any revision had, in order.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        columns = RESOURCES.c
        rows = (
            select(columns.kind, columns.id, columns.version, columns.revision, columns.definition)
            .where(columns.tenant == tenant)
            .order_by(columns.revision, columns.position)
        )
        with self._database.reading() as connection:
            return list(_versions(connection.execute(rows)))

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
        return self._cached(tenant, revision) or self._loaded(connection, tenant, revision)

    def _cached(self, tenant: str, revision: int) -> Catalog | None:
        with self._lock:
            if catalog := self._snapshots.get((tenant, revision)):
                self._snapshots.move_to_end((tenant, revision))
            return catalog

    def _loaded(self, connection: Connection, tenant: str, revision: int) -> Catalog:
        """Brings the nearest earlier snapshot forward."""
        with self._lock:
            earlier = [known for of, known in self._snapshots if of == tenant and known < revision]
            base = self._snapshots[tenant, max(earlier)] if earlier else Catalog.empty(tenant)
        rows = connection.execute(_versions_between(tenant, base.revision, revision))
        catalog = base.advanced(revision, _versions(rows))
        with self._lock:
            self._snapshots[tenant, revision] = catalog
            while len(self._snapshots) > _SNAPSHOTS_MAX:
                self._snapshots.popitem(last=False)
        return catalog


def _newest_revision(connection: Connection, tenant: str) -> int:
    found = connection.scalar(select(func.max(REVISIONS.c.revision)).where(REVISIONS.c.tenant == tenant))
    return int(found or 0)


def _refused_before_us(connection: Connection, tenant: str) -> int:
    found = connection.scalar(select(EVENT_FENCES.c.refused_before_us).where(EVENT_FENCES.c.tenant == tenant))
    return int(found or 0)


def _versions_between(tenant: str, after: int, revision: int) -> Select[Any]:
    """The newest version of each resource made in (after, revision], in order; of a plan all versions, since
    a price's version comes from its history.
    """
    columns = RESOURCES.c
    within = and_(columns.tenant == tenant, columns.revision > after, columns.revision <= revision)
    newest = (
        select(columns.kind, columns.id, func.max(columns.version).label("version"))
        .where(within)
        .group_by(columns.kind, columns.id)
        .subquery()
    )
    same = and_(columns.kind == newest.c.kind, columns.id == newest.c.id)
    return (
        select(columns.kind, columns.id, columns.version, columns.revision, columns.definition)
        .join(newest, same)
        .where(within, or_(columns.kind == "plan", columns.version == newest.c.version))
        .order_by(columns.revision, columns.position)
    )


def _versions(rows: Iterable[Row[Any]]) -> Iterator[Versioned[Resource]]:
    for row in rows:
        try:
            resource = read_definition(row.kind, row.definition)
        except ResourceError as error:
            raise MeterlineError(
                f"the catalog store holds a {row.kind} that this version can't read ({row.id!r}, version "
                f"{row.version}): {error}; start the version that wrote it"
            ) from error
        yield Versioned(resource, row.version, row.revision)


def _compare(document: Document, catalog: Catalog) -> tuple[tuple[ResourceChange, ...], int]:
    """What the document changes in the catalog, in the document's order, and how many it doesn't."""
    changes: list[ResourceChange] = []
    resources = document.resources(catalog)
    for resource in resources:
        before = catalog.of_kind(resource.kind).get(resource.id)
        if before is not None and before.resource == resource:
            continue
        # Of a new resource every field is new: its definition says them.
        fields = differences(fields_of(before.resource), fields_of(resource)) if before else ()
        version = before.version + 1 if before else 1
        changes.append(ResourceChange(resource.kind, resource.id, version, fields, definition(resource)))
    return tuple(changes), len(resources) - len(changes)


def _rows(
    tenant: str, revision: int, applied_at: str, changes: tuple[ResourceChange, ...]
) -> Iterator[dict[str, object]]:
    for position, change in enumerate(changes):
        yield {
            "tenant": tenant,
            "kind": change.kind,
            "id": change.id,
            "version": change.version,
            "revision": revision,
            "position": position,
            "definition": change.definition,
            "applied_at": applied_at,
        }


def _rfc3339(instant: datetime) -> str:
    if instant.tzinfo is None:
        raise ValueError("applied_at must be an aware datetime")
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
