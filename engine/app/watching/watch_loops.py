"""Builds the loops that measure customers: who has reached a threshold is told, and whose credit runs out is topped up."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from engine.app.stores import Stores
from engine.billing.rater import Rater
from engine.cluster.deployment import EMBEDDED
from engine.cluster.locks import ALERTS, TOP_UPS
from engine.cluster.upkeep_loop import Pace, UpkeepLoop, UpkeepPass
from engine.spend.alerts.alert_pass import AlertPass
from engine.spend.alerts.store import CrossingStore
from engine.spend.top_ups.store import TopUpStore
from engine.spend.top_ups.top_up_pass import TopUpPass

# A pass over a server may take minutes, and is made again if it is cut off: nobody waits longer for it at shutdown.
_PASS_GRACE_S: Final = 10
# An alert is told within a second of its cause. A pass without alerts is one small read; a quarter of a core at most goes to one with many.
_ALERTS_PACE: Final = Pace(0.3, 10, times=3)
# Who pays ahead is not to run out: seconds behind the cause, and a tenth of a core. A pass without rules is one small read.
_TOP_UPS_PACE: Final = Pace(1, 30, times=9)


def alerts_loop(stores: Stores, rater: Rater, now_us: Callable[[], int]) -> UpkeepLoop:
    upkeep = AlertPass(stores.catalog, rater, stores.usage, CrossingStore(stores.database), now_us)
    return _loop(stores, "alerts", ALERTS, upkeep, _ALERTS_PACE)


def top_ups_loop(stores: Stores, rater: Rater, now_us: Callable[[], int]) -> UpkeepLoop:
    upkeep = TopUpPass(
        stores.catalog, rater, stores.usage, TopUpStore(stores.database, stores.catalog, now_us)
    )
    return _loop(stores, "top-ups", TOP_UPS, upkeep, _TOP_UPS_PACE)


def _loop(stores: Stores, name: str, lock: str, upkeep: UpkeepPass, pace: Pace) -> UpkeepLoop:
    is_embedded = stores.deployment.usage_store == EMBEDDED
    return UpkeepLoop(
        name,
        upkeep,
        partial(stores.deployment.locks.try_hold, lock),
        time.monotonic_ns,
        pace=pace,
        stop_within_s=None if is_embedded else _PASS_GRACE_S,
    )
