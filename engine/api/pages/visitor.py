"""Who looks: the token of a signed link.

Rules:
1. A link has its token in the address. The first answer puts it into a cookie and leads to the page without it: the token stays in no
   address bar, no history and no Referer.
2. Scripts can't read the cookie, and it is sent to the page alone. It goes with the browser's session; the token's own end stands.
3. Where the page may stand in frames of other sites, browsers keep such cookies for each of those sites apart (Partitioned), and take
   them over TLS only.
4. No cookie but a link's is a credential here: an API key never belongs into a browser.
"""

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from engine.access.signed.spend_links import PREFIX
from engine.api.gate import Shown

TOKEN: Final = "token"  # noqa: S105 - the name of a parameter
_COOKIE: Final = "meterline_spend"


@dataclass(frozen=True, slots=True)
class Cookies:
    """path: where the page is, as browsers see it. is_secure: whether it is reached by TLS. in_frames: of other sites."""

    path: str
    is_secure: bool
    in_frames: bool

    def header(self, token: str) -> str:
        """Of Set-Cookie."""
        parts = [f"{_COOKIE}={token}", f"Path={self.path}", "HttpOnly"]
        if self.in_frames and self.is_secure:
            parts += ["Secure", "SameSite=None", "Partitioned"]
        else:
            parts += ["Secure"] if self.is_secure else []
            parts.append("SameSite=Lax")
        return "; ".join(parts)


def shown_by(request: Request) -> Shown:
    """The credential of whoever asks for a page: nothing but a link's token."""
    return shown_token(request.cookies.get(_COOKIE, ""))


def shown_token(token: str) -> Shown:
    return Shown(f"Bearer {token if token.startswith(PREFIX) else PREFIX}")
