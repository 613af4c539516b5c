"""The options of a client: defaults, bounds, and the reason of each."""

import os
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypedDict

from meterline.errors import InvalidOptionError

REQUEST_EVENTS_MAX = 10_000
"""The engine's limit for one request."""

REQUEST_BYTES_MAX = 4_000_000
"""Below the 4 MiB that gRPC takes for one message, with room for what a proxy adds."""

EVENT_BYTES_MAX = 128 * 1024
"""No event within the contract's limits (64 properties of 128 + 1,024 bytes) comes near it."""

SPOOL_BYTES_MIN = 8 * EVENT_BYTES_MAX
"""Room for eight segments of at least one event each."""

FullPolicy: TypeAlias = Literal["block", "raise"]


class OptionKeywords(TypedDict, total=False):
    """The keywords of `Client(...)`; `Options` explains each."""

    batch_events_max: int
    batch_bytes_max: int
    batch_age_max_ms: int
    requests_in_flight_max: int
    buffer_events_max: int
    buffer_bytes_max: int
    when_full: FullPolicy
    block_timeout_s: float
    request_timeout_s: float
    retry_timeout_s: float
    close_timeout_s: float
    spool: str | os.PathLike[str] | None
    spool_bytes_max: int
    spool_fsync: bool


@dataclass(frozen=True, slots=True)
class Options:
    """How a client batches, waits and gives up. Each bound is checked when a client is made."""

    # A request goes out when it has this many events, would pass this many bytes, or when its first
    # event is this old. A thousand events make the cost of a request negligible; a tenth of a second
    # is still "live" on a spend page.
    batch_events_max: int = 1_000
    batch_bytes_max: int = 1_048_576
    batch_age_max_ms: int = 100
    # The second request travels while the engine commits the first.
    requests_in_flight_max: int = 2
    # What may wait, requests in flight included: memory stays bounded while the engine is away.
    buffer_events_max: int = 100_000
    buffer_bytes_max: int = 67_108_864
    # A full buffer blocks `record` for at most this long and then raises, or raises at once.
    when_full: FullPolicy = "block"
    block_timeout_s: float = 10.0
    # How long one attempt may take, and how long after the first one another may begin: then the
    # batch has failed.
    request_timeout_s: float = 30.0
    retry_timeout_s: float = 300.0
    # How long `close`, the end of a `with` block and the end of the process wait for the last events.
    close_timeout_s: float = 10.0
    # A directory of this process alone, where each event is before `record` returns; None keeps events in
    # memory. With it the two bounds of the buffer don't apply: what waits is on disk, at most this many bytes
    # (hours of an outage at a thousand events a second), and `when_full` and `block_timeout_s` hold for it.
    spool: str | os.PathLike[str] | None = None
    spool_bytes_max: int = 1_073_741_824
    # Whether `record` waits until the disk itself has the event: the process may be killed without it, with it
    # the machine may lose power too.
    spool_fsync: bool = False

    def __post_init__(self) -> None:
        """Refuse what can't work, by name."""
        self._check_between("batch_events_max", 1, REQUEST_EVENTS_MAX)
        self._check_between("batch_bytes_max", EVENT_BYTES_MAX, REQUEST_BYTES_MAX)
        self._check_between("batch_age_max_ms", 0, 60_000)
        self._check_between("requests_in_flight_max", 1, 16)
        self._check_between("buffer_events_max", 1, 10_000_000)
        self._check_between("buffer_bytes_max", EVENT_BYTES_MAX, 2**33)
        self._check_between("block_timeout_s", 0, 86_400)
        self._check_between("request_timeout_s", 0.001, 3_600)
        self._check_between("retry_timeout_s", 0, 86_400)
        self._check_between("close_timeout_s", 0, 86_400)
        self._check_between("spool_bytes_max", SPOOL_BYTES_MIN, 2**40)
        _check_spool(self.spool, self.spool_fsync)
        if self.when_full not in ("block", "raise"):
            raise InvalidOptionError(f'when_full is {self.when_full!r}: give "block" or "raise"')

    def _check_between(self, name: str, lowest: float, highest: float) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
            raise InvalidOptionError(f"{name} is {value!r}: give a number from {lowest:,} to {highest:,}")


def _check_spool(spool: object, spool_fsync: object) -> None:
    if not isinstance(spool, str | os.PathLike | None) or (not spool and spool is not None):
        raise InvalidOptionError(f"spool is {spool!r}: give the path of a directory")
    if not isinstance(spool_fsync, bool):
        raise InvalidOptionError(f"spool_fsync is {spool_fsync!r}: give True or False")


def check_target(target: object) -> None:
    """Refuse an address that gRPC would misread: a URL, or a host without a port."""
    if not isinstance(target, str) or ":" not in target or target.startswith(("http://", "https://")):
        raise InvalidOptionError(f'target is {target!r}: give "host:port", for instance "localhost:7070"')
