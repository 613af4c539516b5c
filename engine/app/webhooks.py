"""Builds webhooks: the endpoints, and what delivers to them in the background."""

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Event as ThreadEvent

from engine.app.stores import Stores
from engine.cluster.locks import WEBHOOKS
from engine.cluster.upkeep_loop import Pace, UpkeepLoop
from engine.errors import StartupError
from engine.outbox.webhooks.addresses import resolve
from engine.outbox.webhooks.deliverer import Deliverer, Surrounding
from engine.outbox.webhooks.endpoints import WebhookEndpoints
from engine.outbox.webhooks.posting import Poster

# A fact is told a moment after it is recorded; a pass over nothing is two small reads.
_PACE = Pace(1, 1)
# A message that is being posted ends by itself within this.
_STOP_WITHIN_S = 20


@dataclass(frozen=True, slots=True)
class Webhooks:
    """What serves WebhookService, and the loop behind it."""

    endpoints: WebhookEndpoints
    deliverer: Deliverer
    loop: UpkeepLoop


def build_webhooks(stores: Stores, now_us: Callable[[], int], *, allow_private: bool) -> Webhooks:
    """After the access: the key that secrets are derived from is there since then."""
    kept = stores.deployment.hash_key.read()
    if kept is None:
        raise StartupError(f"{stores.deployment.hash_key.shown}: is missing: restore it from a backup")
    key = bytes.fromhex(kept)
    stopping = ThreadEvent()
    deliverer = Deliverer(
        stores.database,
        key,
        Surrounding(Poster(allow_private), now_us, random.SystemRandom().random, stopping.is_set),
    )
    loop = UpkeepLoop(
        "webhooks",
        deliverer,
        partial(stores.deployment.locks.try_hold, WEBHOOKS),
        time.monotonic_ns,
        pace=_PACE,
        stopping=stopping,
        stop_within_s=_STOP_WITHIN_S,
    )
    endpoints = WebhookEndpoints(
        stores.database, key, now_us, secrets.token_hex, resolve, allow_private=allow_private
    )
    return Webhooks(endpoints, deliverer, loop)
