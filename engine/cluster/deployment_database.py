"""A deployment that lives in its catalog's PostgreSQL database: gateways on any machine, no directory.

The database says what a data directory says otherwise: to which usage store it belongs, in which form, under which key
the secrets of API keys are hashed; and it has the locks (engine.cluster.database_locks).

Rules:
1. A database belongs to one deployment for ever. Its identity is drawn once, and the usage store knows it, too: in a
   table of the server, or in the file of the data directory that holds an embedded one (`claim`).
2. The form is written when both stores are there: with it, no older engine opens them.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from engine.cluster.database_locks import DatabaseLocks
from engine.cluster.deployment import EMBEDDED, FORMAT
from engine.errors import StartupError, StoreUnavailableError
from engine.sql.database import Database, on_one_line
from engine.sql.schema import DEPLOYMENT

# The form of a usage store that is not in a data directory.
SERVER = "server"
# In the place of a form: a backup is being restored, or its restore broke off.
RESTORING = 0


@dataclass(frozen=True, slots=True)
class DeploymentDatabase:
    """`shown` is the address of the database without user and password."""

    database: Database
    locks: DatabaseLocks
    shown: str
    usage_store: str
    alone: bool
    directory: Path | None = None
    admin_key_file: Path | None = None

    @property
    def gateways(self) -> DatabaseLocks:
        return self.locks

    @property
    def hash_key(self) -> "DatabaseHashKey":
        return DatabaseHashKey(self.database, self.shown)

    def identity(self, new_identity: str) -> str:
        with _at_start(self.shown), self.database.writing() as connection:
            return claim(connection, self.shown, SERVER, new_identity)

    def mark_restoring(self) -> None:
        """Until `mark_complete` nobody else opens it."""
        with _at_start(self.shown), self.database.writing() as connection:
            connection.execute(update(DEPLOYMENT).values(format=RESTORING))

    def mark_complete(self) -> None:
        with _at_start(self.shown), self.database.writing() as connection:
            connection.execute(update(DEPLOYMENT).values(format=FORMAT))


@dataclass(frozen=True, slots=True)
class DatabaseHashKey:
    """The key of hashes in the row of the deployment, which `identity` has made."""

    database: Database
    shown: str

    def read(self) -> str | None:
        with _at_start(self.shown), self.database.reading() as connection:
            kept: str | None = connection.execute(select(DEPLOYMENT.c.api_keys_hash_key)).scalar_one()
            return kept

    def write(self, key_hex: str) -> None:
        with _at_start(self.shown), self.database.writing() as connection:
            connection.execute(update(DEPLOYMENT).values(api_keys_hash_key=key_hex))


def claim(connection: Connection, shown: str, usage_store: str, identity: str) -> str:
    """Makes the database belong to the deployment of this identity and form of usage store, unless it has an owner;
    its identity then.

    Raises:
        StartupError: its owner has another form of usage store, or was written by a newer Meterline.
    """
    kept = kept_deployment(connection)
    if kept is None:
        row = {"id": 1, "identity": identity, "format": FORMAT, "usage_store": usage_store}
        connection.execute(insert(DEPLOYMENT).values(row))
        return identity
    if kept.format == RESTORING:
        raise StartupError(
            f"{shown}: a backup is being restored there, or its restore broke off: wait, or make the database anew and "
            "restore again"
        )
    if kept.format > FORMAT:
        raise StartupError(
            f"{shown}: belongs to a newer Meterline (format {kept.format}; this one reads {FORMAT}): upgrade "
            "Meterline, or name another database with --catalog-store"
        )
    if kept.usage_store != usage_store:
        how = "without --usage-store" if kept.usage_store == EMBEDDED else "with --usage-store"
        raise StartupError(
            f"{shown}: belongs to another usage store ({kept.usage_store}): start {how}, or name another database "
            "with --catalog-store"
        )
    return str(kept.identity)


def claim_for_directory(database: Database, shown: str, identity: str) -> None:
    """Makes the database belong to the data directory of this identity, whose usage store is embedded.

    Raises:
        StartupError: it belongs to another one.
    """
    with _at_start(shown), database.writing() as connection:
        if claim(connection, shown, EMBEDDED, identity) != identity:
            raise StartupError(
                f"{shown}: belongs to another data directory: name that one with --data, or another database with "
                "--catalog-store"
            )


def open_deployment_database(
    database: Database, locks: DatabaseLocks, shown: str, usage_store: str
) -> DeploymentDatabase:
    """The deployment of this database, whose usage store is a server; its lock START is held meanwhile.

    Raises:
        StartupError: the database does not answer.
    """
    with _at_start(shown):
        return DeploymentDatabase(database, locks, shown, usage_store, alone=not locks.others_live)


def kept_deployment(connection: Connection) -> Row[Any] | None:
    """The row of the deployment that the database belongs to."""
    return connection.execute(select(DEPLOYMENT)).one_or_none()


@contextlib.contextmanager
def _at_start(shown: str) -> Iterator[None]:
    try:
        yield
    except StoreUnavailableError as error:
        raise StartupError(f"{shown}: {error}") from error
    except SQLAlchemyError as error:
        raise StartupError(f"{shown}: {on_one_line(error)}") from error
