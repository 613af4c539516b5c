"""What revisions changed, read back from the store: of one revision, or of one resource from its newest version on."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, select

from engine.catalog.documents.changes import Action, ResourceChange, differences
from engine.catalog.snapshots.versions import ResourceState
from engine.sql.schema import RESOURCES, REVISIONS

_BEFORE = RESOURCES.alias("before")
_ENDS: dict[str, Action] = {ResourceState.ARCHIVED: "archive", ResourceState.DELETED: "delete"}


@dataclass(frozen=True, slots=True)
class ResourceVersion:
    """One version of a resource: what it changed, in which revision, when, and whose credential made it (empty if that
    was not kept yet).
    """

    change: ResourceChange
    revision: int
    changed_at: datetime
    changed_by: str


def changes_of(connection: Connection, tenant: str, revision: int) -> tuple[ResourceChange, ...]:
    """What a revision changed, in its order."""
    query = _with_before(RESOURCES.c.tenant == tenant, RESOURCES.c.revision == revision)
    return tuple(map(_change, connection.execute(query.order_by(RESOURCES.c.position))))


def versions_of(
    connection: Connection, tenant: str, kind: str, resource_id: str, before: int | None, count: int
) -> Sequence[ResourceVersion]:
    """The versions of a resource, the newest first; those before the version `before`."""
    columns = RESOURCES.c
    wanted = [columns.tenant == tenant, columns.kind == kind, columns.id == resource_id]
    if before is not None:
        wanted.append(columns.version < before)
    query = _with_before(*wanted).order_by(columns.version.desc()).limit(count)
    return list(_versions(connection.execute(query)))


def definitions_between(
    connection: Connection, tenant: str, after: int, revision: int
) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """The kind, revision and fields of what the revisions in (after, revision] made, archived or deleted, in no order."""
    columns = RESOURCES.c
    query = select(columns.kind, columns.revision, columns.definition).where(
        columns.tenant == tenant, columns.revision > after, columns.revision <= revision
    )
    for row in connection.execute(query.execution_options(yield_per=10_000)):
        yield row.kind, row.revision, json.loads(row.definition)


def version_at(
    connection: Connection, tenant: str, kind: str, resource_id: str, revision: int
) -> ResourceChange | None:
    """What made the version that a resource had at a revision; None if it had none yet."""
    columns = RESOURCES.c
    query = _with_before(
        columns.tenant == tenant,
        columns.kind == kind,
        columns.id == resource_id,
        columns.revision <= revision,
    )
    found = connection.execute(query.order_by(columns.version.desc()).limit(1)).one_or_none()
    return None if found is None else _change(found)


def _with_before(*wanted: ColumnElement[bool]) -> Select[Any]:
    """Versions with the definition and state of the ones before them, and with their revisions."""
    columns, before, revisions = RESOURCES.c, _BEFORE.c, REVISIONS.c
    same = [before[name] == columns[name] for name in ("tenant", "kind", "id")]
    return (
        select(
            *(columns.kind, columns.id, columns.version, columns.revision),
            *(columns.definition, columns.state),
            before.definition.label("definition_before"),
            before.state.label("state_before"),
            *(revisions.applied_at, revisions.changed_by),
        )
        .select_from(
            RESOURCES.join(
                REVISIONS, and_(revisions.tenant == columns.tenant, revisions.revision == columns.revision)
            ).outerjoin(_BEFORE, and_(*same, before.version == columns.version - 1))
        )
        .where(*wanted)
    )


def _versions(rows: Iterator[Row[Any]]) -> Iterator[ResourceVersion]:
    for row in rows:
        yield ResourceVersion(
            _change(row), row.revision, datetime.fromisoformat(row.applied_at), row.changed_by
        )


def _change(row: Row[Any]) -> ResourceChange:
    update = row.state == ResourceState.ACTIVE and row.state_before == ResourceState.ACTIVE
    action = _ENDS.get(row.state, "update" if update else "create")
    fields = differences(json.loads(row.definition_before), json.loads(row.definition)) if update else ()
    return ResourceChange(action, row.kind, row.id, row.version, fields, row.definition)
