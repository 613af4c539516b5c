"""How far the clock of a store, or the order of ingestion, is from this machine's clock."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.doctor.finding import Finding, ok, warning, wrong

# Gateways compare instants with each other's, and late events with the engine's.
_WARN_US: Final = 1_000_000
# A lease of a group in flight is a minute (lease_s): a sixth of it, and nobody takes a living gateway for dead.
_WRONG_US: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The store's clock, asked between two looks at this machine's; in microseconds since 1970."""

    before_us: int
    theirs_us: int
    after_us: int

    @property
    def ahead_us(self) -> int:
        """How far the store is ahead for sure, behind if negative; 0 as long as the way to it may explain it."""
        if self.theirs_us > self.after_us:
            return self.theirs_us - self.after_us
        return min(self.theirs_us - self.before_us, 0)


def read_clock(ask_us: Callable[[], int], now_us: Callable[[], int]) -> ClockReading:
    before_us = now_us()
    theirs_us = ask_us()
    return ClockReading(before_us, theirs_us, now_us())


def clock_finding(about: str, reading: ClockReading) -> Finding:
    apart_us = abs(reading.ahead_us)
    way = "ahead of" if reading.ahead_us > 0 else "behind"
    what = f"its clock is {apart_us // 1_000:,} ms {way} this machine's"
    todo = "let NTP (chrony, systemd-timesyncd) keep both clocks"
    if apart_us > _WRONG_US:
        return wrong(about, what, todo)
    if apart_us > _WARN_US:
        return warning(about, what, todo)
    took_ms = (reading.after_us - reading.before_us) // 1_000
    return ok(
        about, what if apart_us else f"its clock agrees with this machine's (asked within {took_ms:,} ms)"
    )


def order_finding(shown: str, latest_us: int, now_us: int) -> Finding:
    """`latest_us`: what the order of ingestion may have handed out. It never goes back, so it tells of a clock that was
    ahead, or that is behind now.
    """
    about, ahead_us = "clock", latest_us - now_us
    if ahead_us <= _WARN_US:
        return ok(about, f"{shown}: nothing there was ingested later than this machine's clock says")
    what = f"{shown}: the order of ingestion is {ahead_us // 1_000:,} ms ahead of this machine's clock"
    todo = "the clock was ahead once, or is behind now: set it right, and see docs/operations.md#the-clock-jumped"
    return wrong(about, what, todo) if ahead_us > _WRONG_US else warning(about, what, todo)
