"""What uses a resource: whatever refers to it, of any kind."""

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from engine.catalog.documents.references import references_of
from engine.catalog.kinds import KINDS, json_text
from engine.catalog.snapshots.snapshot import Catalog


class User(NamedTuple):
    """What refers to something."""

    kind: str
    id: str


def users_of(kind: str, resource_id: str, catalog: Catalog) -> Iterator[User]:
    """In the order of the kinds, each resource once; one that refers to itself is no user."""
    for each in KINDS.values():
        last = None
        for user_id, fields in _candidates(each.kind, resource_id, catalog):
            found = (to == kind and given == resource_id for _, to, given in references_of(each, fields))
            user = User(each.kind, user_id)
            if any(found) and user not in (last, (kind, resource_id)):
                yield user
                last = user


def _candidates(kind: str, resource_id: str, catalog: Catalog) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Resources of a kind whose definitions may name the id."""
    in_columns = {each.kind: each for each in (catalog.customers, catalog.subscriptions)}
    if kind in in_columns:
        for stored in in_columns[kind].holding(json_text(resource_id)):
            yield stored.id, json.loads(stored.definition)
    elif kind == "plan":
        for key, versions in catalog.plan_versions.items():
            # Subscriptions have earlier versions, too.
            for each in versions.versions:
                yield key, each.resource.to_fields()
    else:
        for key, versioned in catalog.of_kind(kind).items():
            yield key, versioned.resource.to_fields()
