"""Keeps the rollups of all meters up, and checks them: what the background thread does in one pass."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.cluster.locks import Hold, check_turn
from engine.errors import MeterlineError
from engine.metrics import METRICS
from engine.upkeep.rollup_check import RollupCheck
from engine.usage.facts.usage_request import Measure
from engine.usage.rollups.rollups import Rollups


@dataclass(frozen=True, slots=True)
class RollupKeeper:
    """`meters` gives each meter of the newest catalog; those that aggregate the same share a `rollup_key`. `turn` is held
    during a pass: it keeps apart from an expiry (engine.upkeep.expire).
    """

    rollups: Rollups
    check: RollupCheck
    meters: Callable[[], Sequence[Measure]]
    turn: Callable[[], contextlib.AbstractContextManager[Hold]]

    def next_pass(self) -> None:
        """Raises StoreUnavailableError if a store does not answer, or usage expires just now: the next pass goes on
        from there.
        """
        failed: MeterlineError | None = None
        with self.turn() as hold:
            until_us: list[int] = []
            by_key = {(meter.tenant, meter.rollup_key): meter for meter in self.meters()}
            for meter in by_key.values():
                check_turn(hold)
                # One meter's trouble is not the others'.
                try:
                    done = self.rollups.keep_up(meter)
                    self.check.compare(meter, done.until_us)
                    until_us.append(done.until_us)
                except MeterlineError as error:
                    failed = error
        if failed is not None:
            raise failed
        if until_us:
            METRICS.rollups_until_timestamp_seconds.set(min(until_us) / 1_000_000)
