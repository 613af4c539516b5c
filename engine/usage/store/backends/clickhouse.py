"""The driver of ClickHouse, for the embedded one (chDB) and for a server over HTTP; nothing else imports it.

Its clients, and its errors as errors of the tree, in one line.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.exceptions import Error as DriverError
from clickhouse_connect.driver.external import ExternalData
from clickhouse_connect.driver.httputil import get_pool_manager
from urllib3.exceptions import TimeoutError as Urllib3TimeoutError

from engine.errors import RollupMovedError, StartupError, StoreUnavailableError
from engine.usage.store.backends.server_address import ServerAddress
from engine.usage.store.tables.settings import EMBEDDED_OPTIONS

__all__ = [
    "Client",
    "ExternalData",
    "check_version",
    "connecting",
    "embedded_client",
    "inserting",
    "opening",
    "reading",
    "server_client",
]

_RETRY_AFTER_MS = 1_000
# What a read answers that found a row which it must not pass over (engine.usage.rollups.read, rule 3).
_THROW_IF_CODE = 395
# The oldest release line that is still mended; nothing older was ever tried.
_SERVER_VERSION_MIN = (25, 8)
# What ClickHouse answers when user or password are wrong (REQUIRED_PASSWORD, AUTHENTICATION_FAILED and kin).
_REFUSED_USER_CODES = {192, 193, 194, 516}
_NOT_ALLOWED_CODE = 497
# From where on an error repeats what was asked, which is nobody's business.
_STATEMENT = re.compile(
    # Statements are in capitals; "this insert was called off" is none.
    r"[:.]?\s*(?:(?i:\(?in query\b|in scope\b|while (?:executing|processing)\b)|\b(?:SELECT|INSERT|ALTER|CREATE|WITH|DELETE)\b)"
)
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def embedded_client(path: Path, database: str | None = None) -> Client:
    """One more connection to the store in this process."""
    return clickhouse_connect.get_client(
        interface="chdb", path=str(path), database=database, chdb_options=EMBEDDED_OPTIONS
    )


def server_client(address: ServerAddress, database: str | None, timeout_s: int) -> Client:
    """`timeout_s`: after which the server itself ends what this client asks."""
    return clickhouse_connect.get_client(
        interface=address.interface,
        host=address.host,
        port=address.port,
        username=address.user,
        password=address.password,
        database=database,
        connect_timeout=address.patience.connect_timeout_s,
        send_receive_timeout=timeout_s + address.patience.answer_margin_s,
        # A session would be lost with a server that restarts, and allow one query at a time across all gateways.
        autogenerate_session_id=False,
        # Version and address of the server are no business of whoever sees an error.
        show_clickhouse_errors="scrub",
        client_name="meterline",
        # A proxy of the environment has no way to this machine's own loopback.
        pool_mgr=get_pool_manager() if address.host in _LOOPBACK else None,
    )


@contextlib.contextmanager
def opening(path: Path) -> Iterator[None]:
    """What goes wrong inside keeps the engine from starting with the embedded store of this directory."""
    try:
        yield
    except StoreUnavailableError as error:
        raise StartupError(f"{path}: {error}") from error
    except (ClickHouseError, OSError) as error:
        raise StartupError(
            f"{path}: the usage store can't be opened: {_first_line(error)}. "
            "Restore the directory from a backup, or choose another with --data"
        ) from error


@contextlib.contextmanager
def connecting(address: ServerAddress) -> Iterator[None]:
    """What goes wrong inside keeps the engine from starting with the server of this address."""
    try:
        yield
    except (ClickHouseError, OSError) as error:
        code = error.code if isinstance(error, DriverError) else None
        raise _start_problem(address, code, error) from error


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Raises StoreUnavailableError for what the driver raises inside."""
    try:
        yield
    except (ClickHouseError, OSError) as error:
        if isinstance(error, DriverError) and error.code == _THROW_IF_CODE:
            raise RollupMovedError(_first_line(error), retry_after_ms=_RETRY_AFTER_MS) from error
        raise StoreUnavailableError(
            f"the usage store refused a read: {_first_line(error)}", retry_after_ms=_RETRY_AFTER_MS
        ) from error


@contextlib.contextmanager
def inserting() -> Iterator[None]:
    """Raises StoreUnavailableError for what the driver raises inside."""
    try:
        yield
    except (ClickHouseError, OSError) as error:
        raise StoreUnavailableError(
            f"the usage store refused an insert: {_first_line(error)}", retry_after_ms=_RETRY_AFTER_MS
        ) from error


def _start_problem(address: ServerAddress, code: int | None, error: Exception) -> StartupError:
    """Why the server of this address can't be used, by the code of its answer (None: it gave none)."""
    if code in _REFUSED_USER_CODES:
        what = f"refuses user {address.user!r}: check user and password"
    elif code == _NOT_ALLOWED_CODE:
        what = f"doesn't let user {address.user!r} do what is needed: {_first_line(error)}"
    elif code is None:
        what = f"does not answer as a ClickHouse server: {_first_line(error)}. Is it running, and is this its HTTP port?"
    else:
        what = f"can't be used: {_first_line(error)}"
    return StartupError(f"{address.shown}: the usage store {what}")


def check_version(address: ServerAddress, version: str | None) -> None:
    if version is None or tuple(int(part) for part in version.split(".")[:2]) < _SERVER_VERSION_MIN:
        oldest = ".".join(map(str, _SERVER_VERSION_MIN))
        raise StartupError(f"{address.shown}: is ClickHouse {version}: upgrade it to {oldest} or newer")


def _first_line(error: Exception) -> str:
    """What went wrong, in one line: what the server said, or else why there is no answer."""
    if error.__cause__ is None:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return _STATEMENT.split(line, maxsplit=1)[0][:300]
    causes: list[BaseException] = [error]
    while following := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(following)
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    if any(isinstance(cause, Urllib3TimeoutError | TimeoutError) for cause in causes):
        return "no answer in time"
    return f"the connection broke ({type(error.__cause__).__name__})"
