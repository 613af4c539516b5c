"""The HTTP port: uvicorn on a thread of its own, and what it bears of its peers.

Rules:
1. A peer that does not send a whole head within _HEAD_TIMEOUT_S is cut off, and so is a connection that is kept open and
   says nothing, and one that takes nothing of its answer for _ANSWER_TIMEOUT_S.
2. There are at most _CONNECTIONS_MAX connections; one more is closed at once.
3. The port is taken before anything is served, and closed when the calls that run have ended, or after the grace.
"""

import asyncio
import logging
import socket
import ssl
import threading
import time
from functools import partial
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from engine.api.http.calls import Calls
from engine.errors import StartupError

_HEAD_TIMEOUT_S: Final = 10
_KEEP_ALIVE_S: Final = 60
_ANSWER_TIMEOUT_S: Final = 60
_HEAD_BYTES_MAX: Final = 64 * 1024
# Each holds a socket, beside gRPC's 512 of a process that has 1,024 by default.
_CONNECTIONS_MAX: Final = 256
_BACKLOG: Final = 128
_BEAT_EVERY_S: Final = 1
# Far more than a busy machine makes it wait.
_BEAT_AGE_MAX_S: Final = 60


class _PatientProtocol(H11Protocol):
    """Waits for a request's head, and for its answer to be taken, for so long and no longer."""

    _head_timer: asyncio.TimerHandle | None = None
    _answer_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > _CONNECTIONS_MAX:
            # Nothing is said: an answer would hold the socket that there is no room for.
            transport.abort()
            return
        self._head_timer = self.loop.call_later(_HEAD_TIMEOUT_S, self._give_up)

    def handle_events(self) -> None:
        super().handle_events()
        # A head has come whole when there is a cycle that answers it, and has not yet.
        if self._is_answering() and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing() and self._head_timer is None and not self._is_answering():
            self._head_timer = self.loop.call_later(_KEEP_ALIVE_S + _HEAD_TIMEOUT_S, self._give_up)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._answer_timer = self.loop.call_later(_ANSWER_TIMEOUT_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_answer_timer()
        super().resume_writing()

    def _stop_answer_timer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_answer_timer()
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        self._head_timer = None
        if not self._is_answering():
            self.transport.close()

    def _is_answering(self) -> bool:
        # Typed as if there were always one.
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete


class HttpServer:
    """Listens on one address."""

    def __init__(
        self, calls: Calls, listen: str, context: ssl.SSLContext | None, *, share_port: bool = False
    ) -> None:
        """Takes the port without serving yet. Without `context` all is in plain text.

        Raises:
            StartupError: the address can't be had.
        """
        self._calls = calls
        self._socket = _bound(listen, share_port=share_port)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            calls.application,
            http=_PatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            h11_max_incomplete_event_size=_HEAD_BYTES_MAX,
            timeout_graceful_shutdown=None,
        )
        config.load()
        config.ssl = context
        self._server = uvicorn.Server(config)
        # Its words about peers that speak no HTTP are no news to an operator.
        logging.getLogger("uvicorn").setLevel(logging.ERROR)
        # It would say again and again, in a traceback each, that the process has no socket left.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        self._beat_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="meterline-http", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def is_moving(self) -> bool:
        """Whether its loop takes up what comes: it did within the last minute."""
        return self._thread.is_alive() and time.monotonic() - self._beat_at < _BEAT_AGE_MAX_S

    def stop(self, grace_s: int) -> None:
        """Takes no new calls, and gives those that run `grace_s` to end."""
        self._server.config.timeout_graceful_shutdown = grace_s
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()
        self._calls.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    def _beat(self) -> None:
        self._beat_at = time.monotonic()
        asyncio.get_running_loop().call_later(_BEAT_EVERY_S, self._beat)

    async def _serve(self) -> None:
        self._beat()
        if self._server.config.ssl is not None:
            loop: Any = asyncio.get_running_loop()
            # uvicorn leaves a minute for a handshake.
            loop.create_server = partial(loop.create_server, ssl_handshake_timeout=_HEAD_TIMEOUT_S)
        await self._server.serve(sockets=[self._socket])


def _bound(listen: str, *, share_port: bool) -> socket.socket:
    host, _, port = listen.rpartition(":")
    try:
        family, *_, where = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        # asyncio sends answers without delay (TCP_NODELAY) only on sockets that say that they are TCP.
        made: Any = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share_port:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((str(where[0]), int(where[1])))
        made.listen(_BACKLOG)
    except (OSError, ValueError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "write HOST:PORT"
        raise StartupError(
            f"{listen}: can't serve HTTP there: {reason}; name another HOST:PORT with --http-listen"
        ) from error
    bound: socket.socket = made
    return bound
