"""Which gateways of a shared data directory live: each holds a lock on a file of its own for as long as it does.

    DIR/gateways/ID    locked by the gateway of this id; the kernel lets go when the process ends, however it ends

Rules:
1. A gateway's file is locked before it has its name: whoever finds the file free, or doesn't find it, knows for
   certain that the gateway is dead.
2. An id is drawn anew at every start, and never used again.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import StartupError


@dataclass(frozen=True, slots=True)
class GatewayFiles:
    """The gateways of one directory."""

    path: Path

    @contextlib.contextmanager
    def joined(self, gateway: str) -> Iterator[None]:
        """This process lives under this id.

        Raises:
            StartupError: the directory can't be written.
        """
        place = self.path / gateway
        unnamed = place.with_suffix(".new")
        try:
            self.path.mkdir(exist_ok=True)
            descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StartupError(f"{self.path}: can't be written: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unnamed.rename(place)
            yield
        finally:
            place.unlink(missing_ok=True)
            os.close(descriptor)

    def is_dead(self, gateway: str) -> bool:
        """Certain if True; also False when it can't be told."""
        try:
            descriptor = os.open(self.path / gateway, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        else:
            return True
        finally:
            os.close(descriptor)

    def forget_dead(self) -> None:
        """Removes the files that killed gateways left."""
        for place in self.path.glob("*"):
            if place.suffix != ".new" and self.is_dead(place.name):
                place.unlink(missing_ok=True)
