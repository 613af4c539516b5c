"""The directory of an engine's backups: whether it can be used, looked at before a start opens a store, and when the last
backup in it was finished.
"""

import contextlib
from pathlib import Path

from engine.backup.manifest import NAME
from engine.errors import StartupError
from engine.whole_files import try_to_write


def check_place(directory: Path) -> None:
    """Raises StartupError where it is not there, or can't be written by this user."""
    if not directory.is_dir():
        # A volume that is not mounted would otherwise be made on the disk that it is to keep safe.
        raise StartupError(f"{directory}: is not there: make the directory of backups, or mount it")
    try:
        try_to_write(directory)
    except OSError as error:
        raise StartupError(
            f"{directory}: can't be written: {error.strerror}: let the engine's user write backups there"
        ) from error


def last_finished_s(directory: Path) -> float:
    """When the newest backup was finished, in seconds since 1970; 0 if there is none. One that is being made has another
    kind of name.
    """
    newest_s = 0.0
    for manifest in directory.glob(f"[!.]*/{NAME}"):
        # It may be deleted meanwhile.
        with contextlib.suppress(OSError):
            newest_s = max(newest_s, manifest.stat().st_mtime)
    return newest_s
