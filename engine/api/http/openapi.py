"""The OpenAPI 3.1 document of the HTTP face, made from the table of operations and the messages' descriptors. Pure."""

from collections.abc import Sequence
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from engine.api.http.bodies import EVENTS, JSON, NDJSON
from engine.api.http.cloud_events import BATCHED, STRUCTURED
from engine.api.http.document_downloads import openapi_paths
from engine.api.operation import OfMessages, OfStream, OfWatch, Operation
from meterline.v1.usage_pb2 import RecordUsageResponse

_Schema = dict[str, Any]
_INT64: Final[_Schema] = {"type": ["string", "integer"], "pattern": "^-?[0-9]+$", "format": "int64"}
# As protobuf's JSON has them.
_SCALARS: Final[dict[int, _Schema]] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_UINT64: {**_INT64, "pattern": "^[0-9]+$", "format": "uint64"},
}
_TIMESTAMP: Final = "google.protobuf.Timestamp"
_STATUS: Final[_Schema] = {
    "type": "object",
    "description": "google.rpc.Status: what is wrong, where, and whether to come again.",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "integer", "description": "google.rpc.Code"},
        "message": {"type": "string"},
        "details": {"type": "array", "items": {"type": "object"}},
    },
}
_ERRORS: Final[dict[str, str]] = {
    "400": "The request can't be served as it is; the details name the fields.",
    "401": "No API key, or one that is not valid.",
    "403": "The key does not allow this call.",
    "404": "What the request names does not exist.",
    "409": "The name or id is taken.",
    "429": "Too much at once: come again as Retry-After says.",
    "503": "A store does not answer: come again as Retry-After says.",
}


def document(operations: Sequence[Operation[Any]]) -> _Schema:
    """The whole document, as JSON has it."""
    schemas: dict[str, _Schema] = {"google.rpc.Status": _STATUS}
    paths = {f"/{each.service}/{each.method}": {"post": _rpc(each, schemas)} for each in operations}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Meterline",
            "version": "v1",
            "description": "Usage metering and rating. Every RPC of the wire contract, in protobuf's JSON.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"api_key": []}],
        "paths": {**paths, "/cloudevents": {"post": _cloud_events(schemas)}, **openapi_paths(_errors())},
        "components": {
            "securitySchemes": {
                "api_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key: mlk_<id>_<secret>.",
                }
            },
            "schemas": dict(sorted(schemas.items())),
        },
    }


def _rpc(operation: Operation[Any], schemas: dict[str, _Schema]) -> _Schema:
    streams = isinstance(operation.handler, OfStream | OfMessages)
    media = NDJSON if streams else JSON
    answers = EVENTS if isinstance(operation.handler, OfWatch) else media
    service = operation.service.rpartition(".")[2]
    answer = _answer_of(operation)
    return {
        "operationId": operation.name,
        "tags": [service],
        "summary": f"{operation.name}, for keys with the scope {operation.scope.value}.",
        "requestBody": {
            "required": True,
            "content": {media: {"schema": _message(operation.request.DESCRIPTOR, schemas)}},
        },
        "responses": {
            "200": {
                "description": "The answer.",
                "content": {answers: {"schema": _message(answer, schemas)}},
            },
            **_errors(),
        },
    }


def _answer_of(operation: Operation[Any]) -> Descriptor:
    service = operation.request.DESCRIPTOR.file.services_by_name[operation.service.rpartition(".")[2]]
    found: Descriptor = service.methods_by_name[operation.method].output_type
    return found


def _cloud_events(schemas: dict[str, _Schema]) -> _Schema:
    event: _Schema = {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "time"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "description": "The event's id."},
            "source": {"type": "string", "description": "Kept as the property ce_source."},
            "type": {"type": "string", "description": "The event's type."},
            "subject": {"type": "string", "description": "The customer."},
            "time": {"type": "string", "format": "date-time"},
            "data": {"type": "object", "description": "The properties."},
        },
    }
    schemas["CloudEvent"] = event
    reference = {"$ref": "#/components/schemas/CloudEvent"}
    answer = _message(cast("Descriptor", RecordUsageResponse.DESCRIPTOR), schemas)
    verdict = {"content": {JSON: {"schema": answer}}}
    return {
        "operationId": "RecordCloudEvents",
        "tags": ["UsageService"],
        "summary": "CloudEvents as usage, for keys with the scope ingest; binary mode has the attributes in ce- headers.",
        "requestBody": {
            "required": True,
            "content": {
                STRUCTURED: {"schema": reference},
                BATCHED: {"schema": {"type": "array", "items": reference}},
            },
        },
        "responses": {
            "200": {"description": "Recorded, or recorded before; of a batch: the verdicts.", **verdict},
            **_errors(),
            "409": {"description": "A single event whose id was used with other content.", **verdict},
            "422": {"description": "A single event that is rejected.", **verdict},
        },
    }


def _errors() -> _Schema:
    content = {JSON: {"schema": {"$ref": "#/components/schemas/google.rpc.Status"}}}
    return {code: {"description": text, "content": content} for code, text in _ERRORS.items()}


def _message(descriptor: Descriptor, schemas: dict[str, _Schema]) -> _Schema:
    """A reference to the schema of a message, which is made with all that it refers to."""
    if descriptor.full_name == _TIMESTAMP:
        return {"type": "string", "format": "date-time"}
    if descriptor.full_name not in schemas:
        schemas[descriptor.full_name] = {}
        schemas[descriptor.full_name] |= {
            "type": "object",
            "properties": {each.name: _field(each, schemas) for each in descriptor.fields},
            "additionalProperties": False,
        }
    return {"$ref": f"#/components/schemas/{descriptor.full_name}"}


def _field(field: FieldDescriptor, schemas: dict[str, _Schema]) -> _Schema:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {
            "type": "object",
            "additionalProperties": _one(field.message_type.fields_by_name["value"], schemas),
        }
    one = _one(field, schemas)
    return {"type": "array", "items": one} if field.is_repeated else one


def _one(field: FieldDescriptor, schemas: dict[str, _Schema]) -> _Schema:
    if field.message_type is not None:
        return _message(field.message_type, schemas)
    if field.enum_type is not None:
        return _enum(field.enum_type)
    return _SCALARS[field.type]


def _enum(descriptor: EnumDescriptor) -> _Schema:
    return {"type": "string", "enum": [each.name for each in descriptor.values]}
