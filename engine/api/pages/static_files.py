"""What pages are made of, in memory: each under a name that changes with its content, so that a browser asks for it once.

A vendored file carries its version in its name; the page's own get a digest.
"""

import gzip
import hashlib
import importlib.resources
import mimetypes
from dataclasses import dataclass
from functools import cache
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

_AGE_MAX_S: Final = 31_536_000
_DIGEST_CHARACTERS: Final = 10
# Smaller ones don't become smaller.
_GZIP_BYTES_MIN: Final = 500
_KINDS: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    name: str
    content_type: str
    content: bytes
    packed: bytes
    etag: str


@cache
def static_files() -> dict[str, StaticFile]:
    """By the names under which they are in the package."""
    folder = importlib.resources.files(__package__ or "").joinpath("static")
    return {
        each.name: _read(each.name, each.read_bytes())
        for each in folder.iterdir()
        if not each.name.startswith("_")
    }


def static_name(name: str) -> str:
    """Under which a page asks for a file."""
    return static_files()[name].name


def static_response(request: Request, name: str) -> Response | None:
    """The file of this name; None if there is none."""
    found = next((each for each in static_files().values() if each.name == name), None)
    if found is None:
        return None
    headers = {
        "ETag": found.etag,
        "Cache-Control": f"public, max-age={_AGE_MAX_S}, immutable",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    content = found.content
    if takes_gzip(request):
        headers["Content-Encoding"], content = "gzip", found.packed
    return Response(content, media_type=found.content_type, headers=headers)


def takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "").lower()


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def is_worth_packing(content: bytes) -> bool:
    return len(content) >= _GZIP_BYTES_MIN


def _read(name: str, content: bytes) -> StaticFile:
    digest = hashlib.sha256(content).hexdigest()[:_DIGEST_CHARACTERS]
    stem, dot, ending = name.rpartition(".")
    kind = _KINDS.get(f".{ending}") or mimetypes.guess_type(name)[0] or "application/octet-stream"
    served = name if stem.endswith(".min") else f"{stem}-{digest}{dot}{ending}"
    return StaticFile(served, kind, content, packed(content), f'"{digest}"')
