"""How every RPC is served: parse, call, map errors, measure. One way in for all operations.

Rules:
1. gRPC hands over raw bytes, so that bytes which are no message come back as INVALID_ARGUMENT; a generated
   deserializer would answer INTERNAL.
2. Every method, gRPC's own health and reflection too, is served in a place (engine.api.grpc.peers) and inside
   `_answered`.
3. Every operation has a gate before it (engine.api.gate), which a call passes before it takes a place: who has no
   credential costs the engine nothing more. gRPC's own methods have none.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError, Message

from engine.access.authenticator import AUTHORIZATION
from engine.access.caller import NOBODY
from engine.api.certificates import subjects_of
from engine.api.gate import Gate, GatedCall, Shown
from engine.api.grpc.answer_bytes import answer_bytes
from engine.api.grpc.peers import CallEndedError, Places
from engine.api.operation import (
    HEARTBEAT_S,
    Answers,
    Call,
    OfBytes,
    OfMessages,
    OfStream,
    OfWatch,
    Operation,
    RequestMessage,
)
from engine.api.rim import REQUEST_ID, Rim
from engine.api.status import DETAILS_BYTES_KEY, status_of
from engine.errors import FieldMistake, InvalidRequestError

RpcHandler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"

Request = TypeVar("Request")
# What a call passes before anything of it is read, by its metadata; None for what is open to all.
Enter: TypeAlias = "Callable[[Mapping[str, str], grpc.ServicerContext], GatedCall[Any] | None]"


def message(request_type: type[RequestMessage]) -> Callable[[bytes], RequestMessage]:
    """Parses the requests of one message type; it raises InvalidRequestError for bytes that are none."""

    def parse(data: bytes) -> RequestMessage:
        try:
            return request_type.FromString(data)
        except DecodeError as error:
            name = request_type.DESCRIPTOR.full_name
            raise InvalidRequestError(
                FieldMistake(
                    "request", f"the bytes are no {name}: send UTF-8 text and the message of this method"
                )
            ) from error

    return parse


def raw(data: bytes) -> bytes:
    """For a service that reads the bytes itself."""
    return data


@dataclass(frozen=True, slots=True)
class Serving:
    """By what the methods of a kind are served."""

    rim: Rim
    places: Places
    request_bytes_max: int


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the wire contract, to be served in the places of its kind."""

    is_stream: bool
    _handle: Callable[["Serving", Iterator[bytes], grpc.ServicerContext], bytes | Iterator[bytes]]

    def handler(self, serving: "Serving") -> RpcHandler:
        handle = partial(self._handle, serving)
        if self.is_stream:
            return grpc.stream_stream_rpc_method_handler(handle)
        # The same on the wire as unary_unary, whose wait for the message is not ours to end.
        return grpc.stream_unary_rpc_method_handler(handle)


def method_of(operation: Operation[RequestMessage], gate: Gate) -> Method:
    """The method of the wire contract that an operation is."""
    enter = partial(_entered, gate, operation)
    match operation.handler:
        case OfStream(serve):
            return stream(operation.method, raw, serve, enter)
        case OfMessages(serve):
            return stream(operation.method, message(operation.request), serve, enter)
        case OfWatch(open_watch, heartbeat):
            return watch(operation.method, message(operation.request), open_watch, heartbeat, enter)
        case OfBytes(serve):
            return unary(operation.method, raw, serve, enter)
        case serve:
            return unary(operation.method, message(operation.request), serve, enter)


def _open_to_all(_metadata: Mapping[str, str], _context: grpc.ServicerContext) -> None:
    """For what gRPC itself brings: it says nothing of anybody."""


def _entered(
    gate: Gate,
    operation: Operation[RequestMessage],
    metadata: Mapping[str, str],
    context: grpc.ServicerContext,
) -> GatedCall[RequestMessage]:
    authorization = metadata.get(AUTHORIZATION)
    subjects = (
        () if authorization else subjects_of(cast("Mapping[str, Sequence[bytes]]", context.auth_context()))
    )
    return gate.enter(operation, Shown(authorization, subjects))


