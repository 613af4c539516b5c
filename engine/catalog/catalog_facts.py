"""What the outbox says of a write to the catalog. Pure.

1. One fact is about the whole write, however many resources it changed: it names the revision, of which the catalog keeps
   every change for ever, so whoever reads the fact finds the changes there.
2. A write of at most CHANGES_TOLD_MAX changes is told change by change as well, before that. More are an import, which
   would be as many messages; a fact for each change made an apply of 100,000 resources a sixth slower.
3. A change of a kind that has no types of facts is told by the one about the whole write alone.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Final

from engine.catalog.documents.changes import Action, Changes, ResourceChange
from engine.catalog.kinds import customer_of
from engine.outbox.fact_types import FactType
from engine.outbox.facts import Fact
from fields import Json

CHANGES_TOLD_MAX: Final = 100
_HAPPENED: Final[dict[Action, str]] = {
    "create": "created",
    "update": "changed",
    "archive": "archived",
    "delete": "deleted",
}


_FACT_TYPES: Final = frozenset(FactType)


def catalog_facts(changes: Changes, revision: int) -> list[Fact]:
    """Of the write that made a revision, in the order of its changes."""
    found = changes.changes
    told = found if len(found) <= CHANGES_TOLD_MAX else ()
    counts = Counter((each.kind, each.action) for each in found)
    named: dict[str, Json] = {
        f"{kind}.{_HAPPENED[action]}": count for (kind, action), count in counts.items()
    }
    return [
        *(
            Fact(of, each.kind, each.id, dict(_payload(each, revision)))
            for each in told
            if (of := _fact_type(each)) is not None
        ),
        Fact(FactType.CATALOG_CHANGED, "catalog", "catalog", {"revision": revision, "changes": named}),
    ]


def _fact_type(change: ResourceChange) -> FactType | None:
    # FieldChange.before is empty where there was no such field.
    if change.kind == "subscription" and any(
        each.path == "end" and not each.before for each in change.fields
    ):
        return FactType.SUBSCRIPTION_CANCELED
    name = f"{change.kind}.{_HAPPENED[change.action]}"
    return FactType(name) if name in _FACT_TYPES else None


def _payload(change: ResourceChange, revision: int) -> Iterator[tuple[str, Json]]:
    yield "id", change.id
    yield "version", change.version
    yield "revision", revision
    if customer := customer_of(change.kind, json.loads(change.definition)):
        yield "customer_id", customer
    if change.fields:
        # Without what is below them: keys of metadata are people's own.
        yield "changed_fields", [*sorted({each.path.partition(".")[0] for each in change.fields})]
