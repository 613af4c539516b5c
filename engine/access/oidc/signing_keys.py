"""The public keys of an OIDC provider, by which it signs tokens: read over HTTPS, and read again when it changes them.

Rules:
1. Where they are, the provider's own discovery document says, which must name the very issuer that was asked.
2. They are read when a token needs one, and again when they are old or a token names a key that is not among them: so a
   provider changes its keys without telling anybody. Whoever sends tokens of keys that nobody has, makes the engine ask
   once in _RETRY_S at most.
3. A provider that does not answer leaves the keys that are known in use for _STALE_S. After that its tokens are refused
   for now, never believed.
4. What is read is bounded, in size and time, and follows no redirect to another place.
"""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, Final

import structlog
from joserfc.errors import JoseError, MissingKeyError
from joserfc.jwk import GuestProtocol, Key, KeySet

from engine.access.oidc.token_rules import is_safe_url
from engine.errors import StoreUnavailableError

_log = structlog.get_logger(__name__)
_DISCOVERY: Final = "/.well-known/openid-configuration"
_FRESH_S: Final = 600
_RETRY_S: Final = 30
_STALE_S: Final = 24 * 3_600
_TIMEOUT_S: Final = 5
_BYTES_MAX: Final = 1 << 20
_S_NS: Final = 1_000_000_000


class SigningKeys:
    """Thread-safe; one thread at a time asks the provider, and others go on with what is known."""

    def __init__(self, issuer: str, monotonic_ns: Callable[[], int]) -> None:
        self._issuer = issuer
        self._monotonic_ns = monotonic_ns
        self._asking = threading.Lock()
        self._known = KeySet([])
        self._read_ns: int | None = None
        self._asked_ns: int | None = None

    def find(self, token: GuestProtocol) -> Key:
        """The key that a token says it was signed by.

        Raises:
            MissingKeyError: the provider has no such key.
            StoreUnavailableError: it does not answer, and nothing is known for sure.
        """
        key_id = token.headers().get("kid")
        if self._age_s() < _FRESH_S and (found := self._of(key_id)):
            return found
        self._ask()
        if self._age_s() >= _STALE_S:
            raise StoreUnavailableError(
                "the provider of tokens does not answer: try again later", retry_after_ms=_RETRY_S * 1_000
            )
        found = self._of(key_id)
        if found is None:
            raise MissingKeyError
        return found

    def _of(self, key_id: object) -> Key | None:
        keys = [key for key in self._known.keys if key.get("use", "sig") == "sig"]
        if key_id is None:
            return keys[0] if len(keys) == 1 else None
        return next((key for key in keys if key.kid == key_id), None)

    def _age_s(self) -> float:
        return float("inf") if self._read_ns is None else (self._monotonic_ns() - self._read_ns) / _S_NS

    def _ask(self) -> None:
        with self._asking:
            now_ns = self._monotonic_ns()
            if self._asked_ns is not None and now_ns - self._asked_ns < _RETRY_S * _S_NS:
                return
            self._asked_ns = now_ns
            try:
                self._known = self._read()
                self._read_ns = now_ns
            except (OSError, ValueError, KeyError, TypeError, JoseError) as error:
                _log.warning(
                    "the provider of tokens does not answer", issuer=self._issuer, error=type(error).__name__
                )

    def _read(self) -> KeySet:
        found = _get(self._issuer.rstrip("/") + _DISCOVERY)
        if found["issuer"] != self._issuer:
            raise ValueError("the document is of another issuer")
        keys_url = str(found["jwks_uri"])
        if not is_safe_url(keys_url):
            raise ValueError("the keys are not at a place that is safe")
        return KeySet.import_key_set(_get(keys_url))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return None


# A proxy of the environment is used, as by any client; http is this machine's own loopback (is_safe_url).
_OPENER: Final = urllib.request.build_opener(_NoRedirect)


def _get(url: str) -> Any:  # noqa: ANN401 - JSON
    with _OPENER.open(url, timeout=_TIMEOUT_S) as answer:
        text = answer.read(_BYTES_MAX + 1)
    if len(text) > _BYTES_MAX:
        raise ValueError("the document is too large")
    return json.loads(text)
