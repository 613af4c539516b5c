"""The usage store: ClickHouse in the data directory, as far as no engine has it open, or a server."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from engine.cluster.data_directory import engines_kept_out, process_inside
from engine.doctor.clocks import ClockReading, clock_finding, read_clock
from engine.doctor.data_directory import is_ours_to_open
from engine.doctor.finding import Finding, ok, told, warning, wrong
from engine.errors import StartupError
from engine.usage.store.backends.clickhouse import (
    Client,
    check_version,
    connecting,
    embedded_client,
    opening,
    server_client,
)
from engine.usage.store.backends.server_address import ServerAddress
from engine.usage.store.tables.schema import DATABASE, EVENTS_TABLE, OWNERS_TABLE

_ABOUT: Final = "usage store"
_BROKEN: Final = "SELECT count() FROM system.detached_parts WHERE database = '{}' AND reason LIKE 'broken%'"


def check_embedded(directory: Path, usage_path: Path) -> Iterator[Finding]:
    """One process at a time can open it: an engine that has it open is left alone.

    Raises:
        StartupError: it can't be opened.
    """
    process = process_inside(directory)
    if process is not None:
        yield ok(
            _ABOUT, f"{usage_path}: process {process} has it open: its probe /readyz tells whether it answers"
        )
    elif not usage_path.exists():
        yield warning(_ABOUT, f"{usage_path}: is not there yet", "start an engine")
    elif not is_ours_to_open(directory):
        yield warning(
            _ABOUT,
            f"{usage_path}: was not opened, since it would get files of another user",
            "run doctor as the user that the directory belongs to",
        )
    else:
        with (
            engines_kept_out(directory),
            opening(usage_path),
            contextlib.closing(embedded_client(usage_path)) as client,
        ):
            client.command("SYSTEM STOP MERGES")
            yield from _tables(client, str(usage_path), DATABASE)


def check_server(address: ServerAddress, now_us: Callable[[], int]) -> Iterator[Finding]:
    """Raises StartupError if it does not answer, or refuses the user."""
    with _server(address) as client:
        version = client.server_version
        clock = _clock(client, now_us)
        yield ok(_ABOUT, f"{address.shown}: answers")
        yield from told(_ABOUT, _version(address, version))
        yield clock_finding("ClickHouse", clock)
        if _has_table(client, address.database, EVENTS_TABLE):
            yield from _tables(client, address.shown, address.database)
        else:
            yield warning(
                _ABOUT, f"{address.shown}: has no tables yet", "start an engine; is it the right database?"
            )


def owner_of(address: ServerAddress) -> str | None:
    """The identity of the deployment that a server's database belongs to; None: it has no owner yet.

    Raises:
        StartupError: it does not answer.
    """
    with _server(address) as client:
        if not _has_table(client, address.database, OWNERS_TABLE):
            return None
        found = client.query(
            f"SELECT directory FROM {address.database}.{OWNERS_TABLE} ORDER BY since, directory LIMIT 1"  # noqa: S608 - own names
        ).result_rows
        return str(found[0][0]) if found else None


def check_directory_owns(address: ServerAddress, identity: str | None) -> Iterator[Finding]:
    """Whether a server belongs to the data directory of this identity, which has the catalog store.

    Raises:
        StartupError: it does not answer.
    """
    owner = owner_of(address)
    if owner is None:
        yield warning("deployment", f"{address.shown}: belongs to no deployment yet", "start an engine")
    elif owner != identity:
        yield wrong(
            "deployment",
            f"{address.shown}: belongs to another deployment than the data directory",
            "name the two that belong together: usage_store, data",
        )
    else:
        yield ok("deployment", f"{address.shown}: belongs to the data directory")


@contextlib.contextmanager
def _server(address: ServerAddress) -> Iterator[Client]:
    with (
        connecting(address),
        contextlib.closing(server_client(address, None, address.patience.read_timeout_s)) as client,
    ):
        yield client


def _version(address: ServerAddress, version: str | None) -> Iterator[Finding]:
    check_version(address, version)
    yield ok("ClickHouse", f"is version {version}")


def _clock(client: Client, now_us: Callable[[], int]) -> ClockReading:
    return read_clock(
        lambda: int(client.query("SELECT toUnixTimestamp64Micro(now64(6))").result_rows[0][0]), now_us
    )


def _has_table(client: Client, database: str, table: str) -> bool:
    found = client.query(
        "SELECT 1 FROM system.tables WHERE database = {database:String} AND name = {name:String}",
        {"database": database, "name": table},
    )
    return bool(found.result_rows)


def _tables(client: Client, shown: str, database: str) -> Iterator[Finding]:
    if not _has_table(client, database, EVENTS_TABLE):
        raise StartupError(f"{shown}: has no table of events: restore it from a backup")
    events = int(client.query(f"SELECT count() FROM {database}.{EVENTS_TABLE}").result_rows[0][0])  # noqa: S608 - own names
    yield ok(_ABOUT, f"{shown}: has {events:,} rows of events")
    broken = int(client.query(_BROKEN.format(database)).result_rows[0][0])
    if broken:
        yield wrong(
            _ABOUT,
            f"{shown}: {broken:,} parts are broken and were put aside",
            "compare with a backup before anything is billed: events may be missing",
        )
    else:
        yield ok(_ABOUT, f"{shown}: no part is broken")
