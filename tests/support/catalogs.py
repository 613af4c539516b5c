"""Catalogs made of resources, without a document and a store."""

from collections.abc import Iterable

import pyarrow as pa

from engine.catalog.kinds import definition
from engine.catalog.kinds.resource import Resource
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import VERSION_ROWS, Versioned, Versions


def versions_of(versions: Iterable[Versioned[Resource]]) -> Versions:
    """As a store would read them back."""
    rows = [
        {
            "kind": each.resource.kind,
            "id": each.resource.id,
            "version": each.version,
            "revision": each.revision,
            "position": position,
            "definition": definition(each.resource),
        }
        for position, each in enumerate(versions)
    ]
    return Versions.read(pa.Table.from_pylist(rows, schema=VERSION_ROWS))


def catalog_of(resources: Iterable[Resource]) -> Catalog:
    """The tenant "t" with the first version of each."""
    return Catalog.empty("t").advanced(1, versions_of(Versioned(each, 1, 1) for each in resources))
