"""Builds the faces over one table of operations and one gate: gRPC, and HTTP beside it where it is asked for."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import structlog

from engine.api.certificates import Certificates
from engine.api.gate import Gate
from engine.api.grpc.server import Server
from engine.api.http.calls import Calls
from engine.api.http.page_calls import PageCalls
from engine.api.http.server import HttpServer
from engine.api.operation import Operation
from engine.api.pages.operator.operator_pages import OperatorPages
from engine.api.pages.page_settings import PageSettings
from engine.api.pages.spend_pages import NamesOf, SpendPages
from engine.api.rim import Rim
from engine.health.condition import Condition
from engine.tracing import Tracing

_log = structlog.get_logger(__name__)
# As many as a trace has: nobody meets one twice.
_REQUEST_ID_BYTES = 16
_PAGE_PATH = "/spend"
# What listens at every address is shown by one.
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}  # noqa: S104 - compared only


class PageAddress:
    """Where customers reach the spend page, and in whose frames."""

    def __init__(self, given: str | None, frame_ancestors: str | None) -> None:
        """`given`: what the operator says; None: wherever the HTTP face listens."""
        self._given = given
        self._frame_ancestors = frame_ancestors or ""
        self._found = ""

    def url(self) -> str:
        """Empty until the HTTP face listens, and where there is none."""
        return self._found and (self._given or self._found)

    def settings(self, *, tls: bool) -> PageSettings:
        """`tls`: whether the HTTP face brings it itself."""
        parts = urlsplit(self._given or _PAGE_PATH)
        is_secure = tls if self._given is None else parts.scheme == "https"
        if self._frame_ancestors and not is_secure:
            _log.warning(
                "the spend page can't be shown in frames",
                problem="browsers take its cookie there over TLS only: give --spend-page-url https://..., or --tls-cert",
            )
        return PageSettings(parts.path, is_secure, self._frame_ancestors)

    def listens(self, http: HttpServer, listen: str, *, tls: bool) -> None:
        host = listen.rpartition(":")[0]
        self._found = f"http{'s' if tls else ''}://{_REACHED_AT.get(host, host)}:{http.port}{_PAGE_PATH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where the faces listen, HOST:PORT, and how; `http` None: there is no HTTP face."""

    grpc: str
    http: str | None
    certificates: Certificates | None
    share_port: bool
    reflection: bool
    request_bytes_max: int
    page: PageAddress


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
    names_of: NamesOf,
    now_us: Callable[[], int],
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
    context = None if certificates is None else certificates.http_context(asks_client=True)
    page = listening.page.settings(tls=context is not None)
    calls = Calls(
        operations,
        gate,
        rim,
        condition.is_serving,
        listening.request_bytes_max,
        lambda calls: [
            *SpendPages(PageCalls(calls), names_of, page).routes(),
            *OperatorPages(PageCalls(calls), now_us).routes(),
        ],
    )
    http = HttpServer(calls, listening.http, context, share_port=listening.share_port)
    listening.page.listens(http, listening.http, tls=context is not None)
    return Faces(server, http)
