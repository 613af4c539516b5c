"""Changes of one resource: created, updated field by field, archived, deleted. Pure: a catalog in, what to change out.

    create("customer", {"id": "acme", "name": "Acme"}, at, catalog)
    update("customer", "acme", {"metadata": {"team": "eu"}}, ("metadata.team",), "", at, catalog)
    end("customer", "acme", "delete", "", at, catalog)

1. What is created or updated passes the checks of a document that has this one resource.
2. An update without a mask sets the fields that are given, null removes one. With a mask each path is set to what is
   given, or removed where nothing is; "*" replaces everything. A path may lead into mappings, not into lists.
3. Only what nothing uses is archived or deleted. A subscription that has begun is part of what was billed: it can't be
   deleted, and is archived once it has ended. One with fees in advance isn't: what it didn't run for is given back to it.
4. An update brings an archived resource back. A deleted one is gone: its id can be created anew, with later versions.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from engine.catalog.documents.changes import Changes, ResourceChange
from engine.catalog.kinds import KINDS, definition
from engine.catalog.kinds.resource import Resource
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.single.checked_changes import checked_changes
from engine.catalog.single.etags import check_etag
from engine.catalog.single.uses import users_of
from engine.catalog.snapshots.ended_resources import EndedResource
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.stored_resources import StoredVersion
from engine.catalog.snapshots.versions import ResourceState
from engine.errors import (
    AlreadyExistsError,
    FieldMistake,
    InUseError,
    InvalidRequestError,
    NotFoundError,
)
from fields import declaration, did_you_mean

# What a mask may name as a whole.
EVERYTHING: Final = "*"
_USERS_SHOWN_MAX: Final = 3


def kind_of(name: str) -> type[Resource]:
    """Raises InvalidRequestError."""
    if name not in KINDS:
        raise InvalidRequestError(FieldMistake("kind", f"{name[:64]!r} is none: it is {', '.join(KINDS)}"))
    return KINDS[name]


def find(kind: str, resource_id: str, catalog: Catalog) -> StoredVersion | EndedResource:
    """A resource as it is, or as it was archived.

    Raises:
        NotFoundError: there is none, or it was deleted.
    """
    known = catalog.of_kind(kind_of(kind).kind).get(resource_id)
    if known is not None:
        return StoredVersion(kind, resource_id, known.version, definition(known.resource))
    ended = catalog.ended.get((kind, resource_id))
    if ended is not None and ended.state == ResourceState.ARCHIVED:
        return ended
    called = f"the {kind} {resource_id[:128]!r}"
    if ended is not None:
        raise NotFoundError(f"{called} was deleted; its versions are still listed")
    hint = did_you_mean(resource_id, catalog.of_kind(kind)) if len(catalog.of_kind(kind)) <= 1_000 else ""
    raise NotFoundError(f"{called} is not in the catalog{hint}")


def create(kind: str, fields: Mapping[str, Any], at: datetime, catalog: Catalog) -> Changes:
    """Raises AlreadyExistsError, InvalidRequestError."""
    resource_id = kind_of(kind).id_in(fields)
    if resource_id is not None:
        if resource_id in catalog.of_kind(kind):
            raise AlreadyExistsError(
                f"there is a {kind} {resource_id!r} already: update it, or give another id"
            )
        ended = catalog.ended.get((kind, resource_id))
        if ended is not None and ended.state == ResourceState.ARCHIVED:
            raise AlreadyExistsError(
                f"the {kind} {resource_id!r} is archived: update it to bring it back, or give another id"
            )
    return _checked(kind, resource_id, fields, at, catalog)


def update(
    kind: str,
    resource_id: str,
    fields: Mapping[str, Any],
    mask: Sequence[str],
    etag: str,
    at: datetime,
    catalog: Catalog,
) -> Changes:
    """Raises NotFoundError, StaleError, InvalidRequestError."""
    before = find(kind, resource_id, catalog)
    check_etag(etag, kind, resource_id, before.version)
    if fields.get("id", resource_id) != resource_id:
        raise InvalidRequestError(FieldMistake("id", f"can't change: it is {resource_id!r}"))
    after: dict[str, Any] = json.loads(before.definition)
    if EVERYTHING in mask:
        after = dict(fields)
    elif mask:
        for path in mask:
            _set(after, path, fields, kind_of(kind))
    else:
        after |= fields
    after = {name: value for name, value in after.items() if value is not None} | {"id": resource_id}
    return _checked(kind, resource_id, after, at, catalog)


def end(
    kind: str,
    resource_id: str,
    action: Literal["archive", "delete"],
    etag: str,
    at: datetime,
    catalog: Catalog,
) -> Changes:
    """Raises NotFoundError, StaleError, InUseError. Archiving what is archived changes nothing."""
    before = find(kind, resource_id, catalog)
    check_etag(etag, kind, resource_id, before.version)
    archived = isinstance(before, EndedResource)
    if archived and action == "archive":
        return Changes((), 1)
    if not archived:
        _check_unused(kind, resource_id, action, catalog)
    resource = KINDS[kind].read(json.loads(before.definition))
    if isinstance(resource, Subscription):
        _check_not_billed(resource, before.version, action, at, catalog)
    change = ResourceChange(action, kind, resource_id, before.version + 1, (), before.definition)
    return Changes((change,), 0)


def _check_unused(kind: str, resource_id: str, action: str, catalog: Catalog) -> None:
    users = []
    for user in users_of(kind, resource_id, catalog):
        users.append(f"{user.kind} {user.id!r}")
        if len(users) > _USERS_SHOWN_MAX:
            users[-1] = "others"
            break
    if users:
        raise InUseError(
            f"the {kind} {resource_id!r} can't be {action}d: it is used by {', '.join(users)}; "
            "end those, or let them use another, first"
        )


def _check_not_billed(
    subscription: Subscription, version: int, action: str, at: datetime, catalog: Catalog
) -> None:
    # One that was changed before may have begun earlier, and been invoiced.
    in_advance = _has_fees_in_advance(subscription, catalog)
    if subscription.start > at and not (in_advance and version > 1):
        return
    if action == "delete":
        raise InUseError(
            f"the subscription {subscription.id!r} can't be deleted: it has been billed since its start; "
            "give it an end, and archive it after that"
        )
    if subscription.end is None or subscription.end > at:
        raise InUseError(
            f"the subscription {subscription.id!r} can't be archived while it runs: give it an end, and archive "
            "it after that"
        )
    if in_advance:
        raise InUseError(
            f"the subscription {subscription.id!r} can't be archived: its fees are invoiced in advance, and what of them it "
            "didn't run for is given back to it"
        )
    if catalog.credit_grants_of.get(subscription.customer):
        raise InUseError(
            f"the subscription {subscription.id!r} can't be archived: what it cost was paid by credit of "
            f"{subscription.customer!r}, which would be there again"
        )


def _has_fees_in_advance(subscription: Subscription, catalog: Catalog) -> bool:
    """Whether its terms may have some at any time."""
    columns = catalog.subscription_columns
    row = columns.row_from(subscription.customer, subscription.id)
    if row == len(columns) or columns.subscription_id[row].as_py() != subscription.id:
        return False
    return bool(catalog.advance_terms[columns.terms_of(row)].any())


def _set(after: dict[str, Any], path: str, fields: Mapping[str, Any], kind: type[Resource]) -> None:
    """Sets what stands at a path to what is given there."""
    first, *inner = path.split(".", 1)
    names = declaration(kind).names
    if first not in names or first == "id":
        hint = did_you_mean(first, names)
        raise InvalidRequestError(
            FieldMistake("update_mask", f"{path[:128]!r} is no field of a {kind.kind} that can change{hint}")
        )
    given = fields.get(first)
    if not inner:
        after[first] = given
        return
    before = after.get(first)
    if not isinstance(before or {}, dict) or not isinstance(given or {}, Mapping):
        raise InvalidRequestError(
            FieldMistake("update_mask", f"{path[:128]!r} leads into what is no mapping: name {first!r}")
        )
    # What is in a mapping may have points in its name: the rest is one name.
    name = inner[0]
    changed = {key: value for key, value in (before or {}).items() if key != name}
    if given is not None and given.get(name) is not None:
        changed[name] = given[name]
    after[first] = changed


def _checked(
    kind: str, resource_id: str | None, fields: Mapping[str, Any], at: datetime, catalog: Catalog
) -> Changes:
    def field(place: str) -> str:
        """As the caller of one resource knows it: "customers.acme.name" -> "name"."""
        place = place.removeprefix(KINDS[kind].section)
        for called in (f".{resource_id}", "[0]"):
            if place.startswith(called):
                place = place.removeprefix(called)
                break
        return place.removeprefix(".") or kind

    return checked_changes(kind, [fields], at, catalog, field)
