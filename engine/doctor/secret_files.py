"""Files that hold a secret: who may read them, and whether the first API key is one."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from engine.access.api_keys import key_id_of
from engine.doctor.finding import Finding, ok, warning, wrong
from engine.whole_files import read_secret

_ABOUT: Final = "secret files"


def check_secret_file(path: Path) -> Iterator[Finding]:
    """A group may read what Kubernetes mounts for it; others never."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        yield wrong(_ABOUT, f"{path}: can't be read: {error.strerror}", "name a file that is there")
        return
    if mode & 0o007:
        yield wrong(
            _ABOUT, f"{path}: every user of this machine may open it ({mode:04o})", f"chmod 600 {path}"
        )
    elif mode & 0o070:
        yield warning(
            _ABOUT,
            f"{path}: its group may open it ({mode:04o})",
            f"chmod 600 {path}, unless the group is the engine's alone",
        )
    else:
        yield ok(_ABOUT, f"{path}: for its owner alone ({mode:04o})")


def check_admin_key(path: Path) -> Iterator[Finding]:
    """Raises StartupError if it can't be read."""
    key_id = key_id_of(read_secret(path))
    if key_id is None:
        yield wrong(
            "first API key", f"{path}: does not hold an API key", "make one with meterline keys generate"
        )
    else:
        yield ok("first API key", f"{path}: holds the key {key_id}")
