"""Tenants and API keys, in the catalog database.

Rows are never deleted: a key that was revoked or has expired still says whose calls the audit log names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, select, update

from engine.access.api_keys import ApiKey
from engine.access.caller import Scope
from engine.errors import AlreadyExistsError, KeyEndedError, NotFoundError
from engine.sql.database import Database
from engine.sql.schema import API_KEYS, TENANTS

# What lies in one order: by instant and, within one, by id.
_KEYS_ORDER: Final = (API_KEYS.c.created_at_us, API_KEYS.c.key_id)


@dataclass(frozen=True, slots=True)
class Tenant:
    """`created_at_us`: microseconds since 1970."""

    tenant: str
    created_at_us: int


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A key with the hash of its text."""

    key: ApiKey
    secret_hash: str


class AccessStore:
    """Thread-safe. Every method raises StoreUnavailableError if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def has_tenant(self, tenant: str) -> bool:
        with self._database.reading() as connection:
            return connection.execute(select(TENANTS).where(TENANTS.c.tenant == tenant)).first() is not None

    def add_tenant(self, tenant: str, created_at_us: int, key: ApiKey, secret_hash: str) -> None:
        """A tenant with its first key. Raises AlreadyExistsError."""
        with self._database.writing() as connection:
            if connection.execute(select(TENANTS).where(TENANTS.c.tenant == tenant)).first():
                raise AlreadyExistsError(f"there is a tenant {tenant!r} already: choose another name")
            connection.execute(insert(TENANTS).values(tenant=tenant, created_at_us=created_at_us))
            connection.execute(insert(API_KEYS).values(**_row_of(key), secret_hash=secret_hash))

    def tenants(self, after: str, count: int) -> list[Tenant]:
        """By name, those behind `after`."""
        wanted = (
            select(TENANTS.c.tenant, TENANTS.c.created_at_us)
            .where(TENANTS.c.tenant > after)
            .order_by(TENANTS.c.tenant)
            .limit(count)
        )
        with self._database.reading() as connection:
            return [Tenant(each.tenant, each.created_at_us) for each in connection.execute(wanted)]

    def has_keys(self) -> bool:
        """Whether any tenant ever had one."""
        with self._database.reading() as connection:
            return connection.execute(select(API_KEYS.c.key_id).limit(1)).first() is not None

    def add_key(self, key: ApiKey, secret_hash: str) -> None:
        """Raises AlreadyExistsError: the id is another key's."""
        with self._database.writing() as connection:
            if connection.execute(select(API_KEYS).where(API_KEYS.c.key_id == key.key_id)).one_or_none():
                raise AlreadyExistsError(f"there is a key {key.key_id} already: create another")
            _check_subject_is_free(connection, key)
            connection.execute(insert(API_KEYS).values(**_row_of(key), secret_hash=secret_hash))

    def key_of_certificate(self, subject: str) -> ApiKey | None:
        """The newest key that a certificate of this name shows."""
        wanted = (
            select(API_KEYS)
            .where(API_KEYS.c.certificate_subject == subject)
            .order_by(API_KEYS.c.created_at_us.desc(), API_KEYS.c.key_id)
            .limit(1)
        )
        with self._database.reading() as connection:
            found = connection.execute(wanted).one_or_none()
        return None if found is None else _key_of(found)

    def key(self, key_id: str) -> KeptKey | None:
        """The key of this id, of whichever tenant."""
        with self._database.reading() as connection:
            found = connection.execute(select(API_KEYS).where(API_KEYS.c.key_id == key_id)).one_or_none()
        return None if found is None else KeptKey(_key_of(found), found.secret_hash)

    def keys(self, tenant: str, after: tuple[int, str], count: int) -> list[ApiKey]:
        """A tenant's keys as they were made, those behind (created_at_us, key_id)."""
        columns = API_KEYS.c
        wanted = (
            select(API_KEYS)
            .where(columns.tenant == tenant)
            .where(
                (columns.created_at_us > after[0])
                | ((columns.created_at_us == after[0]) & (columns.key_id > after[1]))
            )
            .order_by(*_KEYS_ORDER)
            .limit(count)
        )
        with self._database.reading() as connection:
            return [_key_of(each) for each in connection.execute(wanted)]

    def replace_key(self, key_id: str, successor: ApiKey, secret_hash: str, expires_at_us: int) -> None:
        """Adds the key that takes over from another of its tenant, which expires then, or when it would anyway.

        Raises:
            KeyEndedError: the older key has been revoked meanwhile.
        """
        columns = API_KEYS.c
        with self._database.writing() as connection:
            old = connection.execute(select(API_KEYS).where(columns.key_id == key_id)).one()
            if _key_of(old).is_over(successor.created_at_us):
                raise KeyEndedError(f"the key {key_id} is revoked or has expired: create a new one")
            connection.execute(insert(API_KEYS).values(**_row_of(successor), secret_hash=secret_hash))
            connection.execute(
                update(API_KEYS)
                .where(columns.tenant == successor.tenant, columns.key_id == key_id)
                .where(columns.expires_at_us.is_(None) | (columns.expires_at_us > expires_at_us))
                .values(expires_at_us=expires_at_us)
            )

    def revoke_key(self, tenant: str, key_id: str, revoked_at_us: int) -> ApiKey:
        """The key as it is now; one that was revoked before stays as it is.

        Raises:
            NotFoundError: the tenant has no such key.
        """
        columns = API_KEYS.c
        mine = (columns.tenant == tenant, columns.key_id == key_id)
        with self._database.writing() as connection:
            connection.execute(
                update(API_KEYS)
                .where(*mine)
                .values(revoked_at_us=func.coalesce(columns.revoked_at_us, revoked_at_us))
            )
            found = connection.execute(select(API_KEYS).where(*mine)).one_or_none()
        if found is None:
            raise no_such_key(key_id)
        return _key_of(found)


def _check_subject_is_free(connection: Connection, key: ApiKey) -> None:
    """One name in a certificate stands for one key, of one tenant."""
    if key.certificate_subject is None:
        return
    columns = API_KEYS.c
    others = connection.execute(
        select(API_KEYS).where(columns.certificate_subject == key.certificate_subject)
    )
    if any(not _key_of(each).is_over(key.created_at_us) for each in others):
        raise AlreadyExistsError(
            f"certificates of {key.certificate_subject!r} have a key already: revoke that one first"
        )


def no_such_key(key_id: str) -> NotFoundError:
    return NotFoundError(f"there is no API key {key_id!r}: see meterline keys list")


def _row_of(key: ApiKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "tenant": key.tenant,
        "name": key.name,
        "scopes": " ".join(each.value for each in in_order(key.scopes)),
        "customer_id": key.customer_id,
        "created_at_us": key.created_at_us,
        "created_by": key.created_by,
        "expires_at_us": key.expires_at_us,
        "revoked_at_us": key.revoked_at_us,
        "certificate_subject": key.certificate_subject,
    }


def _key_of(row: Row[Any]) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        tenant=row.tenant,
        name=row.name,
        scopes=frozenset(map(Scope, row.scopes.split())),
        customer_id=row.customer_id,
        created_at_us=row.created_at_us,
        created_by=row.created_by,
        expires_at_us=row.expires_at_us,
        revoked_at_us=row.revoked_at_us,
        certificate_subject=row.certificate_subject,
    )


def in_order(scopes: frozenset[Scope]) -> Sequence[Scope]:
    """As they are listed everywhere."""
    return [each for each in Scope if each in scopes]
