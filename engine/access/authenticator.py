"""From what a call carries to who calls.

Rules:
1. A call carries `authorization: Bearer mlk_<id>_<secret>`. One that doesn't is known by its client certificate, if it has
   one: by the first of its names that a key belongs to.
2. Whatever is wrong with a key, the caller hears the same words, after the same work: an unknown id is compared with a
   hash, too. Which it was stands in the metrics and the log, and the error names a key that is known, for its tenant's
   audit log.
3. A bearer that has the form of a signed token is one, where the operator named a provider (engine.access.oidc.tokens).
4. A bearer that begins as a signed link is one (engine.access.signed.spend_links): it holds as long as its signature, its customer and the
   API key that made it do.
   A session of the operator's page is none: pages ask `of_session` for it (engine.access.signed.operator_sessions).
5. What was read of a key is remembered for _AGE_MAX_NS, so a revocation at one gateway holds at another after that; at
   the gateway that revoked it, at once (`forget`). That a key is unknown is never remembered.
"""

from collections.abc import Callable, Sequence
from typing import Final

from engine.access.access_store import AccessStore, KeptKey
from engine.access.api_keys import ApiKey, KeyHasher, credential_of, key_id_of
from engine.access.caller import Caller
from engine.access.oidc.tokens import Tokens
from engine.access.signed.operator_sessions import OperatorSessions, check_operator
from engine.access.signed.spend_links import PREFIX as LINK_PREFIX
from engine.access.signed.spend_links import HasCustomer, SpendLinks, refused_link
from engine.errors import UnauthenticatedError
from engine.recent_answers import RecentAnswers

AUTHORIZATION: Final = "authorization"
_SCHEME: Final = "bearer "
# header.claims.signature
_TOKEN_DOTS: Final = 2
_CERTIFICATE: Final = "certificate:"
_AGE_MAX_NS: Final = 2_000_000_000
# About 1 KiB each. A tenant's portal may have a key for each customer.
_KEPT_MAX: Final = 50_000

_MISSING = (
    "the call has no credential: send an API key as metadata, authorization: Bearer mlk_..., "
    "or set METERLINE_API_KEY for the client and the command line"
)
_INVALID = (
    "the credential is not valid: use an API key that exists, is not revoked and has not expired "
    "(meterline keys list)"
)


class Authenticator:
    """Thread-safe."""

    def __init__(
        self,
        store: AccessStore,
        hasher: KeyHasher,
        now_us: Callable[[], int],
        monotonic_ns: Callable[[], int],
        tokens: Tokens | None = None,
        has_customer: HasCustomer = lambda _tenant, _customer_id: False,
    ) -> None:
        """`has_customer`: whose links are taken; without it nobody's."""
        self._has_customer = has_customer
        self._links = SpendLinks(hasher)
        self._sessions = OperatorSessions(hasher)
        self._store = store
        self._tokens = tokens
        self._hasher = hasher
        self._now_us = now_us
        self._known: RecentAnswers[str, KeptKey | None] = RecentAnswers(monotonic_ns, _AGE_MAX_NS, _KEPT_MAX)
        # What an unknown id, and the id of a certificate's key, are compared with.
        self._nobody = hasher.hash("nobody")

    def caller(self, authorization: str | None, subjects: Sequence[str] = ()) -> Caller:
        """Who sends this header, or has a certificate of these names.

        Raises:
            UnauthenticatedError: nobody whom the engine knows.
            StoreUnavailableError: the database does not answer.
        """
        if not authorization:
            return self._of_certificate(subjects)
        text = authorization[len(_SCHEME) :] if authorization[: len(_SCHEME)].lower() == _SCHEME else ""
        if text.startswith(LINK_PREFIX):
            return self._of_link(text)
        key_id = key_id_of(text)
        if key_id is None:
            if self._tokens is not None and text.count(".") == _TOKEN_DOTS:
                return self._tokens.caller(text)
            raise UnauthenticatedError(_INVALID, "malformed")
        kept = self._kept(key_id)
        secret_hash = "" if kept is None else kept.secret_hash
        is_secret = self._hasher.is_hash_of(secret_hash or self._nobody, text)
        if kept is None:
            raise UnauthenticatedError(_INVALID, "unknown", credential=credential_of(key_id))
        if not is_secret:
            raise _refused(kept.key, "wrong secret")
        return self._checked(kept.key).caller

    def new_session(self, caller: Caller) -> str:
        """The text of a session of the operator's page. Raises PermissionDeniedError: see OperatorSessions.of."""
        return self._sessions.of(caller, self._now_us())

    def of_session(self, text: str) -> Caller:
        """Whose session it is: whoever has its key, with the scopes that the key has.

        Raises:
            UnauthenticatedError: it is no session, or it or its key is over.
            StoreUnavailableError: the database does not answer.
        """
        session = self._sessions.read(text, self._now_us())
        kept = self._kept(session.key_id)
        if kept is None or kept.key.tenant != session.tenant:
            raise UnauthenticatedError(_INVALID, "unknown", credential=credential_of(session.key_id))
        caller = self._checked(kept.key).caller
        check_operator(caller)
        return caller

    def forget(self, key: ApiKey) -> None:
        """What was read of this key holds no longer."""
        self._known.forget(key.key_id)
        if key.certificate_subject is not None:
            self._known.forget(_place_of(key.certificate_subject))

    def _of_certificate(self, subjects: Sequence[str]) -> Caller:
        for subject in subjects:
            kept = self._kept(_place_of(subject))
            if kept is not None:
                return self._checked(kept.key).caller
        if subjects:
            raise UnauthenticatedError(_INVALID, "unknown certificate")
        raise UnauthenticatedError(_MISSING, "missing")

    def _of_link(self, text: str) -> Caller:
        read = self._links.read(text)
        read.check_time(self._now_us())
        link = read.link
        if link.key_id:
            kept = self._kept(link.key_id)
            if kept is None or kept.key.tenant != link.tenant or kept.key.is_over(self._now_us()):
                raise refused_link("revoked")
        if not self._has_customer(link.tenant, link.customer_id):
            raise refused_link("unknown")
        return read.caller

    def _checked(self, key: ApiKey) -> ApiKey:
        if key.revoked_at_us is not None:
            raise _refused(key, "revoked")
        if key.is_over(self._now_us()):
            raise _refused(key, "expired")
        return key

    def _kept(self, place: str) -> KeptKey | None:
        return self._known.of(place, lambda _known: self._read(place))

    def _read(self, place: str) -> KeptKey | None:
        if not place.startswith(_CERTIFICATE):
            return self._store.key(place)
        key = self._store.key_of_certificate(place.removeprefix(_CERTIFICATE))
        return None if key is None else KeptKey(key, "")


def _refused(key: ApiKey, reason: str) -> UnauthenticatedError:
    """Of a key whose id is known."""
    return UnauthenticatedError(_INVALID, reason, tenant=key.tenant, credential=credential_of(key.key_id))


def _place_of(subject: str) -> str:
    """Under which name the key of a certificate is remembered; ids of keys are hex digits."""
    return f"{_CERTIFICATE}{subject}"
