"""Every error's status, in one table, with google.rpc details: as gRPC carries it, and as HTTP does."""

from dataclasses import dataclass, replace
from typing import Final

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from engine.errors import (
    AlreadyExistsError,
    BackupError,
    CatalogDocumentError,
    CorrectionIdUsedError,
    CorrectionRefusedError,
    IdempotencyKeyUsedError,
    InUseError,
    InvalidRequestError,
    InvoiceStateError,
    KeyEndedError,
    LimitExceededError,
    MeterlineError,
    NotFoundError,
    PermissionDeniedError,
    QueueFullError,
    ReservationStateError,
    RetryLaterError,
    StaleError,
    StoreUnavailableError,
    TooManyCallsError,
    TooManyReservationsError,
    UnauthenticatedError,
    UsageExpiredError,
)

_DOMAIN = "meterline"
_INTERNAL_LINE = "an error inside the engine, of which its log tells more"
# gRPC's own hint for retries; clients without google.rpc types read this one.
_PUSHBACK = "grpc-retry-pushback-ms"

# A status travels in trailing metadata, of which a gRPC client takes 8 KiB unless it is told otherwise: its line
# percent-encoded (3 bytes for one that is not ASCII), and line and details once more in base64 (4 bytes for 3).
# 900 x 3 + (900 + 2,500) x 4 / 3 is 7,234.
_VIOLATIONS_BYTES_MAX = 2_500
_LINE_BYTES_MAX = 900
# A client that takes more metadata may say so, up to this, and gets that many bytes of mistakes.
DETAILS_BYTES_KEY = "meterline-details-bytes-max"
_DETAILS_BYTES_CEILING = 128 * 1024

# The first class that fits decides: derived classes before their bases.
_CODES: tuple[tuple[type[MeterlineError], int, str], ...] = (
    (CatalogDocumentError, code_pb2.INVALID_ARGUMENT, "CATALOG_DOCUMENT_INVALID"),
    (InvalidRequestError, code_pb2.INVALID_ARGUMENT, "REQUEST_INVALID"),
    (UnauthenticatedError, code_pb2.UNAUTHENTICATED, "UNAUTHENTICATED"),
    (PermissionDeniedError, code_pb2.PERMISSION_DENIED, "PERMISSION_DENIED"),
    (AlreadyExistsError, code_pb2.ALREADY_EXISTS, "ALREADY_EXISTS"),
    (StaleError, code_pb2.ABORTED, "STALE"),
    (InUseError, code_pb2.FAILED_PRECONDITION, "IN_USE"),
    (InvoiceStateError, code_pb2.FAILED_PRECONDITION, "INVOICE_STATE"),
    (ReservationStateError, code_pb2.FAILED_PRECONDITION, "RESERVATION_STATE"),
    (TooManyReservationsError, code_pb2.FAILED_PRECONDITION, "TOO_MANY_RESERVATIONS"),
    (IdempotencyKeyUsedError, code_pb2.ALREADY_EXISTS, "IDEMPOTENCY_KEY_USED"),
    (KeyEndedError, code_pb2.FAILED_PRECONDITION, "KEY_ENDED"),
    (NotFoundError, code_pb2.NOT_FOUND, "NOT_FOUND"),
    (CorrectionRefusedError, code_pb2.FAILED_PRECONDITION, "CORRECTION_REFUSED"),
    (CorrectionIdUsedError, code_pb2.ALREADY_EXISTS, "CORRECTION_ID_USED"),
    (BackupError, code_pb2.FAILED_PRECONDITION, "BACKUP_REFUSED"),
    (UsageExpiredError, code_pb2.FAILED_PRECONDITION, "USAGE_EXPIRED"),
    (QueueFullError, code_pb2.RESOURCE_EXHAUSTED, "QUEUE_FULL"),
    (LimitExceededError, code_pb2.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED"),
    (TooManyCallsError, code_pb2.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS"),
    (StoreUnavailableError, code_pb2.UNAVAILABLE, "STORE_UNAVAILABLE"),
    (MeterlineError, code_pb2.INTERNAL, "INTERNAL"),
)


# The HTTP status of a code, as google.rpc maps them.
_HTTP_CODES: Final = {
    code_pb2.OK: 200,
    code_pb2.INVALID_ARGUMENT: 400,
    code_pb2.FAILED_PRECONDITION: 400,
    code_pb2.UNAUTHENTICATED: 401,
    code_pb2.PERMISSION_DENIED: 403,
    code_pb2.NOT_FOUND: 404,
    code_pb2.ALREADY_EXISTS: 409,
    code_pb2.ABORTED: 409,
    code_pb2.RESOURCE_EXHAUSTED: 429,
    code_pb2.INTERNAL: 500,
    code_pb2.UNAVAILABLE: 503,
}


@dataclass(frozen=True, slots=True)
class RpcStatus(grpc.Status):
    """What `ServicerContext.abort_with_status` takes."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]

    def with_metadata(self, *more: tuple[str, str]) -> "RpcStatus":
        """It replaces what was set before: whatever is to be sent back goes with the status."""
        return replace(self, trailing_metadata=(*self.trailing_metadata, *more))


@dataclass(frozen=True, slots=True)
class HttpStatus:
    """What an HTTP caller sees: the status line's code, the google.rpc.Status as a message, and its code's name."""

    http_code: int
    code: str
    message: status_pb2.Status
    retry_after_ms: int | None = None


def http_status_of(error: Exception, request_id: str = "") -> HttpStatus:
    """The status that an HTTP caller sees for this error, with as many mistakes as an answer's body may have."""
    status = _status(error, request_id, _DETAILS_BYTES_CEILING)
    retry_after_ms = error.retry_after_ms if isinstance(error, RetryLaterError) else None
    return HttpStatus(_HTTP_CODES[status.code], code_pb2.Code.Name(status.code), status, retry_after_ms)


def status_of(error: Exception, request_id: str = "", details_bytes: str | None = None) -> RpcStatus:
    """The status that a gRPC caller sees for this error; `details_bytes` is what the caller sent under the key."""
    retry = [(_PUSHBACK, str(error.retry_after_ms))] if isinstance(error, RetryLaterError) else []
    return _as_rpc(_status(error, request_id, _details_bytes_max(details_bytes)), retry)


def _status(error: Exception, request_id: str, violations_bytes_max: int) -> status_pb2.Status:
    """Of an error that nobody expected the caller learns nothing but how to find it in the log."""
    kinds = ((code, reason) for kind, code, reason in _CODES if isinstance(error, kind))
    code, reason = next(kinds, (code_pb2.INTERNAL, "INTERNAL"))
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=reason, domain=_DOMAIN)]
    if isinstance(error, LimitExceededError):
        details = _limit_details(error, reason)
    if code == code_pb2.INTERNAL:
        details.append(error_details_pb2.RequestInfo(request_id=request_id))
    if not isinstance(error, MeterlineError):
        return _packed(code, f"{_INTERNAL_LINE}: request_id {request_id}", details)
    if isinstance(error, InvalidRequestError):
        details.append(_bad_request(error, violations_bytes_max))
    if isinstance(error, RetryLaterError):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(error.retry_after_ms)
        details.append(retry)
    return _packed(code, _cut(str(error), _LINE_BYTES_MAX), details)


