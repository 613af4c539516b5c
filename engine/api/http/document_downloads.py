"""`GET /invoices/INV-000042.pdf`, `GET /credit-notes/CN-000001.pdf`: a document as a file, where a browser or a mail wants one. The
RPCs behind them are the same as ever; `?locale=de`, `?customer_id=acme` and, of an invoice, `?with_usage=true` are their fields.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response

from engine.api.pages.page_settings import DOCUMENT_POLICY
from engine.errors import FieldMistake, InvalidRequestError
from meterline.v1 import invoices_pb2 as pb
from meterline.v1.credit_notes_pb2 import GetCreditNoteDocumentRequest, GetCreditNoteDocumentResponse

_Answer: TypeAlias = pb.GetInvoiceDocumentResponse | GetCreditNoteDocumentResponse
_FORMATS: Final = {
    "pdf": pb.DOCUMENT_FORMAT_PDF,
    "html": pb.DOCUMENT_FORMAT_HTML,
    "json": pb.DOCUMENT_FORMAT_JSON,
    "csv": pb.DOCUMENT_FORMAT_CSV,
}
_FIELDS: Final = ("customer_id", "locale")
_WITH_USAGE: Final = "with_usage"
_TRUTHS: Final = {"true": True, "false": False}
_CONTENT_TYPES: Final = ("application/pdf", "text/html", "application/json", "text/csv")


@dataclass(frozen=True, slots=True)
class Download:
    """One kind of document. series: what its numbers begin with."""

    path: str
    service: str
    method: str
    request: Callable[..., Message]
    series: str
    what: str
    fields: tuple[str, ...] = _FIELDS

    @property
    def operation(self) -> str:
        return f"{self.service}.{self.method}"


DOWNLOADS: Final = (
    Download(
        "/invoices/{file_name}",
        "InvoiceService",
        "GetInvoiceDocument",
        pb.GetInvoiceDocumentRequest,
        "INV",
        "An invoice",
        (*_FIELDS, _WITH_USAGE),
    ),
    Download(
        "/credit-notes/{file_name}",
        "CreditNoteService",
        "GetCreditNoteDocument",
        GetCreditNoteDocumentRequest,
        "CN",
        "A credit note",
    ),
)


def asked_document(download: Download, request: Request) -> Message:
    """Raises InvalidRequestError for a name that ends in no format."""
    number, _, form = str(request.path_params["file_name"]).rpartition(".")
    if form not in _FORMATS:
        raise InvalidRequestError(
            FieldMistake(
                "file_name",
                f"must be a number and a format, such as {download.series}-000042.pdf, .html, .json, .csv",
            )
        )
    fields: dict[str, Any] = {
        name: request.query_params[name] for name in download.fields if name in request.query_params
    }
    if _WITH_USAGE in fields:
        fields[_WITH_USAGE] = _truth(_WITH_USAGE, fields[_WITH_USAGE])
    return download.request(number=number, format=_FORMATS[form], **fields)


def _truth(name: str, text: str) -> bool:
    """Raises InvalidRequestError."""
    if text not in _TRUTHS:
        raise InvalidRequestError(FieldMistake(name, "must be true or false"))
    return _TRUTHS[text]


def document_response(message: Message) -> Response:
    """Downloaded under its name. What a page could do it may not: it has no scripts, and nothing from elsewhere."""
    found = cast("_Answer", message)
    headers = {
        "Content-Disposition": f'attachment; filename="{found.file_name}"',
        "Content-Security-Policy": DOCUMENT_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return Response(found.content, media_type=found.content_type, headers=headers)


def openapi_paths(errors: dict[str, Any]) -> dict[str, Any]:
    """What the OpenAPI document says of them."""
    return {each.path: _openapi(each, errors) for each in DOWNLOADS}


def _openapi(download: Download, errors: dict[str, Any]) -> dict[str, Any]:
    text = {"type": "string"}
    named = {"name": "file_name", "in": "path", "required": True}
    content = {each: {"schema": {"type": "string"}} for each in _CONTENT_TYPES}
    content["application/json"] = {"schema": {"type": "object"}}
    return {
        "get": {
            "operationId": download.method.replace("Get", "Download"),
            "tags": [download.service],
            "summary": f"{download.what} as a file, such as {download.series}-000042.pdf, for keys with the scope bill.",
            "parameters": [
                {
                    **named,
                    "schema": {**text, "pattern": rf"^{download.series}-[0-9]{{6,}}\.(pdf|html|json|csv)$"},
                },
                *({"name": name, "in": "query", "schema": text} for name in download.fields),
            ],
            "responses": {"200": {"description": "The document.", "content": content}, **errors},
        }
    }
