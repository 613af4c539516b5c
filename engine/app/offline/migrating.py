"""Brings a catalog store to the schema of this version before any engine of it starts."""

from pathlib import Path

from engine.cluster.data_directory import catalog_of
from engine.sql.catalog_address import CatalogAddress
from engine.sql.database import SchemaVersions, open_database, schema_versions


def migrate(data: Path, address: CatalogAddress | None, *, dry_run: bool) -> tuple[str, SchemaVersions]:
    """Where the catalog store is, and its schema as it was found. A dry run changes nothing.

    Raises:
        StartupError: there is none, it can't be used, or a newer Meterline wrote it.
    """
    url = catalog_of(data) if address is None else address.url
    found = schema_versions(url)
    if not dry_run and found.found != found.current:
        open_database(url).close()
    return (str(data) if address is None else address.shown), found
