"""The HTTP port beside gRPC: `/metrics` for Prometheus, and what probes ask. It is there before the stores are opened and
until they are closed.

    /livez     200 while the process makes progress: kill it when this fails
    /readyz    200 while calls are served and the stores answer: send it no calls when this fails
    /startupz  200 once it has served: be patient until then
    /healthz   200 while calls are taken, whatever becomes of them
"""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from engine.errors import StartupError
from engine.health.condition import Condition
from engine.metrics import REGISTRY

_PEER_TIMEOUT_S: Final = 10


@contextlib.contextmanager
def serve_metrics(
    listen: str | None, condition: Condition, context: ssl.SSLContext | None
) -> Iterator[int | None]:
    """Serves them on HOST:PORT, or not at all; the port. Without `context` in plain text.

    Raises:
        StartupError: the address can't be had.
    """
    if listen is None:
        yield None
        return
    try:
        http = _bound(listen, _application(condition))
    except (OSError, ValueError, OverflowError) as error:
        raise StartupError(
            f"{listen}: can't serve metrics there: {error}; name another HOST:PORT with --metrics-listen "
            "(each gateway needs its own), or turn them off with --no-metrics"
        ) from error
    if context is not None:
        # Each connection shakes hands in its own thread: a peer that never does holds nobody up.
        http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=http.serve_forever, name="meterline-metrics", daemon=True)
    thread.start()
    try:
        yield int(http.server_port)
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


class _Server(ThreadingWSGIServer):
    """A thread for each connection."""

    def handle_error(self, request: object, client_address: object) -> None:
        """A peer that breaks off, or speaks no TLS, is no news to an operator; it would be a traceback on standard error."""


class _Handler(WSGIRequestHandler):
    """Lets no peer hold its thread for long."""

    timeout = _PEER_TIMEOUT_S

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Nobody wants a line for each probe."""


def _bound(listen: str, application: WSGIApplication) -> _Server:
    """Takes the port. Nobody is answered yet."""
    host, _, port = listen.rpartition(":")
    family, *_ = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
    kind = type("_FamilyServer", (_Server,), {"address_family": family})
    return make_server(host.strip("[]"), int(port), application, kind, handler_class=_Handler)


def _application(condition: Condition) -> WSGIApplication:
    metrics: WSGIApplication = make_wsgi_app(REGISTRY)
    probes: dict[str, Callable[[], list[str]]] = {
        "/livez": condition.not_alive,
        "/readyz": condition.not_ready,
        "/startupz": condition.not_started,
    }

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start_response)
        kind = "text/plain; charset=utf-8"
        if path in probes:
            reasons = probes[path]()
            ok, kind = not reasons, "application/json"
            text = json.dumps({"ok": ok, "reasons": reasons})
        elif path == "/healthz":
            ok = condition.is_serving()
            text = "serving" if ok else "not serving"
        else:
            start_response("404 Not Found", [("Content-Type", kind)])
            return [b"ask for /metrics, /livez, /readyz, /startupz or /healthz\n"]
        status = "200 OK" if ok else "503 Service Unavailable"
        start_response(status, [("Content-Type", kind), ("Cache-Control", "no-store")])
        return [f"{text}\n".encode()]

    return answer
