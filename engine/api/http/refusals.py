"""A refusal as HTTP says it: a google.rpc.Status in JSON, under the status code and with the headers that go with it."""

from typing import Any

from google.protobuf.json_format import MessageToDict
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from engine.api.message_json import json_line
from engine.api.status import HttpStatus, http_status_of
from engine.errors import NotFoundError


def error_response(status: HttpStatus) -> Response:
    # Of a body that was not read nothing may be taken for the next request.
    headers = {"Connection": "close"}
    if status.retry_after_ms is not None:
        headers["Retry-After"] = str(-(-status.retry_after_ms // 1_000))
    if status.http_code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error_fields(status), status.http_code, headers)


def no_such_path(request: Request, error: Exception) -> Response:
    """In the form of every other refusal."""
    http_code = error.status_code if isinstance(error, HTTPException) else 404
    found = http_status_of(
        NotFoundError(f"{request.method} {request.url.path[:200]}: there is no such RPC: see /openapi.json")
    )
    return JSONResponse(error_fields(found), http_code, {"Connection": "close"})


def error_fields(status: HttpStatus) -> dict[str, Any]:
    fields: dict[str, Any] = MessageToDict(status.message, preserving_proto_field_name=True)
    return fields


def error_line(status: HttpStatus) -> str:
    return json_line({"error": error_fields(status)})
