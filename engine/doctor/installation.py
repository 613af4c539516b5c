"""The versions of what runs here."""

import importlib.metadata
import platform
from collections.abc import Iterator, Sequence
from typing import Final

from engine.doctor.finding import Finding, ok, wrong

_ABOUT: Final = "installation"
PARTS: Final = ("meterline", "chdb", "clickhouse-connect", "sqlalchemy", "psycopg")


def check_installation(parts: Sequence[str] = PARTS) -> Iterator[Finding]:
    """Each is there."""
    found = [f"Python {platform.python_version()}"]
    for name in parts:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            yield wrong(_ABOUT, f"{name} is not installed", "pip install 'meterline[server]'")
    yield ok(_ABOUT, ", ".join(found))
