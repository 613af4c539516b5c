"""API keys and tenants made, rotated and revoked.

Rules:
1. Nobody gives away a scope that they lack. The scope `operate` is for the engine's own operators: a new tenant's first
   key has every other.
2. Names in certificates are the engine's, not a tenant's: only who holds `operate` binds one to a key.
3. A key that is bound to a customer holds scopes to read that customer only.
4. A rotation makes a key of the same name, scopes, customer and expiry, unless it is given another. The older one works on for the overlap.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from engine.access.access_store import AccessStore, Tenant, no_such_key
from engine.access.api_keys import ApiKey, KeyHasher, RandomHex, key_id_of, new_key_text
from engine.access.caller import Caller, Scope
from engine.errors import FieldMistake, InvalidRequestError, KeyEndedError

CUSTOMER_SCOPES: Final = frozenset({Scope.READ, Scope.BILL, Scope.BUDGET})
_TENANT_SCOPES: Final = frozenset(Scope) - {Scope.OPERATE}


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key with its text, which is shown this once."""

    key: ApiKey
    text: str


class KeyRing:
    """Thread-safe. Every method raises StoreUnavailableError if the database does not answer."""

    def __init__(
        self,
        store: AccessStore,
        hasher: KeyHasher,
        forget: Callable[[ApiKey], None],
        now_us: Callable[[], int],
        random_hex: RandomHex,
    ) -> None:
        """`forget` is told every key that has changed."""
        self._store = store
        self._hasher = hasher
        self._forget = forget
        self._now_us = now_us
        self._random_hex = random_hex

    def create(
        self,
        caller: Caller,
        name: str,
        scopes: frozenset[Scope],
        customer_id: str | None,
        expires_at_us: int | None,
        certificate_subject: str | None = None,
    ) -> NewKey:
        """A key of the caller's tenant; one that certificates of a name show has no text.

        Raises:
            PermissionDeniedError: the caller lacks one of the scopes.
            AlreadyExistsError: certificates of this name show another key.
            InvalidRequestError: it would be bound to a customer with other scopes, or be of the past.
        """
        caller.check_may_grant(scopes)
        if certificate_subject is not None:
            caller.check_scope(Scope.OPERATE)
        if customer_id is not None and not scopes <= CUSTOMER_SCOPES:
            raise InvalidRequestError(
                FieldMistake(
                    "scopes", "a key that is bound to a customer holds read, bill and budget at most"
                )
            )
        self._check_expiry(expires_at_us)
        made = self._new(caller.tenant, caller.credential, name, scopes)
        key = replace(
            made.key,
            customer_id=customer_id,
            expires_at_us=expires_at_us,
            certificate_subject=certificate_subject,
        )
        if certificate_subject is not None:
            self._store.add_key(key, "")
            # A key of the same name that has ended may be remembered.
            self._forget(key)
            return NewKey(key, "")
        self._store.add_key(key, self._hasher.hash(made.text))
        return NewKey(key, made.text)

    def rotate(
        self, caller: Caller, key_id: str, overlap_us: int, expires_at_us: int | None
    ) -> tuple[NewKey, ApiKey]:
        """The key that takes over from another, and that one as it is now.

        Raises:
            NotFoundError: the tenant has no such key.
            KeyEndedError: it is revoked or has expired, or certificates show it.
            PermissionDeniedError: the caller lacks one of its scopes.
            InvalidRequestError: the new key would be of the past.
        """
        old = self._mine(caller, key_id)
        now_us = self._now_us()
        if old.is_over(now_us):
            raise KeyEndedError(f"the key {key_id} is revoked or has expired: create a new one")
        if old.certificate_subject is not None:
            raise KeyEndedError(
                f"certificates show the key {key_id}, which has no text: renew the certificate"
            )
        caller.check_may_grant(old.scopes)
        self._check_expiry(expires_at_us)
        made = self._new(caller.tenant, caller.credential, old.name, old.scopes)
        if expires_at_us is None:
            expires_at_us = old.expires_at_us
        made = replace(made, key=replace(made.key, customer_id=old.customer_id, expires_at_us=expires_at_us))
        self._store.replace_key(key_id, made.key, self._hasher.hash(made.text), now_us + overlap_us)
        self._forget(old)
        return made, self._mine(caller, key_id)

    def revoke(self, caller: Caller, key_id: str) -> ApiKey:
        """The key as it is now.

        Raises:
            NotFoundError: the tenant has no such key.
            PermissionDeniedError: the caller lacks one of its scopes.
        """
        caller.check_may_grant(self._mine(caller, key_id).scopes)
        revoked = self._store.revoke_key(caller.tenant, key_id, self._now_us())
        self._forget(revoked)
        return revoked

    def create_tenant(self, caller: Caller, tenant: str) -> tuple[Tenant, NewKey]:
        """A tenant with its first key.

        Raises:
            AlreadyExistsError: there is such a tenant.
        """
        created_at_us = self._now_us()
        made = self._new(tenant, caller.credential, "first admin key", _TENANT_SCOPES)
        self._store.add_tenant(tenant, created_at_us, made.key, self._hasher.hash(made.text))
        return Tenant(tenant, created_at_us), made

    def _new(self, tenant: str, created_by: str, name: str, scopes: frozenset[Scope]) -> NewKey:
        text = new_key_text(self._random_hex)
        return NewKey(
            ApiKey(
                key_id=key_id_of(text) or "",
                tenant=tenant,
                name=name,
                scopes=scopes,
                customer_id=None,
                created_at_us=self._now_us(),
                created_by=created_by,
            ),
            text,
        )

    def _mine(self, caller: Caller, key_id: str) -> ApiKey:
        kept = self._store.key(key_id)
        if kept is None or kept.key.tenant != caller.tenant:
            raise no_such_key(key_id)
        return kept.key

    def _check_expiry(self, expires_at_us: int | None) -> None:
        if expires_at_us is not None and expires_at_us <= self._now_us():
            raise InvalidRequestError(FieldMistake("expires_at", "is not in the future"))
