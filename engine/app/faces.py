"""Builds the faces over one table of operations and one gate: gRPC, and HTTP beside it where it is asked for."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.api.certificates import Certificates
from engine.api.gate import Gate
from engine.api.grpc.server import Server
from engine.api.http.calls import Calls
from engine.api.http.server import HttpServer
from engine.api.operation import Operation
from engine.api.rim import Rim
from engine.health.condition import Condition
from engine.tracing import Tracing

# As many as a trace has: nobody meets one twice.
_REQUEST_ID_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where the faces listen, HOST:PORT, and how; `http` None: there is no HTTP face."""

    grpc: str
    http: str | None
    certificates: Certificates | None
    share_port: bool
    reflection: bool
    request_bytes_max: int


@dataclass(frozen=True, slots=True)
class Faces:
    """The ports that serve the operations."""

    grpc: Server
    http: HttpServer | None

    def start(self) -> None:
        self.grpc.start()
        if self.http is not None:
            self.http.start()

    def moving_parts(self) -> list[tuple[str, Callable[[], bool]]]:
        """What must move for calls to be served, each with its name."""
        parts: list[tuple[str, Callable[[], bool]]] = [
            ("the thread that watches gRPC calls", self.grpc.is_moving)
        ]
        if self.http is not None:
            parts.append(("the loop of the HTTP port", self.http.is_moving))
        return parts

    def stop(self, grace_s: int) -> None:
        """Refuses new calls, and gives those that run `grace_s` to end, at each face."""
        if self.http is not None:
            self.http.stop(grace_s)
        self.grpc.stop(grace_s)


def build_faces(
    operations: Sequence[Operation[Any]],
    gate: Gate,
    condition: Condition,
    listening: Listening,
    tracing: Tracing | None,
) -> Faces:
    """Takes the ports without serving yet.

    Raises:
        StartupError: an address can't be had.
    """
    certificates = listening.certificates
    rim = Rim(lambda: secrets.token_hex(_REQUEST_ID_BYTES), tracing)
    server = Server(
        operations,
        listening.grpc,
        gate=gate,
        rim=rim,
        is_ready=condition.is_ready,
        certificates=certificates,
        request_bytes_max=listening.request_bytes_max,
        share_port=listening.share_port,
        reflection=listening.reflection,
    )
    if listening.http is None:
        return Faces(server, None)
    calls = Calls(operations, gate, rim, condition.is_serving, listening.request_bytes_max)
    context = None if certificates is None else certificates.http_context(asks_client=True)
    return Faces(server, HttpServer(calls, listening.http, context, share_port=listening.share_port))
