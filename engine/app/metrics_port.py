"""The HTTP port beside gRPC: `/metrics` for Prometheus, `/healthz` for whoever asks whether the engine serves."""

import contextlib
import ssl
from collections.abc import Callable, Iterable, Iterator
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import make_wsgi_app, start_http_server

from engine.errors import StartupError
from engine.metrics import REGISTRY


@contextlib.contextmanager
def serve_metrics(
    listen: str | None, is_serving: Callable[[], bool], context: ssl.SSLContext | None
) -> Iterator[int | None]:
    """Serves both on HOST:PORT, or not at all; the port. Without `context` in plain text.

    Raises:
        StartupError: the address can't be had.
    """
    if listen is None:
        yield None
        return
    host, _, port = listen.rpartition(":")
    try:
        http, thread = start_http_server(int(port), addr=host, registry=REGISTRY)
    except (OSError, ValueError, OverflowError) as error:
        raise StartupError(
            f"{listen}: can't serve metrics there: {error}; name another HOST:PORT with --metrics-listen "
            "(each gateway needs its own), or turn them off with --no-metrics"
        ) from error
    if context is not None:
        # Each connection shakes hands in its own thread: a peer that never does holds nobody up.
        http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    metrics: WSGIApplication = make_wsgi_app(REGISTRY)

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start_response)
        status, text = "404 Not Found", "ask for /metrics or /healthz"
        if path == "/healthz":
            status, text = (
                ("200 OK", "serving") if is_serving() else ("503 Service Unavailable", "not serving")
            )
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{text}\n".encode()]

    http.set_app(answer)
    try:
        yield int(http.server_port)
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
