"""Who looks at the operator's page: an API key is exchanged once for a session, which a cookie has.

Rules:
1. The key is typed into a form and sent once. What the browser keeps is a session (engine.access.signed.operator_sessions): scripts can't read
   it, no form or link of another site sends it (SameSite=Strict), and it is no credential of a call.
2. A proxy that signs people in by OIDC may send their token instead, in the header Authorization, with each request.
3. A form of another site is refused: a browser says where a form comes from (Sec-Fetch-Site, or Origin where it can't).
   What ends a session carries a text besides that is made from it.
4. Whoever isn't signed in sees the form, and comes after it to where they were: an address of the page, and no other.
"""

import hashlib
import hmac
import re
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from engine.access.authenticator import AUTHORIZATION
from engine.access.signed.operator_sessions import SESSION_S
from engine.api.gate import Shown
from engine.errors import FieldMistake, InvalidRequestError, PermissionDeniedError

BASE: Final = "/operator"
BODY_BYTES_MAX: Final = 8 * 1024
# What a request without a credential shows: a session that is none.
_NOBODY: Final = "nobody"
_COOKIE: Final = "meterline_operator"
_PURPOSE: Final = b"meterline operator form 1"
_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_FIELDS_MAX: Final = 10
_PLACE: Final = re.compile(rf"{BASE}(?:[/?][A-Za-z0-9/?&=%._~:+-]*)?")
_TLS: Final = "https"


def shown_by(request: Request) -> Shown:
    """The credential of whoever asks for a page."""
    authorization = request.headers.get(AUTHORIZATION)
    if authorization is not None:
        return Shown(authorization)
    return Shown(None, session=request.cookies.get(_COOKIE) or _NOBODY)


def shown_key(typed: str) -> Shown:
    """Of the form: an API key, as calls send it."""
    return Shown(f"Bearer {typed}")


def session_cookie(request: Request, session: str) -> str:
    """Of Set-Cookie; an empty session ends the one that there is."""
    parts = [f"{_COOKIE}={session}", f"Path={BASE}", f"Max-Age={SESSION_S if session else 0}", "HttpOnly"]
    if _TLS in (request.url.scheme, request.headers.get("x-forwarded-proto", "")):
        parts.append("Secure")
    return "; ".join([*parts, "SameSite=Strict"])


def form_token(shown: Shown) -> str:
    """What proves that a form comes from a page of this session."""
    return hmac.new(shown.session.encode(), _PURPOSE, hashlib.sha256).hexdigest()


def check_form_token(sent: dict[str, str], shown: Shown) -> None:
    """Raises PermissionDeniedError."""
    if not hmac.compare_digest(sent.get("form_token", "").encode(), form_token(shown).encode()):
        raise PermissionDeniedError("the form is not of this session: open the page again")


def check_same_site(request: Request) -> None:
    """Raises PermissionDeniedError for a form of another site. Who sends neither header is no browser."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_own = site == "same-origin"
    else:
        is_own = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not is_own:
        raise PermissionDeniedError("the form is not of this page: open the page, and send it from there")


def read_form(request: Request, body: bytes) -> dict[str, str]:
    """Raises InvalidRequestError."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM_TYPE:
        raise InvalidRequestError(FieldMistake("content_type", f"is not {_FORM_TYPE}"))
    try:
        return dict(
            parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict")
        )
    except ValueError:
        raise InvalidRequestError(FieldMistake("body", "is not a form of this page")) from None


def place_of(request: Request) -> str:
    """Where whoever signs in wanted to be."""
    query = request.url.query
    return own_place(f"{request.url.path}?{query}" if query else request.url.path)


def own_place(place: str) -> str:
    """An address of the page; the first one for any other."""
    is_own = _PLACE.fullmatch(place) and not place.startswith((f"{BASE}/sign-", f"{BASE}//"))
    return place if is_own else BASE
