"""The time zones of the IANA database, from the package `tzdata`: the same rules on every machine.

The operating system's own copy is not read. A container may have none, and two gateways with copies of different
years would cut the same day in two places.
"""

import importlib.resources
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from engine.errors import did_you_mean

_PACKAGE = "tzdata"


def time_zone(name: str) -> ZoneInfo:
    """The zone of this name, such as Europe/Berlin or UTC; names are compared exactly.

    Raises:
        ValueError: there is none.
    """
    if name not in _names():
        raise ValueError(
            f"{name[:64]!r} is no time zone of the IANA database: write one such as Europe/Berlin, or UTC"
            f"{did_you_mean(name, _names())}"
        )
    return _load(name)


@cache
def _names() -> frozenset[str]:
    listed = importlib.resources.files(_PACKAGE).joinpath("zones").read_text(encoding="utf-8")
    return frozenset(listed.split())


@lru_cache(maxsize=1024)
def _load(name: str) -> ZoneInfo:
    # Only names of the list come here: no path of somebody's own.
    with importlib.resources.files(_PACKAGE).joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
