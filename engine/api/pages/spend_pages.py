"""The addresses of the page, below /spend, and what each of them answers.

    /spend?token=...          takes a link's token into a cookie, and leads on without it
    /spend                    the page: ?at= another billing period, ?lang= another language
    /spend/events             server-sent events: what changes on the page, as HTML, each time it changes
    /spend/standing           limits and alerts of now, as HTML, which the script asks for when something has changed
    /spend/budget             POST: sets the customer's own budget, where the link allows it
    /spend/lines/ID           why a line comes to what it comes to
    /spend/invoices/NAME      an invoice as PDF or HTML
    /spend/credit-notes/NAME  a credit note, likewise
    /spend/static/NAME        script, style, the vendored chart: for everybody

Rules:
1. Everything but static files is asked of the table of operations, with the visitor's own credential, and is of the one customer
   that it is bound to.
2. No script and no style stands in the page, and nothing comes from elsewhere: the Content-Security-Policy lets nothing else run.
3. A refusal is a page, too: one line that says what to do.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast
from urllib.parse import urlencode

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.api.message_json import json_line
from engine.api.pages.asking import Ask, Asks, Refusal
from engine.api.pages.budget_form import (
    BODY_BYTES_MAX,
    STALE,
    SentBudget,
    check_form_token,
    problem_of,
    read_form,
    shown_forms,
    told_of,
)
from engine.api.pages.document_rows import (
    DOCUMENT_KINDS,
    DocumentKind,
    credit_notes_question,
    document_question,
    invoices_question,
    shown_credit_notes,
    shown_invoices,
)
from engine.api.pages.figures import shown_figures
from engine.api.pages.page_html import html, html_response, retry_headers
from engine.api.pages.page_settings import DOCUMENT_POLICY, PAGE_HEADERS, PageSettings
from engine.api.pages.page_words import PageWords, languages, words_for
from engine.api.pages.standing import read_standing
from engine.api.pages.static_files import static_response
from engine.api.pages.usage_days import read_usage
from engine.api.pages.visit import Visit
from engine.api.pages.visitor import TOKEN, shown_by, shown_token
from engine.billing.documents.catalog_names import CatalogNames
from engine.errors import PermissionDeniedError
from meterline.v1.alerts_pb2 import ListCustomerAlertsRequest, ListCustomerAlertsResponse
from meterline.v1.credit_notes_pb2 import GetCreditNoteDocumentResponse, ListCreditNotesResponse
from meterline.v1.explanations_pb2 import ExplainLineItemRequest, ExplainLineItemResponse
from meterline.v1.invoices_pb2 import GetInvoiceDocumentResponse, ListInvoicesResponse
from meterline.v1.spend_pb2 import GetSpendRequest, GetSpendResponse, WatchSpendRequest, WatchSpendResponse

# The names that the catalog has for what a customer of a tenant has.
NamesOf = Callable[[str, str], CatalogNames]
# What a form may be sent again after: a mistake in it, or a budget that was changed meanwhile.
_FORM_REFUSALS: Final = (400, STALE)


class SpendPages:
    """Thread-safe."""

    def __init__(self, asks: Asks, names_of: NamesOf, settings: PageSettings) -> None:
        self._asks = asks
        self._names_of = names_of
        self._settings = settings

    def routes(self) -> list[Route]:
        return [
            Route("/spend", self._answered(self._page), methods=["GET"]),
            Route("/spend/standing", self._answered(self._standing_alone), methods=["GET"]),
            Route("/spend/budget", self._answered(self._budget), methods=["POST"]),
            Route("/spend/events", self._answered(self._events), methods=["GET"]),
            Route("/spend/lines/{line_item_id}", self._answered(self._explanation), methods=["GET"]),
            *(
                Route(
                    f"/spend/{each.path}/{{file_name}}", self._answered(self._document(each)), methods=["GET"]
                )
                for each in DOCUMENT_KINDS
            ),
            Route("/spend/static/{name}", self._static, methods=["GET"]),
        ]

    def _answered(
        self, answer: Callable[[Visit], Awaitable[Response]]
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
                return await answer(Visit(request, shown, caller, words))
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
                **PAGE_HEADERS,
                "Location": f"{self._settings.path}{'?' if query else ''}{query}",
                "Set-Cookie": self._settings.cookies.header(token),
            },
        )

    async def _page(self, visit: Visit) -> Response:
        return await self._whole(visit, visit.at)

    async def _whole(
        self,
        visit: Visit,
        at: Timestamp | None,
        refused: Refusal | None = None,
        typed: SentBudget | None = None,
    ) -> Response:
        """The page. `refused`, `typed`: why a form of it was not taken, and what was in it."""
        words = visit.words
        spend = await self._spend(visit, at)
        names = await self._names(visit)
        invoices = cast(
            "ListInvoicesResponse",
            await self._ask("InvoiceService.ListInvoices", invoices_question(visit.customer_id), visit),
        )
        notes = cast(
            "ListCreditNotesResponse",
            await self._ask(
                "CreditNoteService.ListCreditNotes", credit_notes_question(visit.customer_id), visit
            ),
        )
        usage = await read_usage(self._asked_by(visit), spend, names, words)
        standing = None if at is not None else await self._standing(visit, spend, names)
        budget = None if at is not None else await self._shown_budget(visit, refused, typed)

        def made() -> str:
            return self._made(
                "page.html",
                words,
                customer=names.customer,
                seller=names.seller,
                figures=shown_figures(spend, names, words),
                usage=usage,
                standing=standing,
                budget=budget,
                invoices=shown_invoices(invoices, names, words),
                credit_notes=shown_credit_notes(notes, words),
                query=visit.query(),
                earlier=visit.earlier(spend, names),
                is_past=at is not None,
                current=visit.query(at=""),
                languages=[
                    {
                        "tag": tag,
                        "name": name,
                        "query": visit.query(lang=tag),
                        "is_current": tag == words.locale.language,
                    }
                    for tag, name in languages()
                ],
                events_query=visit.query(customer_id=visit.customer_id),
            )

        return self._html(
            visit.request,
            await self._asks.on_thread(made),
            200 if refused is None else refused.status.http_code,
            has_form=budget is not None,
        )

    async def _standing(
        self, visit: Visit, spend: GetSpendResponse, names: CatalogNames
    ) -> dict[str, Any] | None:
        return await read_standing(self._asked_by(visit), visit.customer_id, spend, names, visit.words)

    async def _standing_alone(self, visit: Visit) -> Response:
        self._check_customer(visit)
        spend, names = await self._spend(visit, None), await self._names(visit)
        standing = await self._standing(visit, spend, names)
        return self._html(visit.request, self._made("standing.html", visit.words, standing=standing))

    async def _shown_budget(
        self, visit: Visit, refused: Refusal | None, typed: SentBudget | None
    ) -> dict[str, Any] | None:
        """None where the link doesn't allow one, or there is no currency for it."""
        if not visit.may_set_budget:
            return None
        asked = ListCustomerAlertsRequest(customer_id=visit.customer_id)
        found = await self._ask("AlertService.ListCustomerAlerts", asked, visit)
        words = visit.words
        forms = shown_forms(cast("ListCustomerAlertsResponse", found), visit.shown, words, typed)
        said = told_of(visit.request.query_params, words)
        return {"forms": forms, "told": said, **problem_of(refused, words)} if forms else None

    async def _budget(self, visit: Visit) -> Response:
        request = visit.request
        body = await self._asks.body(request, BODY_BYTES_MAX)
        sent = read_form(request.headers.get("content-type", ""), body)
        check_form_token(sent, visit.shown)
        try:
            await self._ask("AlertService.SetCustomerBudget", sent.request(visit.customer_id), visit)
        except Refusal as refusal:
            if refusal.status.http_code not in _FORM_REFUSALS:
                raise
            # What was changed elsewhere is shown as it is now.
            typed = None if refusal.status.http_code == STALE else sent
            return await self._whole(visit, None, refusal, typed)
        query = visit.query(at="", budget="removed" if sent.is_removed else "saved")
        return Response(
            status_code=303,
            headers={**PAGE_HEADERS, "Location": f"{self._settings.path}{query}#budget-heading"},
        )

    async def _events(self, visit: Visit) -> Response:
        names = await self._names(visit)
        self._check_customer(visit)
        if visit.request.method == "HEAD":
            # Whether it is worth trying again.
            return Response(headers=PAGE_HEADERS)

        def said(answer: Message) -> str:
            spend = cast("WatchSpendResponse", answer).spend
            figures = shown_figures(spend, names, visit.words)
            return json_line(
                {"html": self._made("live.html", visit.words, figures=figures, query=visit.query())}
            )

        request = WatchSpendRequest(customer_id=visit.customer_id, at=visit.at)
        return await self._asks.watch(
            "SpendService.WatchSpend", request, visit.shown, visit.request.headers, said
        )

    @staticmethod
    def _check_customer(visit: Visit) -> None:
        """The page says whose it is: a cookie that has become another customer's must not show that one's there."""
        if visit.request.query_params.get("customer_id", visit.customer_id) != visit.customer_id:
            raise PermissionDeniedError(
                "another customer's link was opened in this browser: open yours again"
            )

    async def _explanation(self, visit: Visit) -> Response:
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
            query=visit.query(),
        )
        return self._html(visit.request, page)

    def _document(self, kind: DocumentKind) -> Callable[[Visit], Awaitable[Response]]:
        async def document(visit: Visit) -> Response:
            file_name = str(visit.request.path_params["file_name"])
            asked = document_question(kind, file_name, visit.customer_id, str(visit.words.locale))
            found = cast(
                "GetInvoiceDocumentResponse | GetCreditNoteDocumentResponse",
                await self._ask(kind.operation, asked, visit),
            )
            headers = {
                **PAGE_HEADERS,
                "Content-Disposition": f'attachment; filename="{found.file_name}"',
                "Content-Security-Policy": DOCUMENT_POLICY,
            }
            return Response(found.content, media_type=found.content_type, headers=headers)

        return document

    async def _static(self, request: Request) -> Response:
        found = static_response(request, str(request.path_params["name"]))
        return Response(status_code=404) if found is None else found

    async def _spend(self, visit: Visit, at: Timestamp | None) -> GetSpendResponse:
        asked = GetSpendRequest(customer_id=visit.customer_id, at=at)
        return cast("GetSpendResponse", await self._ask("SpendService.GetSpend", asked, visit))

    def _asked_by(self, visit: Visit) -> Ask:
        return lambda name, request: self._ask(name, request, visit)

    async def _ask(self, name: str, request: Message, visit: Visit) -> Message:
        return await self._asks.ask(name, request, visit.shown, visit.request.headers)

    async def _names(self, visit: Visit) -> CatalogNames:
        return await self._asks.on_thread(lambda: self._names_of(visit.caller.tenant, visit.customer_id))

    def _refused(self, request: Request, refusal: Refusal, words: PageWords) -> Response:
        status = refusal.status
        name = "refused_link" if status.http_code == 401 else "refused"
        page = self._made("refused.html", words, heading=words.text(name), message=status.message.message)
        return self._html(request, page, status.http_code, retry_headers(status.retry_after_ms))

    def _made(self, template: str, words: PageWords, **values: Any) -> str:  # noqa: ANN401 - as `html`
        return html(template, words, base=self._settings.path, **values)

    def _html(
        self,
        request: Request,
        page: str,
        http_code: int = 200,
        more: Mapping[str, str] | None = None,
        *,
        has_form: bool = False,
    ) -> Response:
        return html_response(request, page, self._settings.policy(has_form=has_form), http_code, more)
