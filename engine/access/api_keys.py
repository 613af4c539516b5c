"""An API key: `mlk_<id>_<secret>`, and what is kept of it.

Rules:
1. The secret is 24 random bytes, so that it can't be guessed and needs no slow hash. It is shown once, when it is made.
2. What is kept is HMAC-SHA256 of the whole text under a key of the data directory: who reads the database alone can
   neither use a key nor make one.
3. A key may be shown by a client certificate instead of a text: it then has a subject and no secret, and whoever holds a
   certificate of that name, signed by an authority that the engine trusts, holds the key.
4. Whether a presented text is the key's is found by comparing hashes in a time that does not depend on them.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.access.caller import Caller, Scope

_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 24
_FORM: Final = re.compile(rf"mlk_([0-9a-f]{{{2 * _ID_BYTES}}})_[0-9a-f]{{{2 * _SECRET_BYTES}}}")
_ID_FORM: Final = re.compile(rf"[0-9a-f]{{{2 * _ID_BYTES}}}")
HASH_KEY_BYTES: Final = 32

RandomHex = Callable[[int], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key without its secret. Instants are microseconds since 1970; None: never. `created_by` is the credential that
    made it, in the words of Caller.credential, or "engine".
    """

    key_id: str
    tenant: str
    name: str
    scopes: frozenset[Scope]
    customer_id: str | None
    created_at_us: int
    created_by: str
    expires_at_us: int | None = None
    revoked_at_us: int | None = None
    certificate_subject: str | None = None

    def is_over(self, now_us: int) -> bool:
        """Whether it is revoked or has expired."""
        expired = self.expires_at_us is not None and self.expires_at_us <= now_us
        return expired or self.revoked_at_us is not None

    @property
    def caller(self) -> Caller:
        return Caller(self.tenant, credential_of(self.key_id), self.scopes, self.customer_id)


def credential_of(key_id: str) -> str:
    """How logs and the audit log name a key: Caller.credential."""
    return f"key:{key_id}"


def new_key_text(random_hex: RandomHex) -> str:
    """A key that nobody has yet; `random_hex(n)` gives n random bytes in hex, such as secrets.token_hex."""
    return f"mlk_{random_hex(_ID_BYTES)}_{random_hex(_SECRET_BYTES)}"


def key_id_of(text: str) -> str | None:
    """The id in the text of a key; None if the text is not a key's."""
    found = _FORM.fullmatch(text)
    return found[1] if found else None


def shown_key_id(text: str) -> str:
    """The id of a key that is given by its id or by its whole text; empty for neither. Safe to show."""
    if _ID_FORM.fullmatch(text):
        return text
    return key_id_of(text) or ""


class KeyHasher:
    """Hashes the texts of keys under one key."""

    def __init__(self, hash_key: bytes) -> None:
        """Raises ValueError for a key of another length than HASH_KEY_BYTES."""
        if len(hash_key) != HASH_KEY_BYTES:
            raise ValueError(f"the key has {len(hash_key)} bytes instead of {HASH_KEY_BYTES}")
        self._hash_key = hash_key

    def hash(self, text: str) -> str:
        """In hex."""
        return hmac.new(self._hash_key, text.encode(), hashlib.sha256).hexdigest()

    def for_purpose(self, purpose: str) -> "KeyHasher":
        """One under a key that is derived from this one's: its hashes say nothing of this one's, nor of another purpose's."""
        return KeyHasher(hmac.digest(self._hash_key, f"purpose: {purpose}".encode(), "sha256"))

    def is_hash_of(self, kept: str, text: str) -> bool:
        return hmac.compare_digest(kept, self.hash(text))
