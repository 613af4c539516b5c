"""What each endpoint is still to hear, and every attempt that was made, in the catalog database.

1. A delivery is one fact for one endpoint; it refers to the fact, and is no copy of it. It goes when the fact goes.
2. Due is the first pending delivery of each object, once its time has come: a fact that can't be delivered holds back
   the later ones of its own object, and no others. What waits for its turn spends no attempt.
3. After each failed attempt the next one waits longer (RETRIES_S); after the last one the delivery is dead, and the next
   fact of its object has its turn. Replayed by hand, it begins again.
4. An endpoint that has failed for FAILING_US, without one delivery in between, is disabled, and so is one that answers 410:
   the transaction that does it records the fact.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, delete, func, insert, select, update

from engine.errors import NotFoundError
from engine.outbox.fact_types import FactType
from engine.outbox.facts import Fact, record_facts
from engine.outbox.webhooks.endpoints import EndpointState, WebhookEndpoint, set_endpoint
from engine.outbox.webhooks.posting import PostResult
from engine.outbox.webhooks.signing import message_id
from engine.sql.schema import OUTBOX, WEBHOOK_ATTEMPTS, WEBHOOK_DELIVERIES, WEBHOOK_ENDPOINTS
from engine.times import rfc3339_us
from fields import Json

# Between attempts, as Standard Webhooks advises: three days in all. The first is made at once.
RETRIES_S: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
FAILING_US: Final = 5 * 86_400 * 1_000_000
# Pending ones of an endpoint: the rest waits in the outbox.
PENDING_MAX: Final = 10_000
_READ_AT_ONCE: Final = 1_000
_GONE: Final = 410


class DeliveryState(StrEnum):
    """What became of it."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """`attempt_count`: how many there were. `failed_count`: since the delivery began, or was replayed."""

    endpoint_id: str
    number: int
    tenant: str
    fact_type: str
    object_kind: str
    object_id: str
    payload: str
    recorded_at_us: int
    state: DeliveryState
    attempt_count: int
    failed_count: int
    next_attempt_at_us: int
    last_status: int | None
    last_error: str

    @property
    def message_id(self) -> str:
        return message_id(self.tenant, self.number, self.recorded_at_us)

    @property
    def body(self) -> bytes:
        """The same bytes in every attempt."""
        return _body(self.fact_type, self.recorded_at_us, self.payload)


def test_body(fact_type: FactType, endpoint_id: str, now_us: int) -> bytes:
    """Of a message that is no fact."""
    return _body(fact_type, now_us, json.dumps({"id": endpoint_id}))


def _body(fact_type: str, at_us: int, payload: str) -> bytes:
    return f'{{"type":"{fact_type}","timestamp":"{rfc3339_us(at_us)}","data":{payload}}}'.encode()


def read_outbox(connection: Connection, endpoint: WebhookEndpoint, now_us: int) -> None:
    """Makes deliveries of facts that the endpoint has not read yet, as many as it may have pending."""
    columns = WEBHOOK_DELIVERIES.c
    pending = connection.scalar(
        select(func.count()).where(
            columns.endpoint_id == endpoint.endpoint_id, columns.state == DeliveryState.PENDING
        )
    )
    room = min(PENDING_MAX - (pending or 0), _READ_AT_ONCE)
    if room <= 0:
        return
    facts = OUTBOX.c
    rows = connection.execute(
        select(facts.number, facts.fact_type)
        .where(facts.tenant == endpoint.tenant, facts.number > endpoint.read_number)
        .order_by(facts.number)
        .limit(room)
    ).all()
    if not rows:
        return
    wanted = [
        {
            "endpoint_id": endpoint.endpoint_id,
            "number": each.number,
            "tenant": endpoint.tenant,
            "state": DeliveryState.PENDING.value,
            "attempt_count": 0,
            "failed_count": 0,
            "next_attempt_at_us": now_us,
            "last_error": "",
        }
        for each in rows
        if endpoint.wants(each.fact_type)
    ]
    if wanted:
        connection.execute(insert(WEBHOOK_DELIVERIES), wanted)
    set_endpoint(connection, endpoint.endpoint_id, {"read_number": rows[-1].number})


def newest_number(connection: Connection, tenant: str) -> int:
    """Of a tenant's facts; 0 if there is none."""
    return connection.scalar(select(func.max(OUTBOX.c.number)).where(OUTBOX.c.tenant == tenant)) or 0


