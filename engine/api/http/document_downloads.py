"""`GET /invoices/INV-000042.pdf`: a document as a file, where a browser or a mail wants one. The RPC GetInvoiceDocument behind it is
the same as ever; `?locale=de` and `?customer_id=acme` are its fields.
"""

from typing import Any, Final, cast

from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response

from engine.errors import FieldMistake, InvalidRequestError
from meterline.v1 import invoices_pb2 as pb

GET_INVOICE_DOCUMENT: Final = "InvoiceService.GetInvoiceDocument"
PATH: Final = "/invoices/{file_name}"
_FORMATS: Final = {
    "pdf": pb.DOCUMENT_FORMAT_PDF,
    "html": pb.DOCUMENT_FORMAT_HTML,
    "json": pb.DOCUMENT_FORMAT_JSON,
    "csv": pb.DOCUMENT_FORMAT_CSV,
}
_FIELDS: Final = ("customer_id", "locale")
_CONTENT_TYPES: Final = ("application/pdf", "text/html", "application/json", "text/csv")


def asked_document(request: Request) -> pb.GetInvoiceDocumentRequest:
    """Raises InvalidRequestError for a name that ends in no format."""
    number, _, form = str(request.path_params["file_name"]).rpartition(".")
    if form not in _FORMATS:
        raise InvalidRequestError(
            FieldMistake(
                "file_name", "must be a number and a format, such as INV-000042.pdf, .html, .json, .csv"
            )
        )
    fields = {name: request.query_params[name] for name in _FIELDS if name in request.query_params}
    return pb.GetInvoiceDocumentRequest(number=number, format=_FORMATS[form], **fields)


def document_response(message: Message) -> Response:
    """Downloaded under its name. What a page could do it may not: it has no scripts, and nothing from elsewhere."""
    found = cast("pb.GetInvoiceDocumentResponse", message)
    headers = {
        "Content-Disposition": f'attachment; filename="{found.file_name}"',
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return Response(found.content, media_type=found.content_type, headers=headers)


def openapi_path(errors: dict[str, Any]) -> dict[str, Any]:
    """What the OpenAPI document says of it."""
    text = {"type": "string"}
    named = {"name": "file_name", "in": "path", "required": True}
    content = {each: {"schema": {"type": "string"}} for each in _CONTENT_TYPES}
    content["application/json"] = {"schema": {"type": "object"}}
    return {
        "get": {
            "operationId": "DownloadInvoiceDocument",
            "tags": ["InvoiceService"],
            "summary": "An invoice as a file, such as INV-000042.pdf, for keys with the scope bill.",
            "parameters": [
                {**named, "schema": {**text, "pattern": r"^INV-[0-9]{6,}\.(pdf|html|json|csv)$"}},
                *({"name": name, "in": "query", "schema": text} for name in _FIELDS),
            ],
            "responses": {"200": {"description": "The document.", "content": content}, **errors},
        }
    }
