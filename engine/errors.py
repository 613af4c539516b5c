"""Every error that the engine raises on purpose.

    MeterlineError
    ├── InvalidRequestError         the caller can mend it: names the fields
    │   └── CatalogDocumentError    a catalog document with mistakes: names file, line and field
    ├── UnauthenticatedError        nobody whom the engine knows is calling
    ├── PermissionDeniedError       the caller's credential does not allow the call
    ├── NotFoundError               no such customer, subscription, ...
    ├── AlreadyExistsError          the name is taken
    ├── StaleError                  what is to be changed was changed since it was read: read again
    ├── InUseError                  what is to go is used by something, which it names
    ├── InvoiceStateError           an invoice is not in a state in which that can be done to it
    ├── ReservationStateError       a reservation was committed, was released or has expired
    ├── TooManyReservationsError    a customer has as many open ones as there may be
    ├── IdempotencyKeyUsedError     the key belongs to a request with other content
    ├── KeyEndedError               an API key that is to be rotated is revoked or has expired
    ├── UsageExpiredError           the events that an exact answer needs have expired
    ├── CorrectionRefusedError      usage is not, or no longer, what a correction takes it for
    ├── CorrectionIdUsedError       the id belongs to a correction with other content
    ├── RetryLaterError             nothing is wrong with the request: send it again
    │   ├── QueueFullError          too much waits for the store
    │   ├── TooManyCallsError       too many calls of a kind are open
    │   ├── LimitExceededError      the tenant has taken what its limits allow for now
    │   └── StoreUnavailableError   a store does not answer, or the engine is shutting down
    │       └── RollupMovedError    a rollup was computed again while it was read: read from events
    ├── BackupError                 a backup can't be made, read or restored
    └── StartupError                the engine can't start: data directory, port, lock
        └── ConfigurationError      its options, environment or file have mistakes: names each

A bad event is not an error: it is data, a verdict. `engine.api.status` maps each class to a gRPC status
in one table; the command line prints `str(error)` on one line and exits with 2.
"""

from dataclasses import dataclass


class MeterlineError(Exception):
    """Base of the tree. Its text is one clear line: what is wrong, where, what to do."""


@dataclass(frozen=True, slots=True)
class FieldMistake:
    """One field at fault: where it is, and what is wrong with it."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class InvalidRequestError(MeterlineError):
    """The request can't be served as it is; sending it again unchanged won't help."""

    def __init__(self, *mistakes: FieldMistake) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self.mistakes = mistakes


class CatalogDocumentError(InvalidRequestError):
    """A catalog document with mistakes; `mistakes` holds all of them, nothing was applied."""


class UnauthenticatedError(MeterlineError):
    """Nobody whom the engine knows is calling. All but the message is for metrics, logs and the audit log: callers are not
    told. `credential` names the API key whose id was shown; empty where none was. `tenant`: whose key that is; empty where
    nobody knows the id.
    """

    def __init__(self, message: str, reason: str, *, tenant: str = "", credential: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.tenant = tenant
        self.credential = credential


class PermissionDeniedError(MeterlineError):
    """The caller's credential does not allow the call."""


class NotFoundError(MeterlineError):
    """What the request names does not exist."""


class AlreadyExistsError(MeterlineError):
    """The name or the id is taken."""


class StaleError(MeterlineError):
    """Something was changed since the caller read it; nothing was changed now. Read it again."""


class InUseError(MeterlineError):
    """Something still uses what is to be archived or deleted; its text names it."""


class InvoiceStateError(MeterlineError):
    """An invoice is not in a state in which that can be done to it; nothing was changed. Its text names both."""


class ReservationStateError(MeterlineError):
    """A reservation is not in a state in which that can be done to it; nothing was changed. Its text names both."""


class TooManyReservationsError(MeterlineError):
    """A customer has as many open reservations as there may be; nothing was reserved."""


class IdempotencyKeyUsedError(MeterlineError):
    """The key was given to a request with other content, which stands; nothing was changed now."""


class KeyEndedError(MeterlineError):
    """An API key that is to be rotated is revoked or has expired."""


class UsageExpiredError(MeterlineError):
    """The events that an exact answer needs have expired; no quantity is given rather than a smaller one."""


class CorrectionRefusedError(MeterlineError):
    """Usage is not what the correction takes it for: nothing was recorded. Look again, and ask anew."""


class CorrectionIdUsedError(MeterlineError):
    """The id was given to a correction with other content, which stands; nothing was recorded."""


class RetryLaterError(MeterlineError):
    """Nothing is wrong with the request: send the same bytes again after `retry_after_ms`."""

    def __init__(self, message: str, *, retry_after_ms: int) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class QueueFullError(RetryLaterError):
    """More waits for the store than the configured bound."""


class TooManyCallsError(RetryLaterError):
    """As many calls of this kind are open as the engine has threads for."""


class LimitExceededError(RetryLaterError):
    """The tenant has taken what one of its limits allows for now: `limit` is its name."""

    def __init__(self, message: str, *, retry_after_ms: int, limit: str, tenant: str) -> None:
        super().__init__(message, retry_after_ms=retry_after_ms)
        self.limit = limit
        self.tenant = tenant


class StoreUnavailableError(RetryLaterError):
    """A store does not answer, or the engine is shutting down."""


class RollupMovedError(StoreUnavailableError):
    """A rollup was computed again between the plan and the read; the engine itself reads again, from events."""


class BackupError(MeterlineError):
    """A backup can't be made, read or restored; what it would have been restored to is left as it was, or named."""


class StartupError(MeterlineError):
    """The engine can't start."""


class ConfigurationError(StartupError):
    """What the engine is told by options, environment and file; `mistakes` has all of them, each with its place."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


def log_text(error: BaseException) -> str:
    """What a log may say of an error. The text of one that nobody expected may have anything in it, such as a statement
    with what it was about to store: its kind must do.
    """
    return str(error) if isinstance(error, MeterlineError) else type(error).__name__
