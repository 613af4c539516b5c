"""From what a call carries to who calls.

Rules:
1. A call carries `authorization: Bearer mlk_<id>_<secret>`.
2. Whatever is wrong with a key, the caller hears the same words, after the same work: an unknown id is compared with a
   hash, too. Which it was stands in the metrics and the log.
3. What was read of a key is remembered for _AGE_MAX_NS, so a revocation at one gateway holds at another after that; at
   the gateway that revoked it, at once (`forget`). That a key is unknown is never remembered.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from engine.access.access_store import AccessStore, KeptKey
from engine.access.api_keys import KeyHasher, key_id_of
from engine.access.caller import Caller
from engine.errors import UnauthenticatedError

AUTHORIZATION: Final = "authorization"
_SCHEME: Final = "bearer "
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
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._now_us = now_us
        self._monotonic_ns = monotonic_ns
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[int, KeptKey]] = OrderedDict()
        # Moves with every `forget`: what was read before it is not remembered after it.
        self._forgotten = 0
        self._nobody = hasher.hash("nobody")

    def caller(self, authorization: str | None) -> Caller:
        """Who sends this header.

        Raises:
            UnauthenticatedError: nobody whom the engine knows.
            StoreUnavailableError: the database does not answer.
        """
        if not authorization:
            raise UnauthenticatedError(_MISSING, "missing")
        text = authorization[len(_SCHEME) :] if authorization[: len(_SCHEME)].lower() == _SCHEME else ""
        key_id = key_id_of(text)
        if key_id is None:
            raise UnauthenticatedError(_INVALID, "malformed")
        kept = self._kept(key_id)
        is_secret = self._hasher.is_hash_of(self._nobody if kept is None else kept.secret_hash, text)
        if kept is None:
            raise UnauthenticatedError(_INVALID, "unknown")
        if not is_secret:
            raise UnauthenticatedError(_INVALID, "wrong secret")
        if kept.key.revoked_at_us is not None:
            raise UnauthenticatedError(_INVALID, "revoked")
        if kept.key.expires_at_us is not None and kept.key.expires_at_us <= self._now_us():
            raise UnauthenticatedError(_INVALID, "expired")
        return kept.key.caller

    def forget(self, key_id: str) -> None:
        """What was read of this key holds no longer."""
        with self._lock:
            self._known.pop(key_id, None)
            self._forgotten += 1

    def _kept(self, key_id: str) -> KeptKey | None:
        now_ns = self._monotonic_ns()
        with self._lock:
            known = self._known.get(key_id)
            forgotten = self._forgotten
        if known is not None and now_ns - known[0] < _AGE_MAX_NS:
            return known[1]
        found = self._store.key(key_id)
        with self._lock:
            if found is None:
                self._known.pop(key_id, None)
                return None
            if forgotten == self._forgotten:
                self._known[key_id] = (now_ns, found)
                self._known.move_to_end(key_id)
                if len(self._known) > _KEPT_MAX:
                    self._known.popitem(last=False)
        return found
