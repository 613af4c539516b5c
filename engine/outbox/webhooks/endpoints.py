"""Where a tenant wants to hear what: endpoints, kept in the catalog database.

1. An endpoint hears the facts that are recorded after it was made, of the types that it names: "invoice.issued",
   "invoice.*", or "*" for all.
2. A rotation makes a new secret; the one before signs as well until its overlap ends.
3. A disabled endpoint is posted nothing. When it is active again it goes on where it was, as far back as facts are kept.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from engine.errors import FieldMistake, InvalidRequestError, NotFoundError
from engine.outbox.fact_types import FactType
from engine.outbox.webhooks.addresses import (
    URL_BYTES_MAX,
    AddressRefusedError,
    Resolve,
    checked_addresses,
    url_problems,
)
from engine.outbox.webhooks.signing import secret_of, secret_text
from engine.sql.database import Database
from engine.sql.schema import OUTBOX, WEBHOOK_ATTEMPTS, WEBHOOK_DELIVERIES, WEBHOOK_ENDPOINTS

# Each is a queue of its own: of one fact no more copies are made.
ENDPOINTS_MAX: Final = 20
_NONCE_BYTES: Final = 16
_ID_BYTES: Final = 8
_EVERYTHING: Final = "*"


class EndpointState(StrEnum):
    """Whether it is posted to."""

    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """`disabled_reason`: empty while it is active. `read_number`: up to which number of the outbox it has its
    deliveries. `failing_since_us`: None if the last attempt was a delivery.
    """

    tenant: str
    endpoint_id: str
    url: str
    fact_types: tuple[str, ...]
    description: str
    state: EndpointState
    disabled_reason: str
    created_at_us: int
    created_by: str
    secret_nonce: str
    previous_nonce: str | None
    previous_until_us: int | None
    read_number: int
    failing_since_us: int | None

    @classmethod
    def of(cls, row: Row[Any]) -> "WebhookEndpoint":
        values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's name for what all may use
        values["fact_types"] = tuple(json.loads(values["fact_types"]))
        values["state"] = EndpointState(values["state"])
        return cls(**values)

    def wants(self, fact_type: str) -> bool:
        return any(
            each in (_EVERYTHING, fact_type) or (each.endswith(".*") and fact_type.startswith(each[:-1]))
            for each in self.fact_types
        )

    def secrets(self, key: bytes, now_us: int) -> Sequence[bytes]:
        """With which a message is signed now, the newest first."""
        nonces = [self.secret_nonce]
        if self.previous_nonce is not None and now_us < (self.previous_until_us or 0):
            nonces.append(self.previous_nonce)
        return [secret_of(key, self.endpoint_id, each) for each in nonces]


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint with the text of its secret, which is shown this once."""

    endpoint: WebhookEndpoint
    secret: str


def disable_all(connection: Connection, reason: str) -> int:
    """Every active endpoint of every tenant, for a copy of a deployment that must post nothing; how many they were."""
    columns = WEBHOOK_ENDPOINTS.c
    done = connection.execute(
        update(WEBHOOK_ENDPOINTS)
        .where(columns.state == EndpointState.ACTIVE.value)
        .values(state=EndpointState.DISABLED.value, disabled_reason=reason)
    )
    return done.rowcount


