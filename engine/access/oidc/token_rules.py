"""Which tokens of people count, in the operator's words. Light: the configuration knows it, and every command loads that."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_LOOPBACK: Final = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """`issuer`: the URL of the provider, exactly as its tokens name it. `audience`: what stands for this engine. The
    claims are names of what a token says (engine.access.oidc.tokens, rule 2).
    """

    issuer: str
    audience: str
    tenant_claim: str
    scopes_claim: str
    customer_claim: str


def is_safe_url(url: str) -> bool:
    """https, or http on this machine's own loopback; without user and password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    return is_safe and bool(parts.hostname) and not parts.username and not parts.fragment
