"""The addresses of the operator's page, below /operator, and what each of them answers.

    /operator             the first page: usage, webhooks, alerts, closing
    /operator/spend       who spends most; ?at=2026-10-31 in the billing periods of that day
    /operator/movers      whose spend changed most since a month before
    /operator/revenue     fees by month, usage so far, payments by month
    /operator/customers   ?q=ac: whose id begins so, page by page
    /operator/customer    ?id=acme: one customer's story
    /operator/reconciliation ?month=2026-11: closed periods worked out a second time
    /operator/sign-in     POST: exchanges an API key for a session in a cookie
    /operator/sign-out    POST: ends it in this browser
    /operator/static/NAME style and icon: for everybody

Rules:
1. Everything but static files is asked of the table of operations, with the credential of whoever looks: its tenant, its scopes.
   A credential that is bound to a customer is refused.
2. Whoever isn't signed in sees the form to sign in with, and no more.
3. The page is HTML alone, without a script, and nothing comes from elsewhere. It is in English; times are in UTC.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.access.signed.operator_sessions import check_operator
from engine.api.pages.asking import Asks, Refusal
from engine.api.pages.operator.customer_list import read_customers
from engine.api.pages.operator.look import Look, Row
from engine.api.pages.operator.movers import read_movers
from engine.api.pages.operator.overview import read_overview
from engine.api.pages.operator.reconciled import read_reconciled
from engine.api.pages.operator.revenue import read_revenue
from engine.api.pages.operator.sign_in import (
    BASE,
    BODY_BYTES_MAX,
    check_form_token,
    check_same_site,
    form_token,
    own_place,
    place_of,
    read_form,
    session_cookie,
    shown_by,
    shown_key,
)
from engine.api.pages.operator.story import read_story
from engine.api.pages.operator.top_spend import read_top_spend
from engine.api.pages.page_html import html, html_response, retry_headers
from engine.api.pages.page_settings import PAGE_HEADERS, PageSettings
from engine.api.pages.page_words import words_for
from engine.api.pages.static_files import static_response
from engine.errors import MeterlineError

# What its pages are called, by the end of their address.
_PAGES: Final = {
    "": "Overview",
    "/spend": "Spend",
    "/movers": "Movers",
    "/revenue": "Revenue",
    "/customers": "Customers",
    "/reconciliation": "Reconciliation",
}
_ENGLISH: Final = "en"
_UNAUTHENTICATED: Final = 401
_POLICY: Final = PageSettings(BASE, is_secure=False).policy(has_form=True)
# A browser says of its own forms from where they come.
_HEADERS: Final = {"Referrer-Policy": "same-origin"}
Read = Callable[[Look], Awaitable[Row]]


class OperatorPages:
    """Thread-safe."""

    def __init__(self, asks: Asks, now_us: Callable[[], int]) -> None:
        self._asks = asks
        self._now_us = now_us

    def routes(self) -> list[Route]:
        return [
            Route(BASE, self._page("", "overview.html", read_overview), methods=["GET"]),
            Route(f"{BASE}/spend", self._page("/spend", "spend.html", read_top_spend), methods=["GET"]),
            Route(f"{BASE}/movers", self._page("/movers", "movers.html", read_movers), methods=["GET"]),
            Route(f"{BASE}/revenue", self._page("/revenue", "revenue.html", read_revenue), methods=["GET"]),
            Route(
                f"{BASE}/customers",
                self._page("/customers", "customers.html", read_customers),
                methods=["GET"],
            ),
            Route(
                f"{BASE}/reconciliation",
                self._page("/reconciliation", "reconciliation.html", read_reconciled),
                methods=["GET"],
            ),
            Route(f"{BASE}/customer", self._page(None, "customer.html", read_story), methods=["GET"]),
            Route(f"{BASE}/sign-in", self._guarded(self._sign_in), methods=["POST"]),
            Route(f"{BASE}/sign-out", self._guarded(self._sign_out), methods=["POST"]),
            Route(f"{BASE}/static/{{name}}", self._static, methods=["GET"]),
        ]

    def _page(self, end: str | None, template: str, read: Read) -> Callable[[Request], Awaitable[Response]]:
        async def page(request: Request) -> Response:
            look = await self._look(request)
            try:
                shown = await read(look)
            except Refusal as refusal:
                return self._refused(request, refusal, look)
            except MeterlineError as error:
                return self._refused(request, await self._asks.refused(error, request.headers), look)
            return await self._answer(request, template, look=look, end=end, **shown)

        return self._guarded(page)

    def _guarded(
        self, answer: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            try:
                return await answer(request)
            except Refusal as refusal:
                return self._refused(request, refusal, None)
            except Exception as error:  # noqa: BLE001 - the rim of pages: every error becomes one
                return self._refused(request, await self._asks.refused(error, request.headers), None)

        return guarded

    async def _look(self, request: Request) -> Look:
        """Raises Refusal, and PermissionDeniedError."""
        shown = shown_by(request)
        caller = await self._asks.caller(shown, request.headers)
        check_operator(caller)
        return Look(request, shown, caller, words_for("", _ENGLISH), self._now_us(), self._asks)

    async def _sign_in(self, request: Request) -> Response:
        check_same_site(request)
        sent = read_form(request, await self._asks.body(request, BODY_BYTES_MAX))
        place = own_place(sent.get("place", ""))
        try:
            key = shown_key(sent.get("key", "").strip())
            session = await self._asks.new_session(key, request.headers)
        except Refusal as refusal:
            return self._sign_in_form(request, place, refusal, is_tried=True)
        return _led_to(place, session_cookie(request, session))

    async def _sign_out(self, request: Request) -> Response:
        check_same_site(request)
        check_form_token(
            read_form(request, await self._asks.body(request, BODY_BYTES_MAX)), shown_by(request)
        )
        return _led_to(BASE, session_cookie(request, ""))

    async def _static(self, request: Request) -> Response:
        found = static_response(request, str(request.path_params["name"]))
        return Response(status_code=404) if found is None else found

    def _refused(self, request: Request, refusal: Refusal, look: Look | None) -> Response:
        if refusal.status.http_code == _UNAUTHENTICATED:
            return self._sign_in_form(request, place_of(request), refusal, is_tried=False)
        return self._made(
            request,
            "refused.html",
            refusal,
            look=look,
            end=None,
            heading="This can't be shown",
            message=refusal.status.message.message,
        )

    def _sign_in_form(self, request: Request, place: str, refusal: Refusal, *, is_tried: bool) -> Response:
        """`is_tried`: whether a key was sent that was not taken."""
        message = refusal.status.message.message if is_tried else ""
        return self._made(request, "sign_in.html", refusal, look=None, end=None, place=place, message=message)

    async def _answer(self, request: Request, template: str, **values: Any) -> Response:  # noqa: ANN401 - as `html`
        return await self._asks.on_thread(lambda: self._made(request, template, None, **values))

    def _made(
        self,
        request: Request,
        template: str,
        refusal: Refusal | None,
        *,
        look: Look | None,
        end: str | None,
        **values: Any,  # noqa: ANN401 - as `html`
    ) -> Response:
        """`look`: of whoever is signed in. `end`: of the page's address, where it is one of the menu."""
        page = html(
            f"operator/{template}",
            words_for("", _ENGLISH),
            base=BASE,
            signed_in=None if look is None else _signed_in(look),
            menu=[
                {"address": f"{BASE}{each}", "name": name, "is_here": each == end}
                for each, name in _PAGES.items()
            ],
            **values,
        )
        if refusal is None:
            return html_response(request, page, _POLICY, more=_HEADERS)
        headers = _HEADERS | retry_headers(refusal.status.retry_after_ms)
        return html_response(request, page, _POLICY, refusal.status.http_code, headers)


def _signed_in(look: Look) -> Row:
    """form_token: empty for whom a proxy signs in, who signs out there."""
    return {
        "tenant": look.caller.tenant,
        "credential": look.caller.credential,
        "form_token": form_token(look.shown) if look.shown.session else "",
    }


def _led_to(place: str, cookie: str) -> Response:
    return Response(status_code=303, headers={**PAGE_HEADERS, "Location": place, "Set-Cookie": cookie})