def unary(
    method: str,
    parse: Callable[[bytes], Request],
    serve: Callable[[Request, Call], Message],
    enter: Enter = _open_to_all,
) -> Method:
    """Serves one request with one response."""

    def handle(serving: Serving, incoming: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        with (
            _answered(serving.rim, method, context, enter) as entry,
            serving.places.take(context, _tenant(entry)) as place,
        ):
            data = place.message(incoming)
            # Like gRPC's own unary methods, never reads on: to see the end would cost a tenth of a small call.
            if data is None:
                raise InvalidRequestError(FieldMistake("request", f"is missing: send one to {method}"))
            if entry is not None:
                entry.read(len(data))
            request = parse(_checked(data, serving.request_bytes_max))
            if entry is not None:
                entry.admit(request)
            response = answer_bytes(serve(request, _call(entry, context)))
            place.answers()
            return response

    return Method(is_stream=False, _handle=handle)


def stream(
    method: str,
    parse: Callable[[bytes], Request],
    serve: Callable[[Iterator[Request], Call], Iterator[Message]],
    enter: Enter = _open_to_all,
) -> Method:
    """Serves a stream of requests with a stream of responses. A credential that ends, ends the stream."""

    def handle(serving: Serving, incoming: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        with (
            _answered(serving.rim, method, context, enter) as entry,
            serving.places.take(context, _tenant(entry)) as place,
        ):

            def requests() -> Iterator[Request]:
                for data in place.messages(incoming):
                    if entry is not None:
                        entry.renew()
                        entry.read(len(data), more_requests=1)
                    request = parse(_checked(data, serving.request_bytes_max))
                    if entry is not None:
                        entry.admit(request)
                    yield request

            for response in serve(requests(), _call(entry, context)):
                place.answers()
                yield answer_bytes(response)
                place.answered()

    return Method(is_stream=True, _handle=handle)


def watch(
    method: str,
    parse: Callable[[bytes], Request],
    open_watch: Callable[[Request, Call, Callable[[], None]], Answers],
    heartbeat: Message,
    enter: Enter,
) -> Method:
    """Serves one request with answers until the peer leaves. A credential that ends, ends the stream."""

    def handle(serving: Serving, incoming: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        with (
            _answered(serving.rim, method, context, enter) as entry,
            serving.places.take(context, _tenant(entry)) as place,
        ):
            data = place.message(incoming)
            if data is None or entry is None:
                raise InvalidRequestError(FieldMistake("request", f"is missing: send one to {method}"))
            entry.read(len(data))
            request = parse(_checked(data, serving.request_bytes_max))
            entry.admit(request)
            news = threading.Event()
            with contextlib.closing(open_watch(request, _call(entry, context), news.set)) as answers:
                for answer in _until_gone(answers, news, context):
                    entry.renew()
                    place.answers()
                    yield answer_bytes(heartbeat if answer is None else answer)
                    place.answered()

    return Method(is_stream=True, _handle=handle)


def _until_gone(
    answers: Answers, news: threading.Event, context: grpc.ServicerContext
) -> Iterator[Message | None]:
    """Each answer, and None after HEARTBEAT_S without one."""
    if not context.add_callback(news.set):
        return
    beat_s = time.monotonic()
    while context.is_active():
        has_news = news.wait(max(0.0, beat_s + HEARTBEAT_S - time.monotonic()))
        news.clear()
        answer = answers.take()
        if answer is not None or not has_news:
            yield answer
            beat_s = time.monotonic()


@contextlib.contextmanager
def _answered(
    rim: Rim, method: str, context: grpc.ServicerContext, enter: Enter
) -> Iterator[GatedCall[Any] | None]:
    """Around every call, from its headers on: an error becomes a status."""
    metadata = _metadata(context)
    call = rim.begin(method, metadata)
    try:
        context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
        call.gated = enter(metadata, context)
        yield call.gated
    except (grpc.RpcError, GeneratorExit):
        # The peer has gone; there is nobody to tell.
        call.code = grpc.StatusCode.CANCELLED.name
        raise
    except CallEndedError as ended:
        call.code = ended.code.name
        context.abort(ended.code, "")
    except Exception as error:  # noqa: BLE001 - the rim: every error becomes a status
        status = status_of(error, call.request_id, metadata.get(DETAILS_BYTES_KEY))
        call.failed(error, status.code.name)
        context.abort_with_status(status.with_metadata((REQUEST_ID, call.request_id)))
    finally:
        call.ended()
        if call.gated is not None:
            call.gated.ended(call.code)


def _tenant(entry: GatedCall[Any] | None) -> str:
    return "" if entry is None else entry.caller.tenant


def _checked(data: bytes, bytes_max: int) -> bytes:
    if len(data) > bytes_max:
        raise InvalidRequestError(
            FieldMistake(
                "request", f"has {len(data)} bytes: send at most {bytes_max} in one (request_bytes_max)"
            )
        )
    return data


def _call(entry: GatedCall[Any] | None, context: grpc.ServicerContext) -> Call:
    if entry is None:
        return Call(NOBODY, context.is_active)
    return Call(entry.caller, context.is_active, entry.is_about)


def _metadata(context: grpc.ServicerContext) -> dict[str, str]:
    """The texts that came with a call. gRPC joins nothing: of a name that came twice the last counts."""
    return {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
