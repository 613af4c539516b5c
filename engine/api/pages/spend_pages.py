"""The addresses of the page, below /spend, and what each of them answers.

    /spend?token=...      takes a link's token into a cookie, and leads on without it
    /spend                the page: ?at= another billing period, ?lang= another language
    /spend/events         server-sent events: what changes on the page, as HTML, each time it changes
    /spend/lines/ID       why a line comes to what it comes to
    /spend/invoices/NAME  an invoice as PDF or HTML
    /spend/static/NAME    script, style, the vendored chart: for everybody

Rules:
1. Everything but static files is asked of the table of operations, with the visitor's own credential, and is of the one customer
   that it is bound to.
2. No script and no style stands in the page, and nothing comes from elsewhere: the Content-Security-Policy lets nothing else run.
3. A refusal is a page, too: one line that says what to do.
"""

from asyncio import timeout
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast
from urllib.parse import urlencode

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.access.caller import Caller
from engine.api.gate import Shown
from engine.api.message_json import json_line
from engine.api.pages.asking import Asks, Refusal
from engine.api.pages.figures import period_of, shown_figures
from engine.api.pages.invoice_rows import invoices_question, shown_invoices
from engine.api.pages.page_html import html
from engine.api.pages.page_words import PageWords, languages, words_for
from engine.api.pages.static_files import is_worth_packing, packed, static_response, takes_gzip
from engine.api.pages.usage_days import shown_usage, usage_questions
from engine.api.pages.visitor import TOKEN, Cookies, shown_by, shown_token
from engine.billing.documents.catalog_names import CatalogNames
from engine.errors import FieldMistake, InvalidRequestError, PermissionDeniedError
from engine.times import to_timestamp
from meterline.v1.explanations_pb2 import ExplainLineItemRequest, ExplainLineItemResponse
from meterline.v1.invoices_pb2 import (
    DOCUMENT_FORMAT_HTML,
    DOCUMENT_FORMAT_PDF,
    GetInvoiceDocumentRequest,
    GetInvoiceDocumentResponse,
    ListInvoicesResponse,
)
from meterline.v1.metering_pb2 import QueryUsageResponse
from meterline.v1.spend_pb2 import GetSpendRequest, GetSpendResponse, WatchSpendRequest, WatchSpendResponse

# The names that the catalog has for what a customer of a tenant has.
NamesOf = Callable[[str, str], CatalogNames]
# A page that waits longer for its charts is worse than one without.
_USAGE_TIMEOUT_S: Final = 5
_FORMATS: Final = {"pdf": DOCUMENT_FORMAT_PDF, "html": DOCUMENT_FORMAT_HTML}
_PAGE_HEADERS: Final = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Language, Cookie, Accept-Encoding",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors "
)
_DOCUMENT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


@dataclass(frozen=True, slots=True)
class PageSettings:
    """path: where the page is, as browsers see it. frame_ancestors: the origins whose frames it may stand in; none: it may not."""

    path: str
    is_secure: bool
    frame_ancestors: str = ""

    @property
    def cookies(self) -> Cookies:
        return Cookies(self.path, self.is_secure, bool(self.frame_ancestors))

    @property
    def policy(self) -> str:
        return _POLICY + (self.frame_ancestors or "'none'")


@dataclass(frozen=True, slots=True)
class _Visit:
    """One request of somebody who has a link."""

    request: Request
    shown: Shown
    caller: Caller
    words: PageWords

    @property
    def customer_id(self) -> str:
        return self.caller.customer_id or ""

    @property
    def at(self) -> Timestamp | None:
        """Another billing period than the current one. Raises InvalidRequestError."""
        text = self.request.query_params.get("at", "")
        if not text:
            return None
        try:
            found = datetime.fromisoformat(text)
            return to_timestamp(
                int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()) * 1_000_000
            )
        except (ValueError, OverflowError):
            raise InvalidRequestError(FieldMistake("at", "is no date such as 2026-11-30")) from None