class WebhookEndpoints:
    """Thread-safe. Every method raises StoreUnavailableError if the database does not answer."""

    def __init__(
        self,
        database: Database,
        key: bytes,
        now_us: Callable[[], int],
        draw: Callable[[int], str],
        look_up: Resolve,
        *,
        allow_private: bool,
    ) -> None:
        """`key`: of the deployment. `draw` gives so many random bytes in hex."""
        self._database = database
        self._key = key
        self._now_us = now_us
        self._draw = draw
        self._look_up = look_up
        self._allow_private = allow_private

    def create(
        self, tenant: str, url: str, fact_types: Sequence[str], description: str, created_by: str
    ) -> NewSecret:
        """Raises InvalidRequestError."""
        self._check(url, fact_types)
        endpoint_id = f"whe_{self._draw(_ID_BYTES)}"
        with self._database.writing() as connection:
            columns = WEBHOOK_ENDPOINTS.c
            count = connection.scalar(select(func.count()).where(columns.tenant == tenant))
            if (count or 0) >= ENDPOINTS_MAX:
                raise InvalidRequestError(
                    FieldMistake(
                        "url", f"there are {ENDPOINTS_MAX} endpoints already, the most that a tenant has"
                    )
                )
            newest = connection.scalar(select(func.max(OUTBOX.c.number)))
            connection.execute(
                insert(WEBHOOK_ENDPOINTS).values(
                    tenant=tenant,
                    endpoint_id=endpoint_id,
                    url=url,
                    fact_types=json.dumps(list(fact_types)),
                    description=description,
                    state=EndpointState.ACTIVE.value,
                    disabled_reason="",
                    created_at_us=self._now_us(),
                    created_by=created_by,
                    secret_nonce=self._draw(_NONCE_BYTES),
                    read_number=newest or 0,
                )
            )
            return self._with_secret(found_endpoint(connection, tenant, endpoint_id))

    def of_tenant(self, tenant: str) -> list[WebhookEndpoint]:
        """As they were made."""
        columns = WEBHOOK_ENDPOINTS.c
        wanted = select(WEBHOOK_ENDPOINTS).where(columns.tenant == tenant)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(columns.created_at_us, columns.endpoint_id))
            return [WebhookEndpoint.of(each) for each in rows]

    def get(self, tenant: str, endpoint_id: str) -> WebhookEndpoint:
        """Raises NotFoundError."""
        with self._database.reading() as connection:
            return found_endpoint(connection, tenant, endpoint_id)

    def change(
        self,
        tenant: str,
        endpoint_id: str,
        *,
        url: str | None = None,
        fact_types: Sequence[str] | None = None,
        description: str | None = None,
        state: EndpointState | None = None,
    ) -> WebhookEndpoint:
        """Sets what is not None. One that is made active is given another five days. Raises NotFoundError,
        InvalidRequestError.
        """
        self._check(url, fact_types)
        values: dict[str, Any] = {}
        if url is not None:
            values["url"] = url
        if fact_types is not None:
            values["fact_types"] = json.dumps(list(fact_types))
        if description is not None:
            values["description"] = description
        if state is not None:
            reason = "" if state is EndpointState.ACTIVE else "by hand"
            values |= {"state": state.value, "disabled_reason": reason, "failing_since_us": None}
        with self._database.writing() as connection:
            found_endpoint(connection, tenant, endpoint_id)
            if values:
                set_endpoint(connection, endpoint_id, values)
            return found_endpoint(connection, tenant, endpoint_id)

    def rotate(self, tenant: str, endpoint_id: str, overlap_us: int) -> NewSecret:
        """Rule 2. Raises NotFoundError."""
        with self._database.writing() as connection:
            before = found_endpoint(connection, tenant, endpoint_id)
            values = {
                "secret_nonce": self._draw(_NONCE_BYTES),
                "previous_nonce": before.secret_nonce,
                "previous_until_us": self._now_us() + overlap_us,
            }
            set_endpoint(connection, endpoint_id, values)
            return self._with_secret(found_endpoint(connection, tenant, endpoint_id))

    def delete(self, tenant: str, endpoint_id: str) -> None:
        """With its deliveries. Raises NotFoundError."""
        with self._database.writing() as connection:
            found_endpoint(connection, tenant, endpoint_id)
            for table in (WEBHOOK_ATTEMPTS, WEBHOOK_DELIVERIES, WEBHOOK_ENDPOINTS):
                connection.execute(delete(table).where(table.c.endpoint_id == endpoint_id))

    def _with_secret(self, endpoint: WebhookEndpoint) -> NewSecret:
        secret = secret_of(self._key, endpoint.endpoint_id, endpoint.secret_nonce)
        return NewSecret(endpoint, secret_text(secret))

    def _check(self, url: str | None, fact_types: Sequence[str] | None) -> None:
        mistakes = [] if url is None else [FieldMistake("url", each) for each in self._url_mistakes(url)]
        if fact_types is not None:
            mistakes += _type_mistakes(fact_types)
        if mistakes:
            raise InvalidRequestError(*mistakes)

    def _url_mistakes(self, url: str) -> list[str]:
        if len(url.encode()) > URL_BYTES_MAX:
            return [f"has more than {URL_BYTES_MAX} bytes"]
        problems = list(url_problems(url))
        if problems:
            return problems
        try:
            checked_addresses(url, self._look_up, allow_private=self._allow_private)
        except AddressRefusedError as error:
            return [str(error)]
        except OSError:
            # It may be there tomorrow: the deliverer looks again.
            return []
        return []


def found_endpoint(connection: Connection, tenant: str, endpoint_id: str) -> WebhookEndpoint:
    """Raises NotFoundError."""
    columns = WEBHOOK_ENDPOINTS.c
    row = connection.execute(
        select(WEBHOOK_ENDPOINTS).where(columns.tenant == tenant, columns.endpoint_id == endpoint_id)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no webhook endpoint {endpoint_id[:64]!r}")
    return WebhookEndpoint.of(row)


def set_endpoint(connection: Connection, endpoint_id: str, values: dict[str, Any]) -> None:
    connection.execute(
        update(WEBHOOK_ENDPOINTS).where(WEBHOOK_ENDPOINTS.c.endpoint_id == endpoint_id).values(**values)
    )


def _type_mistakes(fact_types: Sequence[str]) -> list[FieldMistake]:
    if not fact_types:
        return [FieldMistake("event_types", "is empty: name types, or * for all")]
    objects = {each.value.partition(".")[0] for each in FactType}
    known = {_EVERYTHING, *(each.value for each in FactType), *(f"{each}.*" for each in objects)}
    return [
        FieldMistake(f"event_types[{i}]", f"{each[:64]!r} is no type, nor OBJECT.* nor *")
        for i, each in enumerate(fact_types)
        if each not in known
    ]
