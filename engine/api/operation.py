"""What an operation is: one RPC with its scope and limits, whatever the transport.

Rules:
1. A handler knows no transport. It takes a message (or its bytes, or a stream of them) and a Call, and returns a
   message (or a stream of them). What it refuses it raises; engine.api.status says what a caller sees of that.
2. The tenant comes from the credential, never from a payload.
3. The scope is what a credential must hold for the call. A credential that is bound to a customer may call an operation
   only if its row says, by `customer_of`, for which customer a request asks, and then for its own alone.
4. `audit` marks what changes what is metered, what it costs, what is kept or who may call: each of these calls leaves a
   record (engine.access.audit_log) that names its credential and what it was about.
5. `charges` are the tenant's limits that hold for the operation (engine.access.tenant_limits): every row says which.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

from google.protobuf.message import Message

from engine.access.caller import Caller, Scope
from engine.access.tenant_limits import Limit

PACKAGE: Final = "meterline.v1"
RequestMessage = TypeVar("RequestMessage", bound=Message)


@dataclass(frozen=True, slots=True)
class Call:
    """What a service may know of a call besides its message."""

    caller: Caller
    # Whether somebody still waits for answers.
    is_active: Callable[[], bool]
    # Says what the call is about, for the audit log, where the request can't: engine.api.gate.
    is_about: Callable[[str], None] = lambda _subject: None

    @property
    def tenant(self) -> str:
        return self.caller.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """How many calls of a kind may be open, and how long one may keep the engine waiting (engine.api.grpc.peers).

    message_timeout_s: None: a message may take as long as it likes.
    yields_after_s: when every place is taken, a call that waits for so long gives its place to a newcomer.
    """

    kind: str
    places: int
    message_timeout_s: float | None
    answer_timeout_s: float
    yields_after_s: float


# One that waits for a durable insert holds a place: enough to fill the next insert while one runs. A peer on a slow
# line sends 4 MiB in half a minute.
REQUESTS: Final = CallLimits(
    kind="requests", places=192, message_timeout_s=30, answer_timeout_s=60, yields_after_s=0
)
# Few enough that what one may hold (engine.api.services.usage_service) stays small in sum. An idle one is not a fault.
STREAMS: Final = CallLimits(
    kind="usage streams", places=32, message_timeout_s=None, answer_timeout_s=60, yields_after_s=30
)
# Each piece is seconds of work, one after another whoever sends it: more callers would only wait, with a piece each.
CATALOG_STREAMS: Final = CallLimits(
    kind="catalog streams", places=8, message_timeout_s=None, answer_timeout_s=60, yields_after_s=30
)


# Each holds a thread over gRPC, and a connection over HTTP. A connection that is gone is noticed at the next heartbeat.
WATCHES: Final = CallLimits(
    kind="spend watches", places=128, message_timeout_s=30, answer_timeout_s=60, yields_after_s=30
)
# Shorter than proxies and browsers keep a connection that says nothing.
HEARTBEAT_S: Final = 15


@dataclass(frozen=True, slots=True)
class OfBytes:
    """A handler that reads the bytes of its request itself."""

    serve: Callable[[bytes, Call], Message]


@dataclass(frozen=True, slots=True)
class OfStream:
    """A handler of a stream of requests, each in bytes, that answers with a stream."""

    serve: Callable[[Iterator[bytes], Call], Iterator[Message]]


@dataclass(frozen=True, slots=True)
class OfMessages:
    """A handler of a stream of requests that answers with a stream."""

    serve: Callable[[Iterator[Any], Call], Iterator[Message]]


class Answers(Protocol):
    """What comes of one request, again and again."""

    def take(self) -> Message | None:
        """The newest answer that was not taken yet. Raises what ends the call."""

    def close(self) -> None:
        """Nobody takes any more."""


@dataclass(frozen=True, slots=True)
class OfWatch:
    """A handler of one request that is answered until its caller leaves. `open` returns at once; it is given what to call,
    from any thread, when there is an answer to take. After HEARTBEAT_S without one its caller is sent `heartbeat`.
    """

    open: Callable[[Any, Call, Callable[[], None]], Answers]
    heartbeat: Message


OfMessage: TypeAlias = Callable[[RequestMessage, Call], Message]


@dataclass(frozen=True, slots=True)
class Operation(Generic[RequestMessage]):
    """One RPC. `name` is "<service>.<method>", as in the wire contract.

    `customer_of` gives the one customer whom a request asks for; None for a request that asks for several.
    `audit` gives what a request is about, such as the id of a correction, and None for one that changes nothing,
    which leaves no record; a stream is recorded as a whole, and about nothing.
    """

    name: str
    request: type[RequestMessage]
    handler: OfMessage[RequestMessage] | OfMessages | OfBytes | OfStream | OfWatch
    scope: Scope
    charges: frozenset[Limit]
    limits: CallLimits = REQUESTS
    customer_of: Callable[[RequestMessage], str | None] | None = None
    audit: Callable[[RequestMessage], str | None] | None = None

    def check_request(self, caller: Caller, request: RequestMessage) -> None:
        """Whether the caller may ask for this.

        Raises:
            PermissionDeniedError: the credential is bound to another customer.
        """
        if caller.customer_id is not None:
            caller.check_customer(None if self.customer_of is None else self.customer_of(request))

    @property
    def service(self) -> str:
        """The full name of its service."""
        return f"{PACKAGE}.{self.name.partition('.')[0]}"

    @property
    def method(self) -> str:
        return self.name.partition(".")[2]
