"""Texts that say something and prove that this deployment said it; nothing of them is kept.

    <prefix><base64url of fields in JSON>.<base64url of the signature>

Rules:
1. The signature is HMAC-SHA256 under a key that is derived, for one purpose alone, from the key under which API keys are hashed. What is
   kept of an API key is no signature of a text, nor is a text of one purpose any of another.
2. The signature is of the text before it and compared as text, in a time that does not depend on it: no other spelling is the text.
"""

import base64
import hmac
import json
import re
from collections.abc import Sequence
from typing import Any

from engine.access.api_keys import KeyHasher
from engine.errors import UnauthenticatedError


class SignedTexts:
    """Makes texts of one purpose, and reads them."""

    def __init__(
        self, hasher: KeyHasher, purpose: str, prefix: str, payload_characters_max: int, invalid: str
    ) -> None:
        """`invalid`: what whoever shows another text hears."""
        self._signer = hasher.for_purpose(purpose)
        self._prefix = prefix
        self._invalid = invalid
        self._form = re.compile(rf"{prefix}[A-Za-z0-9_-]{{1,{payload_characters_max}}}\.[A-Za-z0-9_-]{{43}}")

    def text(self, fields: Sequence[Any]) -> str:
        said = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        payload = self._prefix + _encoded(said.encode())
        return f"{payload}.{self._signature(payload)}"

    def read(self, text: str) -> tuple[list[Any], str]:
        """The fields, and the signature.

        Raises:
            UnauthenticatedError: this deployment did not sign it.
        """
        if not self._form.fullmatch(text):
            raise UnauthenticatedError(self._invalid, "malformed")
        payload, _, signature = text.partition(".")
        if not hmac.compare_digest(signature, self._signature(payload)):
            raise UnauthenticatedError(self._invalid, "wrong secret")
        fields: list[Any] = json.loads(_decoded(payload.removeprefix(self._prefix)))
        return fields, signature

    def _signature(self, payload: str) -> str:
        return _encoded(bytes.fromhex(self._signer.hash(payload)))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
