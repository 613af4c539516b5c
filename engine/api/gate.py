"""The gate before every operation: who calls, whether that is allowed, and what the audit log says of it.

Every face asks it in the same order: `enter` with what the call carries, before anything of the call is read; `admit`
with the request; `ended` with the code that the caller saw.
"""

from dataclasses import dataclass, field
from typing import Any, Generic

from engine.access.allowances import Allowance, Allowances
from engine.access.audit_log import AuditLog
from engine.access.authenticator import Authenticator
from engine.access.caller import Caller
from engine.access.tenant_limits import Limit
from engine.api.operation import Operation, RequestMessage
from engine.current_call import CURRENT_CALL
from engine.errors import PermissionDeniedError, UnauthenticatedError
from engine.metrics import METRICS

_DENIED = "PERMISSION_DENIED"
_UNAUTHENTICATED = "UNAUTHENTICATED"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a call shows of who makes it: a header, and the names in a client certificate that was verified.

    session: of the operator's page, out of its cookie; of a call that a page makes, and then instead of the others.
    """

    authorization: str | None
    certificate_subjects: tuple[str, ...] = ()
    session: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets calls in."""

    authenticator: Authenticator
    audit_log: AuditLog
    allowances: Allowances

    def enter(self, operation: Operation[RequestMessage], shown: Shown) -> "GatedCall[RequestMessage]":
        """A call of this operation, with the credential that is shown for it.

        Raises:
            UnauthenticatedError: nobody whom the engine knows.
            PermissionDeniedError: the credential lacks the scope.
            LimitExceededError: the tenant has taken what its limits allow for now.
        """
        caller = self.caller(operation, shown)
        allowance = self.allowances.of(caller.tenant)
        allowance.enter(operation.charges)
        METRICS.admitted_calls.labels(operation.method).inc()
        return GatedCall(self, operation, shown, caller, allowance)

    def caller(self, operation: Operation[Any], shown: Shown) -> Caller:
        """Raises as `enter`."""
        try:
            caller = self._shown_by(shown)
        except UnauthenticatedError as error:
            METRICS.refused_calls.labels(operation.method, error.reason).inc()
            if error.tenant:
                self.audit_log.record_refusal(
                    error.tenant, error.credential, operation.name, _UNAUTHENTICATED
                )
            raise
        if (current := CURRENT_CALL.get()) is not None:
            current.tenant, current.credential = caller.tenant, caller.credential
        try:
            caller.check_scope(operation.scope)
        except PermissionDeniedError:
            self.refused(operation, caller, "scope")
            raise
        return caller

    def _shown_by(self, shown: Shown) -> Caller:
        if shown.session:
            return self.authenticator.of_session(shown.session)
        return self.authenticator.caller(shown.authorization, shown.certificate_subjects)

    def refused(self, operation: Operation[Any], caller: Caller, reason: str) -> None:
        METRICS.refused_calls.labels(operation.method, reason).inc()
        self.audit_log.record_refusal(caller.tenant, caller.credential, operation.name, _DENIED)


@dataclass(slots=True)
class GatedCall(Generic[RequestMessage]):
    """One call that was let in. `subject`: what it is about, for the audit log; None leaves no record."""

    gate: Gate
    operation: Operation[RequestMessage]
    shown: Shown
    caller: Caller
    allowance: Allowance
    subject: str | None = field(init=False)

    def __post_init__(self) -> None:
        self.subject = None if self.operation.audit is None else ""

    def read(self, nbytes: int, *, more_requests: int = 0) -> None:
        """So many bytes came, and of a stream another request. Raises LimitExceededError."""
        if more_requests and Limit.REQUESTS in self.operation.charges:
            self.allowance.charge(Limit.REQUESTS, more_requests)
        if nbytes and Limit.BYTES in self.operation.charges:
            self.allowance.charge(Limit.BYTES, nbytes)

    def admit(self, request: RequestMessage) -> None:
        """Raises PermissionDeniedError for a customer who is not the credential's."""
        try:
            self.operation.check_request(self.caller, request)
        except PermissionDeniedError:
            self.gate.refused(self.operation, self.caller, "customer")
            raise
        if self.operation.audit is not None:
            self.subject = self.operation.audit(request)

    def renew(self) -> None:
        """Whether the credential still holds, for the next message of a stream. Raises as `Gate.enter`."""
        caller = self.gate.caller(self.operation, self.shown)
        if caller.credential != self.caller.credential:
            raise UnauthenticatedError(
                "the stream's credential has been replaced: open a new one", "replaced"
            )
        self.caller = caller
        self.allowance = self.gate.allowances.of(caller.tenant)

    def is_about(self, subject: str) -> None:
        """What the audit log says of the call, in the place of what its operation makes of the request."""
        self.subject = subject

    def ended(self, code: str) -> None:
        """The call is over; `code` is the name of the status code that the caller sees."""
        self.allowance.leave(self.operation.charges)
        if self.subject is not None:
            self.gate.audit_log.record(self.caller, self.operation.name, self.subject, code)
