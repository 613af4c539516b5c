"""A session of the operator's page: what an API key was exchanged for, until it ends.

A signed text (engine.access.signed.signed_texts), mlo_..., of [form, tenant, key id, expiry].

Rules:
1. It has the scopes that its key has now, and ends with it: revoked or expired, at this gateway at once. It ends by itself
   after SESSION_S.
2. A key that is bound to a customer gets none, and neither does who has no key.
3. It is no credential of a call: only pages take it, out of their cookie (engine.api.gate.Shown.session).
"""

from dataclasses import dataclass
from typing import Final

from engine.access.api_keys import KeyHasher
from engine.access.caller import Caller
from engine.access.signed.signed_texts import SignedTexts
from engine.errors import PermissionDeniedError, UnauthenticatedError

# A working day.
SESSION_S: Final = 8 * 60 * 60

_PURPOSE: Final = "meterline operator session 1"
_FORM: Final = 1
# The name of a tenant of 128 bytes, in JSON at worst six bytes for one, and a third more in base64.
_PAYLOAD_CHARACTERS_MAX: Final = 1_200
_US: Final = 1_000_000
_INVALID: Final = "nobody is signed in: sign in with an API key"
_EXPIRED: Final = "the session is over: sign in again"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSession:
    """What a session says."""

    tenant: str
    key_id: str
    expires_at_s: int


class OperatorSessions:
    """Makes sessions and reads them."""

    def __init__(self, hasher: KeyHasher) -> None:
        self._texts = SignedTexts(hasher, _PURPOSE, "mlo_", _PAYLOAD_CHARACTERS_MAX, _INVALID)

    def of(self, caller: Caller, now_us: int) -> str:
        """The text of a new session.

        Raises:
            PermissionDeniedError: the caller reads one customer alone, or has no API key.
        """
        check_operator(caller)
        if not caller.key_id:
            raise PermissionDeniedError("the page is signed in to with an API key: meterline keys create")
        return self.text(
            OperatorSession(
                tenant=caller.tenant, key_id=caller.key_id, expires_at_s=now_us // _US + SESSION_S
            )
        )

    def text(self, session: OperatorSession) -> str:
        return self._texts.text([_FORM, session.tenant, session.key_id, session.expires_at_s])

    def read(self, text: str, now_us: int) -> OperatorSession:
        """One that this deployment signed, and that is not over; whether its key still holds is not asked.

        Raises:
            UnauthenticatedError: it is none.
        """
        fields, _ = self._texts.read(text)
        if fields[0] != _FORM:
            raise UnauthenticatedError(_INVALID, "malformed")
        _, tenant, key_id, expires_at_s = fields
        if expires_at_s * _US <= now_us:
            raise UnauthenticatedError(_EXPIRED, "expired")
        return OperatorSession(tenant=tenant, key_id=key_id, expires_at_s=expires_at_s)


def check_operator(caller: Caller) -> None:
    """Raises PermissionDeniedError for a credential that reads one customer alone."""
    if caller.customer_id is not None:
        raise PermissionDeniedError("the credential is bound to one customer: the page is of all of them")