def forget_old(connection: Connection, endpoint: WebhookEndpoint) -> None:
    """Rule 1."""
    oldest = connection.scalar(select(func.min(OUTBOX.c.number))) or 0
    for table in (WEBHOOK_ATTEMPTS, WEBHOOK_DELIVERIES):
        connection.execute(
            delete(table).where(table.c.endpoint_id == endpoint.endpoint_id, table.c.number < oldest)
        )


def due(connection: Connection, endpoint_id: str, now_us: int, count: int) -> list[WebhookDelivery]:
    """Rule 2, in the order of the facts."""
    deliveries, facts = WEBHOOK_DELIVERIES.c, OUTBOX.c
    first = (
        select(func.min(deliveries.number).label("number"))
        .select_from(WEBHOOK_DELIVERIES.join(OUTBOX, facts.number == deliveries.number))
        .where(deliveries.endpoint_id == endpoint_id, deliveries.state == DeliveryState.PENDING)
        .group_by(facts.object_kind, facts.object_id)
    )
    active = select(WEBHOOK_ENDPOINTS.c.endpoint_id).where(WEBHOOK_ENDPOINTS.c.state == EndpointState.ACTIVE)
    wanted = _with_facts().where(
        deliveries.endpoint_id == endpoint_id,
        deliveries.endpoint_id.in_(active),
        deliveries.number.in_(first),
        deliveries.next_attempt_at_us <= now_us,
    )
    rows = connection.execute(wanted.order_by(deliveries.number).limit(count))
    return [_delivery(each) for each in rows]


def deliveries_before(
    connection: Connection, endpoint_id: str, state: DeliveryState | None, before: int | None, count: int
) -> list[WebhookDelivery]:
    """An endpoint's deliveries, the newest first; those of facts before the number `before`."""
    columns = WEBHOOK_DELIVERIES.c
    wanted = _with_facts().where(columns.endpoint_id == endpoint_id)
    if state is not None:
        wanted = wanted.where(columns.state == state.value)
    if before is not None:
        wanted = wanted.where(columns.number < before)
    return [
        _delivery(each) for each in connection.execute(wanted.order_by(columns.number.desc()).limit(count))
    ]


def replay(connection: Connection, endpoint_id: str, number: int, now_us: int) -> WebhookDelivery:
    """Makes it pending and due. Raises NotFoundError."""
    columns = WEBHOOK_DELIVERIES.c
    one = and_(columns.endpoint_id == endpoint_id, columns.number == number)
    row = connection.execute(_with_facts().where(one)).one_or_none()
    if row is None:
        raise NotFoundError(f"endpoint {endpoint_id!r} has no delivery of fact {number}")
    connection.execute(
        update(WEBHOOK_DELIVERIES)
        .where(one)
        .values(state=DeliveryState.PENDING.value, failed_count=0, next_attempt_at_us=now_us)
    )
    return _delivery(connection.execute(_with_facts().where(one)).one())


def mark(
    connection: Connection, delivery: WebhookDelivery, result: PostResult, now_us: int, jitter: float
) -> DeliveryState | None:
    """Records an attempt and what becomes of the delivery; None if it, or its endpoint, is not there any more. `jitter`:
    from 0 to 1, by how much of a tenth the next attempt comes later.
    """
    endpoints = WEBHOOK_ENDPOINTS.c
    row = connection.execute(
        select(WEBHOOK_ENDPOINTS).where(endpoints.endpoint_id == delivery.endpoint_id)
    ).one_or_none()
    columns = WEBHOOK_DELIVERIES.c
    one = and_(columns.endpoint_id == delivery.endpoint_id, columns.number == delivery.number)
    kept = connection.execute(_with_facts().where(one)).one_or_none()
    if row is None or kept is None:
        return None
    endpoint, attempt_count = WebhookEndpoint.of(row), kept.attempt_count + 1
    connection.execute(
        insert(WEBHOOK_ATTEMPTS).values(
            endpoint_id=delivery.endpoint_id,
            number=delivery.number,
            attempt=attempt_count,
            attempted_at_us=now_us,
            status=result.status,
            error=result.error,
            took_ms=result.took_ms,
        )
    )
    values: dict[str, Any] = {
        "attempt_count": attempt_count,
        "last_status": result.status,
        "last_error": result.error,
    }
    state = DeliveryState.DELIVERED
    if not result.is_delivered:
        failed_count = kept.failed_count + 1
        state = DeliveryState.DEAD if failed_count > len(RETRIES_S) else DeliveryState.PENDING
        values["failed_count"] = failed_count
        if state is DeliveryState.PENDING:
            wait_us = RETRIES_S[failed_count - 1] * 1_000_000
            values["next_attempt_at_us"] = now_us + wait_us + int(wait_us * jitter) // 10
    connection.execute(update(WEBHOOK_DELIVERIES).where(one).values(**values, state=state.value))
    _mark_endpoint(connection, endpoint, result, now_us)
    return state


