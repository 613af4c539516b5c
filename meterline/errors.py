"""Every error that the client raises on purpose. The text of each is one clear line.

    MeterlineClientError
    ├── InvalidArgumentError       a value that can't be sent; nothing was recorded
    ├── InvalidOptionError         an option out of its bounds
    ├── BufferFullError            too much waits for the engine; this event was not recorded
    ├── SpoolError                 the spool's directory can't be used; this event was not recorded
    ├── ClientClosedError          the client was closed before
    ├── CallbackMisuseError        a waiting call from inside `on_problem`, which would wait for itself
    ├── NoSingleCurrencyError      `Spend.amount` of a customer without a currency, or with several
    ├── ReservationRefusedError    quota was not granted: `refusal` says why
    ├── ListingNotBegunError       an asynchronous listing was asked for its snapshot before its first page
    └── RequestFailedError         a read that failed; `code` is the gRPC status
        ├── EngineUnavailableError no engine answers, or it asks for patience: try again later
        ├── InvalidRequestError    the engine refuses the request as it is
        ├── NotFoundError          no such customer, meter or catalog revision
        ├── AccessDeniedError      the credential is missing, or does not allow this
        ├── ReservationEndedError  the reservation was committed, was released or has expired
        └── ReservationConflictError   its id, or its commit, is that of another content

An event that the engine does not accept is not an error: it is a verdict, in a `Receipt`.
"""

from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from meterline.reads.access import FeatureAccess


class MeterlineClientError(Exception):
    """Base of the tree: what is wrong, where, what to do."""


class InvalidArgumentError(MeterlineClientError):
    """A mistake in the calling code: a wrong type, a naive datetime, NaN, an oversized event."""


class InvalidOptionError(MeterlineClientError):
    """An option of the client that is out of its bounds or does not fit another."""


class BufferFullError(MeterlineClientError):
    """The buffer, or the spool, has no room, and the policy's patience is over."""


class SpoolError(MeterlineClientError):
    """The disk refuses: full, read-only, no permission, or another process holds the directory.

    The cause, where there is one, is the OSError.
    """


class ClientClosedError(MeterlineClientError):
    """The client no longer takes events or reads."""


class CallbackMisuseError(MeterlineClientError):
    """`flush` or `close` was called from `on_problem`; each waits for that very callback to return."""


class NoSingleCurrencyError(MeterlineClientError, ValueError):
    """There is no one amount to give: `totals` has one for each currency, and may be empty."""


class ListingNotBegunError(MeterlineClientError):
    """Nothing was read of the listing yet, so that nothing is known of it."""


class ReservationRefusedError(MeterlineClientError):
    """Quota was not granted, and nothing is held.

    `refusal`: "limit_reached", "unreachable" while no engine can be reached and the limit is closed then, the state of a reservation
    that was given back ("released", "expired"), or another refusal of docs/limits.md. `access`: to the limit, a FeatureAccess.
    """

    def __init__(self, message: str, *, refusal: str, access: "FeatureAccess") -> None:
        super().__init__(message)
        self.refusal = refusal
        self.access = access


class RequestFailedError(MeterlineClientError):
    """The engine did not answer a read with a result."""

    def __init__(self, message: str, *, code: grpc.StatusCode) -> None:
        super().__init__(message)
        self.code = code


class EngineUnavailableError(RequestFailedError):
    """Nothing is wrong with the request: the same one can succeed later."""


class InvalidRequestError(RequestFailedError):
    """Sending it again unchanged won't help."""


class NotFoundError(RequestFailedError):
    """What the request names does not exist."""


class AccessDeniedError(RequestFailedError):
    """The engine does not take the caller's credential, or not for this."""


class ReservationEndedError(RequestFailedError):
    """It can't be committed, or released, any more. Usage that was made nevertheless is recorded with `record`."""


class ReservationConflictError(RequestFailedError):
    """The id is that of a reservation with other content, or it was committed with another event. What stands stays."""
