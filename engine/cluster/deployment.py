"""A deployment: the engines that work on the same two stores, and what they share besides these.

Where it lives depends on its catalog store: beside SQLite in a data directory (engine.cluster.data_directory), which is
on one machine, and beside PostgreSQL in that database (engine.cluster.deployment_database), which any machine reaches.
"""

import contextlib
from pathlib import Path
from typing import Protocol

from engine.cluster.locks import Locks

EMBEDDED = "embedded"
# Of a catalog store that is not in the data directory.
POSTGRESQL = "postgresql"
# 1: events without a hash of their properties in the sorting key, always embedded. 2: with it, and voids.
# 3: corrections, whose replacements an older engine would not count. 4: stamps of events as ranks alone, which an older
# one would not know how to insert.
FORMAT = 4


class Gateways(Protocol):
    """Which gateways live."""

    def joined(self, gateway: str) -> contextlib.AbstractContextManager[None]:
        """This process lives under this id, drawn anew at every start, while the block runs."""

    def is_dead(self, gateway: str) -> bool:
        """Certain if True; also False when it can't be told."""

    def forget_dead(self) -> None:
        """Removes what killed gateways left."""


class HashKeyPlace(Protocol):
    """Where the key is kept under which the secrets of API keys are hashed. It is not in the log, nor in an answer."""

    @property
    def shown(self) -> str: ...

    def read(self) -> str | None:
        """In hex; None if there was never one. Raises StartupError."""

    def write(self, key_hex: str) -> None:
        """Makes it durable. Raises StartupError."""


class Deployment(Protocol):
    """One that is open. `alone`: nobody else had it open when it was opened."""

    @property
    def shown(self) -> str:
        """Where it lives, for people."""

    @property
    def directory(self) -> Path | None:
        """The data directory, if there is one."""

    @property
    def usage_store(self) -> str:
        """EMBEDDED, or the address of the server."""

    @property
    def alone(self) -> bool: ...

    @property
    def locks(self) -> Locks: ...

    @property
    def gateways(self) -> Gateways: ...

    @property
    def hash_key(self) -> HashKeyPlace: ...

    @property
    def admin_key_file(self) -> Path | None:
        """Where a first start writes an API key; None: the operator brings one."""

    def identity(self, new_identity: str) -> str:
        """Under which name it is known to its usage store; `new_identity` if it has none yet.

        Raises:
            StartupError: it can't be read or written.
        """

    def mark_complete(self) -> None:
        """Both stores are there, in today's form: from now on they must be, and no older engine opens them."""
