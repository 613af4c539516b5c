"""What becomes of a call over HTTP once it is let in: its handler called, its answer written."""

from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message
from starlette.responses import JSONResponse, Response

from engine.api.gate import GatedCall
from engine.api.http.bodies import NDJSON, PROTOBUF, parsed_lines
from engine.api.http.cloud_events import ReadEvents
from engine.api.http.refusals import error_line
from engine.api.message_json import json_fields, message_line
from engine.api.operation import Call, OfBytes, OfMessages, OfStream, OfWatch, Operation
from engine.api.rim import RimmedCall
from engine.api.status import HttpStatus, http_status_of
from meterline.v1.usage_pb2 import RecordUsageResponse


@dataclass(slots=True)
class Answer:
    """What becomes of a call."""

    call: RimmedCall
    response: Response = field(default_factory=Response)
    # Of one that was refused, or failed.
    refusal: HttpStatus | None = None
    # Once it counts among the open calls of this one.
    tenant: str | None = None

    def call_unary(self, operation: Operation[Any], message: Message) -> Message:
        gated = self._admitted(message)
        call = Call(gated.caller, is_active=lambda: True, is_about=gated.is_about)
        match operation.handler:
            case OfBytes(serve):
                return serve(message.SerializeToString(), call)
            case OfStream() | OfMessages() | OfWatch():
                raise TypeError(f"{operation.name} is a stream")
            case serve:
                return serve(message, call)

    def _admitted(self, message: Message) -> GatedCall[Any]:
        gated = self.gated
        gated.admit(message)
        return gated

    @property
    def gated(self) -> GatedCall[Any]:
        if self.call.gated is None:
            raise TypeError("the call has not passed the gate")
        return self.call.gated


def recorded(answer: "Answer", operation: Operation[Any], read: ReadEvents) -> Message:
    """Where no event is sound, nothing is recorded."""
    if not read.request.events and read.flaws:
        return read.with_flaws(RecordUsageResponse())
    message = answer.call_unary(operation, read.request)
    return read.with_flaws(message) if isinstance(message, RecordUsageResponse) else message


def stream_answer(answer: Answer, operation: Operation[Any], body: bytes, media: str) -> Response:
    """Every message of the body in its order. What fails after the first answer is the last line."""
    requests = (_each_admitted(answer, each) for each in parsed_lines(body, media, operation.request))
    call = Call(answer.gated.caller, is_active=lambda: True, is_about=answer.gated.is_about)
    match operation.handler:
        case OfStream(serve):
            answers = serve((each.SerializeToString() for each in requests), call)
        case OfMessages(serve):
            answers = serve(requests, call)
        case _:
            raise TypeError(f"{operation.name} is not a stream")
    lines: list[str] = []
    try:
        lines += map(message_line, answers)
    except Exception as error:
        if not lines:
            raise
        status = http_status_of(error, answer.call.request_id)
        answer.call.failed(error, status.code)
        lines.append(error_line(status))
    return Response("".join(f"{line}\n" for line in lines), media_type=NDJSON)


def _each_admitted(answer: Answer, message: Message) -> Message:
    answer.gated.read(0, more_requests=1)
    answer.gated.admit(message)
    return message


def message_response(message: Message, media: str) -> Response:
    if media == PROTOBUF:
        return Response(message.SerializeToString(deterministic=True), media_type=PROTOBUF)
    return JSONResponse(json_fields(message))
