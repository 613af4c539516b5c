"""Local times of IANA zones in columns: wall clocks to instants and back.

Rules:
1. A wall clock is microseconds since 1970 as if it ran in UTC. An instant is microseconds since 1970, in UTC.
2. A wall clock that comes twice (clocks go back) is the first of the two; one that never comes (clocks go forward) is
   as long after the change as it would have been: midnight where clocks skip it is the instant of the change.
3. The rules of a zone are those of the package `tzdata`.
"""

import importlib.resources
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from fields import did_you_mean

Instants = npt.NDArray[np.int64]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_US: Final = timedelta(microseconds=1)
# Nothing is billed before 1970 or after 2199; a day more at each end.
_FIRST: Final = datetime(1969, 12, 30, tzinfo=UTC)
_LAST: Final = datetime(2200, 1, 3, tzinfo=UTC)
# No zone changes its clocks twice within two weeks.
_STEP: Final = timedelta(days=7)


# The zones of the IANA database, from the package `tzdata`: the same rules on every machine. The operating system's own
# copy is not read: a container may have none, and two gateways with copies of different years would cut the same day in
# two places.
_PACKAGE = "tzdata"


def time_zone(name: str) -> ZoneInfo:
    """The zone of this name, such as Europe/Berlin or UTC; names are compared exactly.

    Raises:
        ValueError: there is none.
    """
    if name not in _names():
        raise ValueError(
            f"{name[:64]!r} is not a time zone of the IANA database: write one such as Europe/Berlin, or UTC"
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


@dataclass(frozen=True, eq=False, slots=True)
class Zone:
    """A zone's offsets from UTC: changes at `changes_us` [t], rising, and `offsets_us` [t + 1] before, between and after."""

    changes_us: Instants
    offsets_us: Instants

    def wall_us(self, instants_us: Instants) -> Instants:
        """What a clock there shows at these instants."""
        found: Instants = (
            instants_us + self.offsets_us[np.searchsorted(self.changes_us, instants_us, side="right")]
        )
        return found

    def instants_us(self, walls_us: Instants) -> Instants:
        """When a clock there shows this (rule 2)."""
        later = np.maximum(self.offsets_us[:-1], self.offsets_us[1:])
        found: Instants = (
            walls_us - self.offsets_us[np.searchsorted(self.changes_us + later, walls_us, side="right")]
        )
        return found


@lru_cache(maxsize=1024)  # a few KB and 20 ms each
def zone(name: str) -> Zone:
    """The zone of an IANA name.

    Raises:
        ValueError: there is none.
    """
    info = time_zone(name)
    changes = list(_changes(info))
    offsets = [_offset(info, _FIRST), *(_offset(info, at) for at in changes)]
    return Zone(_us([at - _EPOCH for at in changes]), _us(offsets))


def _changes(info: ZoneInfo) -> Iterator[datetime]:
    """When the offset changes, to the second."""
    at, offset = _FIRST, _offset(info, _FIRST)
    while at < _LAST:
        following = at + _STEP
        if _offset(info, following) != offset:
            yield _change_between(info, at, following)
            offset = _offset(info, following)
        at = following


def _change_between(info: ZoneInfo, low: datetime, high: datetime) -> datetime:
    before = _offset(info, low)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (middle, high) if _offset(info, middle) == before else (low, middle)
    return high


def _offset(info: ZoneInfo, at: datetime) -> timedelta:
    found = at.astimezone(info).utcoffset()
    if found is None:
        raise ValueError(f"the time zone {info.key!r} has no offset at {at}")
    return found


def _us(spans: list[timedelta]) -> Instants:
    return np.array([span // _ONE_US for span in spans], dtype=np.int64)