class SpendPages:
    """Thread-safe."""

    def __init__(self, asks: Asks, names_of: NamesOf, settings: PageSettings) -> None:
        self._asks = asks
        self._names_of = names_of
        self._settings = settings

    def routes(self) -> list[Route]:
        return [
            Route("/spend", self._answered(self._page), methods=["GET"]),
            Route("/spend/events", self._answered(self._events), methods=["GET"]),
            Route("/spend/lines/{line_item_id}", self._answered(self._explanation), methods=["GET"]),
            Route("/spend/invoices/{file_name}", self._answered(self._document), methods=["GET"]),
            Route("/spend/static/{name}", self._static, methods=["GET"]),
        ]

    def _answered(
        self, answer: Callable[[_Visit], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answered(request: Request) -> Response:
            words = words_for(
                request.headers.get("accept-language", ""), request.query_params.get("lang", "")
            )
            try:
                token = request.query_params.get(TOKEN)
                shown = shown_by(request) if token is None else shown_token(token)
                caller = await self._asks.caller(shown, request.headers)
                if token is not None:
                    return self._led_on(request, token)
                return await answer(_Visit(request, shown, caller, words))
            except Refusal as refusal:
                return self._refused(request, refusal, words)
            except Exception as error:  # noqa: BLE001 - the rim of pages: every error becomes one
                return self._refused(request, await self._asks.refused(error, request.headers), words)

        return answered

    def _led_on(self, request: Request, token: str) -> Response:
        query = urlencode(
            [(name, text) for name, text in request.query_params.multi_items() if name != TOKEN]
        )
        return Response(
            status_code=303,
            headers={
                **_PAGE_HEADERS,
                "Location": f"{self._settings.path}{'?' if query else ''}{query}",
                "Set-Cookie": self._settings.cookies.header(token),
            },
        )

    async def _page(self, visit: _Visit) -> Response:
        at, words = visit.at, visit.words
        spend = await self._spend(visit, at)
        names = await self._names(visit)
        invoices = cast(
            "ListInvoicesResponse",
            await self._ask("InvoiceService.ListInvoices", invoices_question(visit.customer_id), visit),
        )
        usage = await self._usage(visit, spend, names)

        def made() -> str:
            return self._made(
                "page.html",
                words,
                customer=names.customer,
                seller=names.seller,
                figures=shown_figures(spend, names, words),
                usage=usage,
                invoices=shown_invoices(invoices, names, words),
                query=_query(visit),
                earlier=_earlier(visit, spend, names),
                is_past=at is not None,
                current=_query(visit, at=""),
                languages=[
                    {
                        "tag": tag,
                        "name": name,
                        "query": _query(visit, lang=tag),
                        "is_current": tag == words.locale.language,
                    }
                    for tag, name in languages()
                ],
                events_query=_query(visit, customer_id=visit.customer_id),
            )

        return self._html(visit.request, await self._asks.on_thread(made))

    async def _usage(self, visit: _Visit, spend: GetSpendResponse, names: CatalogNames) -> list[Any] | None:
        """None where it can't be read now, or not soon: the page stands without."""
        span = period_of(spend)
        if span is None:
            return []
        found = []
        try:
            async with timeout(_USAGE_TIMEOUT_S):
                for question in usage_questions(spend, span, names):
                    answer = await self._ask("MeteringService.QueryUsage", question, visit)
                    found.append(
                        shown_usage(question, cast("QueryUsageResponse", answer), names, visit.words)
                    )
        except (Refusal, TimeoutError):
            return None
        return found

    async def _events(self, visit: _Visit) -> Response:
        names = await self._names(visit)
        # The page says whose it is: a cookie that has become another customer's must not show that one's there.
        if visit.request.query_params.get("customer_id", visit.customer_id) != visit.customer_id:
            raise PermissionDeniedError(
                "another customer's link was opened in this browser: open yours again"
            )

        if visit.request.method == "HEAD":
            # Whether it is worth trying again.
            return Response(headers=_PAGE_HEADERS)

        def said(answer: Message) -> str:
            spend = cast("WatchSpendResponse", answer).spend
            figures = shown_figures(spend, names, visit.words)
            return json_line(
                {"html": self._made("live.html", visit.words, figures=figures, query=_query(visit))}
            )

        request = WatchSpendRequest(customer_id=visit.customer_id, at=visit.at)
        return await self._asks.watch(
            "SpendService.WatchSpend", request, visit.shown, visit.request.headers, said
        )

    async def _explanation(self, visit: _Visit) -> Response:
        line_item_id = str(visit.request.path_params["line_item_id"])
        asked = ExplainLineItemRequest(customer_id=visit.customer_id, line_item_id=line_item_id, at=visit.at)
        answer = cast(
            "ExplainLineItemResponse", await self._ask("ExplanationService.ExplainLineItem", asked, visit)
        )
        names = await self._names(visit)
        page = self._made(
            "line.html",
            visit.words,
            customer=names.customer,
            seller=names.seller,
            name=answer.line_item.product or answer.line_item.price_id,
            sentences=list(answer.sentences),
            formula=answer.line_item.formula,
            query=_query(visit),
        )
        return self._html(visit.request, page)

    async def _document(self, visit: _Visit) -> Response:
        number, _, form = str(visit.request.path_params["file_name"]).rpartition(".")
        if form not in _FORMATS:
            raise InvalidRequestError(
                FieldMistake("file_name", "ends in .pdf or .html, such as INV-000042.pdf")
            )
        asked = GetInvoiceDocumentRequest(
            number=number,
            format=_FORMATS[form],
            customer_id=visit.customer_id,
            locale=str(visit.words.locale),
        )
        found = cast(
            "GetInvoiceDocumentResponse", await self._ask("InvoiceService.GetInvoiceDocument", asked, visit)
        )
        headers = {
            **_PAGE_HEADERS,
            "Content-Disposition": f'attachment; filename="{found.file_name}"',
            "Content-Security-Policy": _DOCUMENT_POLICY,
        }
        return Response(found.content, media_type=found.content_type, headers=headers)

    async def _static(self, request: Request) -> Response:
        found = static_response(request, str(request.path_params["name"]))
        return Response(status_code=404) if found is None else found

    async def _spend(self, visit: _Visit, at: Timestamp | None) -> GetSpendResponse:
        asked = GetSpendRequest(customer_id=visit.customer_id, at=at)
        return cast("GetSpendResponse", await self._ask("SpendService.GetSpend", asked, visit))

    async def _ask(self, name: str, request: Message, visit: _Visit) -> Message:
        return await self._asks.ask(name, request, visit.shown, visit.request.headers)

    async def _names(self, visit: _Visit) -> CatalogNames:
        return await self._asks.on_thread(lambda: self._names_of(visit.caller.tenant, visit.customer_id))

    def _refused(self, request: Request, refusal: Refusal, words: PageWords) -> Response:
        status = refusal.status
        name = "refused_link" if status.http_code == 401 else "refused"
        page = self._made("refused.html", words, heading=words.text(name), message=status.message.message)
        headers = (
            {} if status.retry_after_ms is None else {"Retry-After": str(-(-status.retry_after_ms // 1_000))}
        )
        return self._html(request, page, status.http_code, headers)

    def _made(self, template: str, words: PageWords, **values: Any) -> str:  # noqa: ANN401 - as `html`
        return html(template, words, base=self._settings.path, **values)

    def _html(
        self, request: Request, page: str, http_code: int = 200, more: Mapping[str, str] | None = None
    ) -> Response:
        content = page.encode()
        headers = {**_PAGE_HEADERS, "Content-Security-Policy": self._settings.policy, **(more or {})}
        if takes_gzip(request) and is_worth_packing(content):
            headers["Content-Encoding"], content = "gzip", packed(content)
        return Response(content, http_code, headers, "text/html; charset=utf-8")


def _query(visit: _Visit, **more: str) -> str:
    """What the page's own links carry on; an empty text is left out."""
    given = visit.request.query_params
    kept = {name: given[name] for name in ("at", "lang") if name in given} | more
    query = urlencode({name: text for name, text in kept.items() if text})
    return f"?{query}" if query else ""


def _earlier(visit: _Visit, spend: GetSpendResponse, names: CatalogNames) -> str:
    """The query of the billing period before; empty where there is none."""
    span, first_us = period_of(spend), names.first_start_us
    if span is None or first_us is None or first_us >= span.start_us:
        return ""
    return _query(visit, at=_instant(span.start_us - 1))


def _instant(at_us: int) -> str:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
