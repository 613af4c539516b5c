"""The port where Prometheus reads the engine's metrics."""

import contextlib
from collections.abc import Iterator

from prometheus_client import start_http_server

from engine.errors import StartupError
from engine.metrics import REGISTRY


@contextlib.contextmanager
def serve_metrics(listen: str | None) -> Iterator[int | None]:
    """Serves them on HOST:PORT, or not at all; the port.

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
    try:
        yield int(http.server_port)
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
