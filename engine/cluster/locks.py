"""Locks that one holder of a deployment has at a time, by name; files in a data directory, or a database's.

Rules:
1. Whoever holds a lock loses it when its process ends, however it ends, and needs to do nothing for it.
2. A lock may also be lost while its holder lives, where it depends on a connection. What is done under it stays right
   if two do it at once; the lock keeps them from doing so in vain. Who does much, asks in between (`check_turn`).
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.errors import StartupError, StoreUnavailableError

# Settles reused ids (engine.usage.corrections.reconciler).
RECONCILER = "reconciler"
# Watches the writes of an embedded store (engine.usage.store.backends.write_watch).
DISK_WATCH = "disk_watch"
# Keeps rollups up (engine.upkeep.rollup_keeper).
ROLLUPS = "rollups"
# Writes rollups: that engine during a pass, and whoever has usage expire.
ROLLUPS_TURN = "rollups_turn"
# Posts facts to webhook endpoints (engine.outbox.webhooks.deliverer).
WEBHOOKS = "webhooks"
# Tells what has become overdue (engine.billing.receivables.overdue).
OVERDUE = "overdue"
# Measures what alerts are about (engine.spend.alerts.alert_pass).
ALERTS = "alerts"
# Grants credit by rules (engine.spend.top_ups.top_up_pass).
TOP_UPS = "top_ups"
# Ends reservations whose time is over, and finishes their commits (engine.entitlements.reservations).
RESERVATIONS = "reservations"
# Closes billing periods by itself (engine.billing.automatic.automatic_close).
AUTOMATIC_CLOSE = "automatic_close"
# Bills usage and fees in advance of running periods by itself (engine.billing.automatic.part_watch).
PART_WATCH = "part_watch"
# Reconciles closed periods (engine.billing.reconciliation.daily_reconciliation).
BILLING_CHECK = "billing_check"
# Starts: one gateway after the other.
START = "start"
_POLL_S = 0.05
# Another gateway's start takes a second or two; one that waits for its store gives up within this.
_START_TIMEOUT_S = 60
_TURN_RETRY_AFTER_MS = 30_000
_LOST_RETRY_AFTER_MS = 1_000


class Hold(Protocol):
    """A lock that was got."""

    def is_held(self) -> bool: ...

    def release(self) -> None: ...


class Locks(Protocol):
    """The locks of one deployment."""

    def try_hold(self, name: str) -> Hold | None:
        """None: somebody else holds it, in this process or another.

        Raises:
            StartupError: the directory can't be written.
            StoreUnavailableError: the database does not answer.
        """


@dataclass(frozen=True, slots=True)
class FileLocks:
    """DIR/NAME.lock, locked by its holder; the kernel lets go when the process ends."""

    directory: Path

    def try_hold(self, name: str) -> "FileHold | None":
        hold = FileHold(open_lock_file(self.directory / f"{name}.lock"))
        if take(hold.descriptor, fcntl.LOCK_EX):
            return hold
        hold.release()
        return None


@dataclass(frozen=True, slots=True)
class FileHold:
    descriptor: int

    def is_held(self) -> bool:
        return True

    def release(self) -> None:
        os.close(self.descriptor)


@contextlib.contextmanager
def rollups_turn(locks: Locks, patience_s: int) -> Iterator[Hold]:
    """Only one at a time writes rollups, of all threads and gateways.

    Raises:
        StoreUnavailableError: somebody else does, for longer than `patience_s`.
    """
    with _held(locks, ROLLUPS_TURN, patience_s) as hold:
        if hold is None:
            raise StoreUnavailableError(
                "rollups are being written by somebody else, an expiry or upkeep: try again later",
                retry_after_ms=_TURN_RETRY_AFTER_MS,
            )
        yield hold


def check_turn(hold: Hold) -> None:
    """Of whoever has the turn of rollups, before each step that must not be two's.

    Raises:
        StoreUnavailableError: it was lost.
    """
    if not hold.is_held():
        raise StoreUnavailableError(
            "the lock on rollups was lost with the connection to the catalog store: try again",
            retry_after_ms=_LOST_RETRY_AFTER_MS,
        )


@contextlib.contextmanager
def start_turn(locks: Locks, shown: str) -> Iterator[None]:
    """One gateway of a deployment starts at a time; `shown` is where it keeps its locks.

    Raises:
        StartupError: the lock can't be had, or another gateway takes too long to start.
    """
    with _held(locks, START, _START_TIMEOUT_S) as hold:
        if hold is None:
            raise StartupError(
                f"{shown}: another gateway has been starting for {_START_TIMEOUT_S} s: see its log"
            )
        yield


@contextlib.contextmanager
def _held(locks: Locks, name: str, patience_s: float) -> Iterator[Hold | None]:
    give_up_at = time.monotonic() + patience_s
    while (hold := locks.try_hold(name)) is None and time.monotonic() < give_up_at:
        time.sleep(_POLL_S)
    try:
        yield hold
    finally:
        if hold is not None:
            hold.release()


def open_lock_file(path: Path) -> int:
    """Its descriptor. Raises StartupError."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StartupError(f"{path}: can't be written: {error.strerror}") from error


def take(descriptor: int, kind: int) -> bool:
    """Whether the lock could be had at once."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
