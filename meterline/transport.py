"""The gRPC channel: one attempt of one call, bytes in, message or `CallFailure` out.

The channel is opened by the first call, so that a client made before a fork and used after it is safe.
Methods take serialized requests: a retry repeats the same bytes.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import grpc

from meterline.interruption import Interruption
from meterline.retry import CallFailure, read_pushback_ms
from meterline.v1 import billing_pb2, entitlements_pb2, metering_pb2, spend_links_pb2, spend_pb2, usage_pb2

Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Method(Generic[_Answer]):
    """One unary call of the engine: its name on the wire, and how its answer is read."""

    name: str
    read: Callable[[bytes], _Answer]


RECORD_USAGE = Method("/meterline.v1.UsageService/RecordUsage", usage_pb2.RecordUsageResponse.FromString)
GET_SPEND = Method("/meterline.v1.SpendService/GetSpend", spend_pb2.GetSpendResponse.FromString)
LIST_LINE_ITEMS = Method(
    "/meterline.v1.BillingService/ListLineItems", billing_pb2.ListLineItemsResponse.FromString
)
QUERY_USAGE = Method("/meterline.v1.MeteringService/QueryUsage", metering_pb2.QueryUsageResponse.FromString)

CHECK_ACCESS = Method(
    "/meterline.v1.EntitlementService/CheckAccess", entitlements_pb2.CheckAccessResponse.FromString
)
RESERVE_USAGE = Method(
    "/meterline.v1.EntitlementService/ReserveUsage", entitlements_pb2.ReserveUsageResponse.FromString
)
COMMIT_RESERVATION = Method(
    "/meterline.v1.EntitlementService/CommitReservation",
    entitlements_pb2.CommitReservationResponse.FromString,
)
RELEASE_RESERVATION = Method(
    "/meterline.v1.EntitlementService/ReleaseReservation",
    entitlements_pb2.ReleaseReservationResponse.FromString,
)
WATCH_SPEND = Method("/meterline.v1.SpendService/WatchSpend", spend_pb2.WatchSpendResponse.FromString)
CREATE_SPEND_LINK = Method(
    "/meterline.v1.SpendLinkService/CreateSpendLink", spend_links_pb2.CreateSpendLinkResponse.FromString
)

_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.primary_user_agent", "meterline-python"),
    # gRPC's own retries would hide attempts from the policy in `retry`.
    ("grpc.enable_retries", 0),
    # By default gRPC waits up to two minutes before it looks for an engine that came back.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A dead peer is noticed while a request waits, instead of when the kernel gives up (15 minutes).
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Requests are bounded by `options`; answers to reads can hold many line items.
    ("grpc.max_send_message_length", 4 * 1024 * 1024),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
)

# A proxy of the environment (http_proxy) has no way to this machine's own loopback.
_LOOPBACK = ("localhost:", "127.", "[::1]:")
_LOOPBACK_OPTIONS: tuple[tuple[str, int | str], ...] = (*_OPTIONS, ("grpc.enable_http_proxy", 0))

# How gRPC begins to say that there was no connection at all; an engine's own words begin otherwise.
_NOT_CONNECTED = ("failed to connect", "DNS resolution failed", "Name resolution failed")

_INTERRUPTED = CallFailure(grpc.StatusCode.CANCELLED, "the caller's task was cancelled")
_BROKEN_OFF = CallFailure(grpc.StatusCode.CANCELLED, "the request was broken off by close()")


class CallFailedError(Exception):
    """One attempt failed. Never leaves the package: a sender retries it, a read translates it."""

    def __init__(self, failure: CallFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class AnswerStream(Generic[_Answer]):
    """The answers of one call. `cancel` ends it, from any thread."""

    def __init__(self, call: Any, broken: Callable[[grpc.RpcError], CallFailedError]) -> None:  # noqa: ANN401 - as `_failure`
        self._call = call
        self._broken = broken

    def next(self) -> _Answer | None:
        """The next one; None at the end. Raises CallFailedError."""
        try:
            answer: _Answer | None = next(self._call, None)
        except grpc.RpcError as error:
            raise self._broken(error) from None
        return answer

    def cancel(self) -> None:
        """Ask for no more."""
        self._call.cancel()


class Transport:
    """Calls to one engine, from any thread. `close` breaks off what is under way."""

    def __init__(self, target: str, credentials: grpc.ChannelCredentials | None, metadata: Metadata) -> None:
        self.target = target
        self._credentials = credentials
        self._metadata = tuple(metadata)
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._closed = False

    def call(
        self,
        method: Method[_Answer],
        payload: bytes,
        timeout_s: float,
        interruption: Interruption | None = None,
    ) -> _Answer:
        """Send a serialized request, once. Raises CallFailedError."""
        metadata = self._metadata or None
        try:
            call = self._open_channel().unary_unary(
                method.name, request_serializer=None, response_deserializer=method.read
            )
            if interruption is None:
                answer: _Answer = call(payload, timeout=timeout_s, metadata=metadata)
            else:
                answer = interruption.guard(
                    call.future(payload, timeout=timeout_s, metadata=metadata)
                ).result()
        except grpc.FutureCancelledError:
            raise CallFailedError(_INTERRUPTED) from None
        except grpc.RpcError as error:
            if self._closed:
                raise CallFailedError(_BROKEN_OFF) from None
            raise CallFailedError(self._failure(error)) from None
        except ValueError:  # how grpc says that the channel was closed meanwhile
            if not self._closed:
                raise
            raise CallFailedError(_BROKEN_OFF) from None
        return answer

    def stream(self, method: Method[_Answer], payload: bytes) -> "AnswerStream[_Answer]":
        """Send a serialized request, whose answers come until somebody ends them. Raises CallFailedError."""
        try:
            call = self._open_channel().unary_stream(
                method.name, request_serializer=None, response_deserializer=method.read
            )
            return AnswerStream(call(payload, metadata=self._metadata or None), self._broken)
        except ValueError:  # as in `call`
            if not self._closed:
                raise
            raise CallFailedError(_BROKEN_OFF) from None

    def _broken(self, error: grpc.RpcError) -> CallFailedError:
        return CallFailedError(_BROKEN_OFF if self._closed else self._failure(error))

    def close(self) -> None:
        """Close the channel; calls under way and later ones fail as CANCELLED."""
        with self._lock:
            self._closed = True
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _open_channel(self) -> grpc.Channel:
        with self._lock:
            if self._closed:
                raise CallFailedError(_BROKEN_OFF)
            if self._channel is None:
                options = _LOOPBACK_OPTIONS if self.target.startswith(_LOOPBACK) else _OPTIONS
                self._channel = (
                    grpc.insecure_channel(self.target, options=options)
                    if self._credentials is None
                    else grpc.secure_channel(self.target, self._credentials, options=options)
                )
            return self._channel

    def _failure(self, error: Any) -> CallFailure:  # noqa: ANN401 - grpc types what it raises too loosely
        code, details = error.code(), error.details() or ""
        metadata = [(key, value) for key, value in error.trailing_metadata() or ()]
        return CallFailure(code, self._explain(code, details), read_pushback_ms(metadata))

    def _explain(self, code: grpc.StatusCode, details: str) -> str:
        if code is grpc.StatusCode.UNAVAILABLE and details.startswith(_NOT_CONNECTED):
            return (
                f"no engine answers at {self.target}: start one with `meterline serve`, "
                f'or name another with Client("host:port") ({details})'
            )
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"the engine at {self.target} did not answer in time ({details})"
        return f"the engine at {self.target} answered {code.name}: {details}"