def _details_bytes_max(asked: str | None) -> int:
    if asked is None or not asked.isdecimal() or len(asked) > len(str(_DETAILS_BYTES_CEILING)):
        return _VIOLATIONS_BYTES_MAX
    return max(_VIOLATIONS_BYTES_MAX, min(int(asked), _DETAILS_BYTES_CEILING))


def _bad_request(error: InvalidRequestError, bytes_max: int) -> error_details_pb2.BadRequest:
    """The mistakes in their order, as many as fit; then how many are left out."""
    request = error_details_pb2.BadRequest()
    for index, mistake in enumerate(error.mistakes):
        violation = request.field_violations.add(
            field=_cut(mistake.field, bytes_max // 3), description=_cut(mistake.message, bytes_max // 3)
        )
        if request.ByteSize() > bytes_max:
            left = len(error.mistakes) - index
            violation.field, violation.description = "…", f"and {left} more: mend these first"
            break
    return request


def _limit_details(error: LimitExceededError, reason: str) -> list[Message]:
    """The limit's name for programs, and for whom it holds."""
    violation = error_details_pb2.QuotaFailure.Violation(
        subject=f"tenant:{error.tenant}", description=str(error)
    )
    return [
        error_details_pb2.ErrorInfo(reason=reason, domain=_DOMAIN, metadata={"limit": error.limit}),
        error_details_pb2.QuotaFailure(violations=[violation]),
    ]


def _cut(text: str, bytes_max: int) -> str:
    encoded = text.encode()
    if len(encoded) <= bytes_max:
        return text
    return encoded[: bytes_max - len("…".encode())].decode(errors="ignore") + "…"


def _packed(code: int, message: str, details: list[Message]) -> status_pb2.Status:
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    return status_pb2.Status(code=code, message=message, details=packed)


def _as_rpc(message: status_pb2.Status, metadata: list[tuple[str, str]]) -> RpcStatus:
    status = rpc_status.to_status(message)
    return RpcStatus(status.code, status.details, (*status.trailing_metadata, *metadata))
