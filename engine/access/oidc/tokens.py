"""People's sign-on: an OIDC provider's signed token (JWT) in the place of an API key.

Rules:
1. A token counts if the provider that the operator named has signed it for this engine: its signature by one of the
   provider's own keys and an asymmetric algorithm, its issuer, its audience, and its time (`exp` required; a clock that is
   off by _LEEWAY_S is forgiven). Nothing is read of one that doesn't.
2. Its claims say what it allows: a tenant that there is, scopes by their names with "meterline:" before them, and perhaps
   one customer. What they don't say is denied. There is no tenant by default.
3. Whatever is wrong with a token, the caller hears the same words. What it was stands in the metrics.
4. A token can't be revoked: it ends with its `exp`. Providers make them short.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError

from engine.access.caller import Caller, Scope
from engine.access.oidc.signing_keys import SigningKeys
from engine.access.oidc.token_rules import TokenRules
from engine.errors import UnauthenticatedError
from engine.recent_answers import RecentAnswers

ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
_LEEWAY_S: Final = 30
_SCOPE_PREFIX: Final = "meterline:"
# An ample one with a hundred groups is about 8 KiB, and the header of a call may be no longer.
_TOKEN_BYTES_MAX: Final = 8_192
_NAME_CHARACTERS_MAX: Final = 128
# To check a signature costs about 0.1 ms; a stream asks for each message.
_KNOWN_NS: Final = 10_000_000_000
_KNOWN_MAX: Final = 10_000
_INVALID: Final = "the token is not valid: sign in again with the provider that the engine trusts"


class Tokens:
    """Thread-safe. `has_tenant`: whether there is one of this name."""

    def __init__(
        self,
        rules: TokenRules,
        keys: SigningKeys,
        has_tenant: Callable[[str], bool],
        now_us: Callable[[], int],
        monotonic_ns: Callable[[], int],
    ) -> None:
        self._rules = rules
        self._keys = keys
        self._has_tenant = has_tenant
        self._now_us = now_us
        self._known: RecentAnswers[bytes, tuple[int, Caller]] = RecentAnswers(
            monotonic_ns, _KNOWN_NS, _KNOWN_MAX
        )

    def caller(self, token: str) -> Caller:
        """Whose token it is.

        Raises:
            UnauthenticatedError: it does not count.
            StoreUnavailableError: the provider, or the database, does not answer.
        """
        if len(token) > _TOKEN_BYTES_MAX or not token.isascii():
            raise UnauthenticatedError(_INVALID, "token")
        digest = hashlib.sha256(token.encode()).digest()
        ends_s, caller = self._known.of(digest, lambda _known: self._read(token))
        if self._now_us() // 1_000_000 >= ends_s + _LEEWAY_S:
            raise UnauthenticatedError(_INVALID, "token expired")
        return caller

    def _read(self, token: str) -> tuple[int, Caller]:
        claims = self._claims(token)
        caller = caller_of(claims, self._rules)
        if not self._has_tenant(caller.tenant):
            raise UnauthenticatedError(_INVALID, "token claims")
        return int(claims["exp"]), caller

    def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            decoded = jwt.decode(token, self._keys.find, algorithms=ALGORITHMS)
            jwt.JWTClaimsRegistry(
                now=self._now_us() // 1_000_000,
                leeway=_LEEWAY_S,
                iss={"essential": True, "value": self._rules.issuer},
                aud={"essential": True, "value": self._rules.audience},
                exp={"essential": True},
                sub={"essential": True},
            ).validate(decoded.claims)
        except ExpiredTokenError:
            raise UnauthenticatedError(_INVALID, "token expired") from None
        except (JoseError, ValueError, TypeError, KeyError):
            # The library's own errors, and what it raises of a text that is no token at all.
            raise UnauthenticatedError(_INVALID, "token") from None
        return decoded.claims


def caller_of(claims: Mapping[str, Any], rules: TokenRules) -> Caller:
    """Whom the claims of a token that counts stand for: rule 2.

    Raises:
        UnauthenticatedError: they name no tenant, or something that is not a name.
    """
    tenant, subject = _name(claims.get(rules.tenant_claim)), _name(claims.get("sub"))
    given = claims.get(rules.scopes_claim, ())
    words = given.split() if isinstance(given, str) else given
    if not isinstance(words, list | tuple):
        raise UnauthenticatedError(_INVALID, "token claims")
    names = {each.value for each in Scope}
    found = (str(word).removeprefix(_SCOPE_PREFIX) for word in words if str(word).startswith(_SCOPE_PREFIX))
    scopes = frozenset(Scope(name) for name in found if name in names)
    customer = claims.get(rules.customer_claim)
    return Caller(tenant, f"oidc:{subject}", scopes, None if customer is None else _name(customer))


def _name(value: object) -> str:
    if isinstance(value, str) and 0 < len(value) <= _NAME_CHARACTERS_MAX and value.isprintable():
        return value
    raise UnauthenticatedError(_INVALID, "token claims")
