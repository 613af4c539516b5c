"""Whose a spool's directory is: one process at a time, and its forked children have places of their own.

1. A directory is held by an exclusive flock on its file "lock" for as long as the process lives, however it
   ends. A second holder is refused at once.
2. A forked child never touches the parent's directory. It takes the first free place "forked-1", "forked-2"
   and so on inside it, and first sends what an earlier child has left there.
3. Who opens the directory itself takes over what is in places that nobody holds: the children are gone.
4. The lock belongs to the parent's open file. A child closes its copy and does not unlock.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from meterline.errors import SpoolError
from meterline.spooling.spool_segment import EVENTS_SUFFIX, SETTLED_SUFFIX

_PLACES_MAX = 1_000  # of forked children at a time
_PLACE = "forked-"
_NUMBER = "[0-9]" * 12  # other files in the directory are not ours


@dataclass(slots=True)
class Home:
    """A directory that this process holds."""

    directory: Path
    _lock_file: int

    def segment_paths(self) -> list[Path]:
        """The segments, oldest first."""
        return sorted(self.directory.glob(f"{_NUMBER}{EVENTS_SUFFIX}"))

    def next_number(self) -> int:
        """A number that no file has: neither events nor the marks of events that are gone."""
        names = (*self.segment_paths(), *self.directory.glob(f"{_NUMBER}{SETTLED_SUFFIX}"))
        return 1 + max((int(path.name[:12]) for path in names), default=0)

    def release(self) -> None:
        """Let the next process have it. In a forked child: let go of the copy; the parent still holds it."""
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1


def hold(directory: Path) -> Home:
    """Make and hold a directory, and take over what gone children have left. Raises SpoolError."""
    home = _hold(directory)
    if home is None:
        raise SpoolError(
            f"another process, or another client of this one, holds the spool {directory}: "
            "give each a directory of its own"
        )
    number = home.next_number()
    for place in sorted(directory.glob(f"{_PLACE}*")):
        number = _take_over(place, home, number)
    return home


def hold_place_in(directory: Path) -> Home:
    """Hold the first free place of a forked child. Raises SpoolError."""
    for number in range(1, _PLACES_MAX + 1):
        home = _hold(directory / f"{_PLACE}{number}")
        if home is not None:
            return home
    raise SpoolError(f"{_PLACES_MAX:,} forked processes use the spool {directory}: use several spools")


def _hold(directory: Path) -> Home | None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(directory / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SpoolError(f"the spool {directory} can't be opened: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return None
        raise SpoolError(f"the spool {directory} can't be locked: {error.strerror}") from error
    return Home(directory, file)


def _take_over(place: Path, home: Home, number: int) -> int:
    """Move the files of a free place here, with new numbers from `number`; the next free number."""
    free = _hold(place)
    if free is None:
        return number
    try:
        for path in free.segment_paths():
            moved = home.directory / f"{number:012d}{EVENTS_SUFFIX}"
            # The events first: without their marks they are sent again, marks alone mean nothing.
            path.rename(moved)
            marks = path.with_suffix(SETTLED_SUFFIX)
            if marks.exists():
                marks.rename(moved.with_suffix(SETTLED_SUFFIX))
            number += 1
    except OSError as error:
        raise SpoolError(f"the spool {place} can't be taken over: {error.strerror}") from error
    finally:
        free.release()
    return number


def stale_marks(home: Home) -> Iterator[Path]:
    """Marks whose events are gone: a run ended between the two removals."""
    for path in home.directory.glob(f"{_NUMBER}{SETTLED_SUFFIX}"):
        if not path.with_suffix(EVENTS_SUFFIX).exists():
            yield path
