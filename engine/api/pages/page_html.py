"""Templates to HTML, and HTML to answers. A template has texts alone: it computes nothing."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from engine.api.pages.page_settings import PAGE_HEADERS
from engine.api.pages.page_words import PageWords
from engine.api.pages.static_files import is_worth_packing, packed, static_name, takes_gzip


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader(__package__ or "", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = static_name
    return made


def html(template: str, words: PageWords, **values: Any) -> str:  # noqa: ANN401 - texts, and lists and mappings of texts
    """`template`: the name of a file."""
    return (
        _environment()
        .get_template(template)
        .render(texts=words.said.texts, lang=words.language_tag, **values)
    )


def html_response(
    request: Request, page: str, policy: str, http_code: int = 200, more: Mapping[str, str] | None = None
) -> Response:
    """`policy`: the Content-Security-Policy; `more`: headers besides, or instead."""
    content = page.encode()
    headers = {**PAGE_HEADERS, "Content-Security-Policy": policy, **(more or {})}
    if takes_gzip(request) and is_worth_packing(content):
        headers["Content-Encoding"], content = "gzip", packed(content)
    return Response(content, http_code, headers, "text/html; charset=utf-8")


def retry_headers(retry_after_ms: int | None) -> dict[str, str]:
    """When whoever was refused may come again, to the second."""
    return {} if retry_after_ms is None else {"Retry-After": str(-(-retry_after_ms // 1_000))}