def _mark_endpoint(
    connection: Connection, endpoint: WebhookEndpoint, result: PostResult, now_us: int
) -> None:
    """Rule 4."""
    if result.is_delivered:
        if endpoint.failing_since_us is not None:
            set_endpoint(connection, endpoint.endpoint_id, {"failing_since_us": None})
        return
    since_us = now_us if endpoint.failing_since_us is None else endpoint.failing_since_us
    values: dict[str, Any] = {"failing_since_us": since_us}
    reason = ""
    if result.status == _GONE:
        reason = "it answered 410: gone"
    elif now_us - since_us >= FAILING_US:
        reason = f"every attempt failed since {rfc3339_us(since_us)}"
    if reason and endpoint.state is EndpointState.ACTIVE:
        values |= {"state": EndpointState.DISABLED.value, "disabled_reason": reason}
        payload: dict[str, Json] = {"id": endpoint.endpoint_id, "reason": reason}
        fact = Fact(FactType.WEBHOOK_ENDPOINT_DISABLED, "webhook_endpoint", endpoint.endpoint_id, payload)
        record_facts(connection, endpoint.tenant, [fact], now_us)
    set_endpoint(connection, endpoint.endpoint_id, values)


def pending_now(connection: Connection) -> tuple[int, int | None]:
    """How many deliveries of active endpoints are pending, and when the oldest of their facts was recorded."""
    deliveries, endpoints = WEBHOOK_DELIVERIES.c, WEBHOOK_ENDPOINTS.c
    joined = WEBHOOK_DELIVERIES.join(WEBHOOK_ENDPOINTS, endpoints.endpoint_id == deliveries.endpoint_id).join(
        OUTBOX, OUTBOX.c.number == deliveries.number
    )
    count, oldest_us = connection.execute(
        select(func.count(), func.min(OUTBOX.c.recorded_at_us))
        .select_from(joined)
        .where(deliveries.state == DeliveryState.PENDING, endpoints.state == EndpointState.ACTIVE)
    ).one()
    return int(count), None if oldest_us is None else int(oldest_us)


def active_endpoints(connection: Connection) -> Sequence[WebhookEndpoint]:
    """Of every tenant."""
    columns = WEBHOOK_ENDPOINTS.c
    wanted = select(WEBHOOK_ENDPOINTS).where(columns.state == EndpointState.ACTIVE)
    return [WebhookEndpoint.of(each) for each in connection.execute(wanted.order_by(columns.endpoint_id))]


def _with_facts() -> Select[Any]:
    deliveries, facts = WEBHOOK_DELIVERIES.c, OUTBOX.c
    return select(
        *(deliveries.endpoint_id, deliveries.number, deliveries.tenant),
        *(facts.fact_type, facts.object_kind, facts.object_id, facts.payload, facts.recorded_at_us),
        *(deliveries.state, deliveries.attempt_count, deliveries.failed_count, deliveries.next_attempt_at_us),
        *(deliveries.last_status, deliveries.last_error),
    ).select_from(WEBHOOK_DELIVERIES.join(OUTBOX, facts.number == deliveries.number))


def _delivery(row: Row[Any]) -> WebhookDelivery:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's name for what all may use
    return WebhookDelivery(**values | {"state": DeliveryState(row.state)})
