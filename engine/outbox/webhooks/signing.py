"""Secrets, ids and signatures of messages, as Standard Webhooks 1.0.0 says (symmetric, `v1`). Pure.

1. No secret is stored. It is derived from the deployment's key, which API keys are hashed under too, and from a random
   text in the endpoint's row: whoever reads the database alone, where that key is in a data directory, can't sign.
2. A message's id is the same in every attempt, to every endpoint. It is made from the fact's number and its instant, so
   that a number which a restored backup gives out again is another message.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

_PREFIX: Final = "whsec_"


def secret_of(key: bytes, endpoint_id: str, nonce: str) -> bytes:
    """32 bytes."""
    return hmac.new(key, f"webhook secret\0{endpoint_id}\0{nonce}".encode(), hashlib.sha256).digest()


def secret_text(secret: bytes) -> str:
    """As a receiver is given it."""
    return _PREFIX + base64.b64encode(secret).decode()


def message_id(tenant: str, number: int, recorded_at_us: int) -> str:
    digest = hashlib.sha256(f"{tenant}\0{number}\0{recorded_at_us}".encode()).hexdigest()
    return f"msg_{digest[:32]}"


def signatures(secrets: Iterable[bytes], of_id: str, timestamp_s: int, body: bytes) -> str:
    """The header webhook-signature: one for each secret that a receiver may have."""
    signed = f"{of_id}.{timestamp_s}.".encode() + body
    digests = (hmac.new(each, signed, hashlib.sha256).digest() for each in secrets)
    return " ".join(f"v1,{base64.b64encode(each).decode()}" for each in digests)
