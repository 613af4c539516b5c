"""Posts what is due, pass by pass; one gateway of a deployment at a time (engine.cluster.upkeep_loop).

1. A message is posted first and marked then: whoever is killed in between posts it again. A receiver tells a repeat by
   its id; none is lost.
2. Endpoints are served side by side, each one message after another, for a bounded time a pass: a slow one keeps a worker,
   and the others go on with the rest.
3. Neither secrets nor payloads are logged.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from engine.metrics import METRICS
from engine.outbox.fact_types import FactType
from engine.outbox.webhooks.deliveries import (
    DeliveryState,
    WebhookDelivery,
    active_endpoints,
    deliveries_before,
    due,
    forget_old,
    mark,
    newest_number,
    pending_now,
    read_outbox,
    replay,
    test_body,
)
from engine.outbox.webhooks.endpoints import WebhookEndpoint
from engine.outbox.webhooks.posting import Post, PostResult
from engine.outbox.webhooks.signing import message_id, signatures
from engine.sql.database import Database

_DELIVERED: Final = "delivered"
_FAILED: Final = "failed"
_WORKERS: Final = 8
_DUE_AT_ONCE: Final = 50
# Of one endpoint in one pass.
_SERVED_S: Final = 20
USER_AGENT: Final = "Meterline-Webhooks/1"


@dataclass(frozen=True, slots=True)
class Surrounding:
    """What comes from outside. `chance` gives a number from 0 to 1; `is_stopping`: no further message is begun."""

    post: Post
    now_us: Callable[[], int]
    chance: Callable[[], float]
    is_stopping: Callable[[], bool]


class Deliverer:
    """A pass posts everything that is due, as far as its time goes."""

    def __init__(self, database: Database, key: bytes, around: Surrounding) -> None:
        self._database = database
        self._key = key
        self._around = around
        # There from the start: a rate needs a first value.
        for outcome in (_DELIVERED, _FAILED):
            METRICS.webhook_attempts.labels(outcome)

    def next_pass(self) -> None:
        """Raises StoreUnavailableError: the database does not answer; what was posted meanwhile may be posted again."""
        with self._database.reading() as connection:
            endpoints = active_endpoints(connection)
            pending, oldest_us = pending_now(connection)
        METRICS.webhook_deliveries_pending.set(pending)
        METRICS.webhook_oldest_pending_timestamp_seconds.set((oldest_us or 0) / 1_000_000)
        if endpoints:
            with ThreadPoolExecutor(_WORKERS, thread_name_prefix="meterline-webhooks") as workers:
                for done in [workers.submit(self._serve, each) for each in endpoints]:
                    done.result()

    def _serve(self, endpoint: WebhookEndpoint) -> None:
        with self._database.reading() as connection:
            is_read = endpoint.read_number >= newest_number(connection, endpoint.tenant)
        if not is_read:
            with self._database.writing() as connection:
                read_outbox(connection, endpoint, self._around.now_us())
                forget_old(connection, endpoint)
        until_s = time.monotonic() + _SERVED_S
        while True:
            with self._database.reading() as connection:
                wanted = due(connection, endpoint.endpoint_id, self._around.now_us(), _DUE_AT_ONCE)
            for each in wanted:
                if self._around.is_stopping() or time.monotonic() > until_s:
                    return
                result = self.post(endpoint, each.message_id, each.body)
                self._mark(each, result)
                if not result.is_delivered:
                    # The endpoint may be disabled by that: what is due is asked anew.
                    break
            if not wanted:
                return

    def deliveries(
        self, endpoint: WebhookEndpoint, state: DeliveryState | None, before: int | None, count: int
    ) -> list[WebhookDelivery]:
        """The newest first; those of facts before the number `before`. Raises StoreUnavailableError."""
        with self._database.reading() as connection:
            return deliveries_before(connection, endpoint.endpoint_id, state, before, count)

    def replay(self, endpoint: WebhookEndpoint, number: int) -> WebhookDelivery:
        """A later pass posts it again. Raises NotFoundError, StoreUnavailableError."""
        with self._database.writing() as connection:
            return replay(connection, endpoint.endpoint_id, number, self._around.now_us())

    def send_test(self, endpoint: WebhookEndpoint) -> PostResult:
        """Posts a message that is no fact, once."""
        now_us = self._around.now_us()
        body = test_body(FactType.WEBHOOK_ENDPOINT_TEST, endpoint.endpoint_id, now_us)
        return self.post(endpoint, message_id(endpoint.endpoint_id, 0, now_us), body)

    def post(self, endpoint: WebhookEndpoint, of_id: str, body: bytes) -> PostResult:
        """One message, signed as of now."""
        now_us = self._around.now_us()
        timestamp_s = now_us // 1_000_000
        headers = {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "webhook-id": of_id,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": signatures(endpoint.secrets(self._key, now_us), of_id, timestamp_s, body),
        }
        return self._around.post(endpoint.url, headers, body)

    def _mark(self, delivery: WebhookDelivery, result: PostResult) -> None:
        with self._database.writing() as connection:
            state = mark(connection, delivery, result, self._around.now_us(), self._around.chance())
        METRICS.webhook_attempts.labels(_DELIVERED if result.is_delivered else _FAILED).inc()
        if state is DeliveryState.DEAD:
            METRICS.webhook_dead_letters.inc()
