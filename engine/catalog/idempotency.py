"""Idempotency keys: a write that is sent again with its key is answered as before, and changes nothing more.

Rules:
1. A key is a tenant's. It is written in the transaction of its write, so the two are there together or not at all; a
   write that is refused leaves none.
2. Beside a key stand the digest of its request and the revision that it made: the answer is read from that. The same key
   with another request is refused.
3. A key is good for KEPT_US, at least; each write with a key deletes the tenant's older ones, so there are as many as a
   tenant writes in that time.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from engine.catalog import limits
from engine.errors import FieldMistake, IdempotencyKeyUsedError, InvalidRequestError
from engine.sql.schema import IDEMPOTENCY_KEYS

# Two days: whoever sends again after a night, or a weekend's first day, is still known.
KEPT_US: Final = 48 * 3_600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Once:
    """A write that counts once: its key, and the SHA-256 of its request in hex."""

    key: str
    request_digest: str

    def __post_init__(self) -> None:
        """Raises InvalidRequestError for a key that is none."""
        if not (self.key.isascii() and self.key.isprintable() and self.key.strip() == self.key):
            raise InvalidRequestError(
                FieldMistake("idempotency_key", "must be printable ASCII, without blanks around it")
            )
        if len(self.key) > limits.IDEMPOTENCY_KEY_BYTES_MAX:
            raise InvalidRequestError(
                FieldMistake(
                    "idempotency_key",
                    f"has {len(self.key)} characters: at most {limits.IDEMPOTENCY_KEY_BYTES_MAX}",
                )
            )


@dataclass(frozen=True, slots=True)
class Remembered:
    """What came of a write: the revision after it, and how much it changed and left."""

    revision: int
    changed_count: int
    unchanged_count: int


def remembered(connection: Connection, tenant: str, once: Once) -> Remembered | None:
    """What came of the write with this key; None if there was none.

    Raises:
        IdempotencyKeyUsedError: it was another request's.
    """
    columns = IDEMPOTENCY_KEYS.c
    found = connection.execute(
        select(IDEMPOTENCY_KEYS).where(columns.tenant == tenant, columns.key == once.key)
    ).one_or_none()
    if found is None:
        return None
    if found.request_digest != once.request_digest:
        raise IdempotencyKeyUsedError(
            f"the idempotency key {once.key!r} was used for another request, which made or saw catalog revision "
            f"{found.revision}: give each write a key of its own"
        )
    return Remembered(found.revision, found.changed_count, found.unchanged_count)


def remember(connection: Connection, tenant: str, once: Once, what: Remembered, now_us: int) -> None:
    """In the transaction of the write."""
    columns = IDEMPOTENCY_KEYS.c
    connection.execute(
        delete(IDEMPOTENCY_KEYS).where(columns.tenant == tenant, columns.used_at_us < now_us - KEPT_US)
    )
    connection.execute(
        insert(IDEMPOTENCY_KEYS).values(
            tenant=tenant,
            key=once.key,
            request_digest=once.request_digest,
            used_at_us=now_us,
            revision=what.revision,
            changed_count=what.changed_count,
            unchanged_count=what.unchanged_count,
        )
    )
