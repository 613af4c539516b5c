"""Puts the checks of a deployment together, in the order in which an operator looks: each part by its own check."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.app.serving import Options, check_plaintext
from engine.app.stores import Placement
from engine.backup.place import check_place
from engine.cluster.data_directory import DataDirectory, catalog_of, known_identity
from engine.cluster.deployment import EMBEDDED, POSTGRESQL
from engine.cluster.deployment_database import SERVER
from engine.doctor.catalog_store import check_catalog_file, check_owner, check_postgresql, check_shared_order
from engine.doctor.data_directory import check_directory, check_order
from engine.doctor.finding import Finding, ok, told, wrong
from engine.doctor.installation import check_installation
from engine.doctor.secret_files import check_admin_key, check_secret_file
from engine.doctor.tls_files import check_tls_files
from engine.doctor.usage_store import check_directory_owns, check_embedded, check_server, owner_of
from engine.errors import MeterlineError


def examine(options: Options, secret_files: Sequence[Path]) -> Iterator[Finding]:
    """Every finding on a deployment as it is found. `secret_files`: those that the configuration names."""
    yield from told("installation", check_installation())
    yield from told("configuration", _configuration(options))
    for each in secret_files:
        yield from check_secret_file(each)
    if options.admin_key_file is not None:
        yield from told("first API key", check_admin_key(options.admin_key_file))
    if options.tls is not None:
        yield from told("certificate", check_tls_files(options.tls, _now_us()))
    if options.backup_directory is not None:
        yield from told("backups", _backups(options.backup_directory))
    yield from _stores(Placement(options.data.absolute(), options.usage_store, options.catalog_store))


def _configuration(options: Options) -> Iterator[Finding]:
    check_plaintext(options)
    yield ok("configuration", "is valid")


def _backups(directory: Path) -> Iterator[Finding]:
    check_place(directory)
    yield ok("backups", f"{directory}: can be written")


def _stores(placement: Placement) -> Iterator[Finding]:
    data, server, database = placement.data, placement.usage, placement.catalog
    if placement.has_directory:
        if not data.is_dir():
            yield wrong(
                "data directory",
                f"{data}: is not there",
                "name the engine's directory with --data; a first start makes it",
            )
            return
        usage = EMBEDDED if server is None else server.shown
        catalog = EMBEDDED if database is None else POSTGRESQL
        yield from told("data directory", check_directory(data, usage, catalog))
        if server is None:
            yield from told("clock", check_order(data, _now_us()))
    if database is None:
        yield from told("catalog store", _catalog_file(data))
    else:
        yield from told("catalog store", check_postgresql(database.url, database.shown, _now_us))
    # What does not answer was told above.
    with contextlib.suppress(MeterlineError):
        url = catalog_of(data) if database is None else database.url
        shown = url.removeprefix("sqlite:///") if database is None else database.shown
        yield from check_shared_order(url, shown, _now_us())
    if server is None:
        yield from told("usage store", check_embedded(data, DataDirectory(data).usage_path))
    else:
        yield from told("usage store", check_server(server, _now_us))
    # What does not answer was told above.
    with contextlib.suppress(MeterlineError):
        yield from _owner(placement)


def _catalog_file(data: Path) -> Iterator[Finding]:
    url = catalog_of(data)
    yield from check_catalog_file(url, url.removeprefix("sqlite:///"))


def _owner(placement: Placement) -> Iterator[Finding]:
    """Raises MeterlineError if a store does not answer."""
    server, database = placement.usage, placement.catalog
    identity = known_identity(placement.data) if placement.has_directory else None
    if database is not None:
        kind = EMBEDDED if server is None else SERVER
        owner = identity if server is None else owner_of(server)
        yield from check_owner(database.url, database.shown, kind, owner)
    elif server is not None:
        yield from check_directory_owns(server, identity)


def _now_us() -> int:
    return time.time_ns() // 1_000
