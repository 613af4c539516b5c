"""The gRPC server: a method for each operation of the table, health and reflection beside them."""

import errno
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest

from engine.api.certificates import Certificates
from engine.api.gate import Gate
from engine.api.grpc.calls import Method, RpcHandler, Serving, message, method_of, stream, unary
from engine.api.grpc.health import NAME as HEALTH_NAME
from engine.api.grpc.health import HealthService
from engine.api.grpc.peers import Places, Watchdog
from engine.api.grpc.reflection import METHOD as REFLECTION_METHOD
from engine.api.grpc.reflection import NAMES as REFLECTION_NAMES
from engine.api.grpc.reflection import reflection_method
from engine.api.operation import CATALOG_STREAMS, REQUESTS, STREAMS, WATCHES, CallLimits, Operation
from engine.api.rim import Rim
from engine.errors import StartupError

# What gRPC brings of its own. Whoever asks whether the engine lives is answered also while it is busy.
_CHECKS = CallLimits(
    kind="health checks", places=16, message_timeout_s=10, answer_timeout_s=10, yields_after_s=0
)
# A channel with client-side health checking holds one.
_WATCHES = CallLimits(
    kind="health watches", places=128, message_timeout_s=10, answer_timeout_s=10, yields_after_s=1
)
# For people with grpcurl.
_REFLECTIONS = CallLimits(
    kind="reflection streams", places=8, message_timeout_s=30, answer_timeout_s=10, yields_after_s=1
)
_KINDS = (REQUESTS, STREAMS, CATALOG_STREAMS, WATCHES, _CHECKS, _WATCHES, _REFLECTIONS)
# Besides the places: calls that are being refused, and handlers whose peer has gone. Threads are made as needed.
_THREADS = sum(limits.places for limits in _KINDS) + 64
# A message may be so many times the limit of a request, so that a request over it gets a clear answer from us.
# Requests of 4 MiB that hang in mid-message hold 1.5 GiB at most, with REQUESTS.
_MESSAGE_REQUESTS_MAX = 2
# Each holds a socket, of a process that has 1,024 of them by default and opens files besides.
_CONNECTIONS_MAX = 512
# A peer that opens and cancels thousands of calls at once puts them before everybody else's: some seconds' work.
_PENDING_CALLS_MAX = 10_000
_PORT_MAX = 65_535


class Server:
    """Listens on one address."""

    def __init__(  # noqa: PLR0913 - each is a fact of its own about the port
        self,
        operations: Sequence[Operation[Any]],
        address: str,
        *,
        gate: Gate,
        rim: Rim,
        is_ready: Callable[[], bool],
        certificates: Certificates | None,
        request_bytes_max: int,
        share_port: bool = False,
        reflection: bool = False,
    ) -> None:
        """Takes the port without serving yet; `is_ready`: what the health service tells. `share_port`: along with other
        processes that share it. `reflection`:
        whoever asks, without a credential, is told the wire contract. Without `certificates` all is in plain text.

        Raises:
            StartupError: the address is taken, or is none.
        """
        self._grpc = grpc.server(
            ThreadPoolExecutor(_THREADS, thread_name_prefix="meterline-rpc"),
            maximum_concurrent_rpcs=_THREADS,
            options=[
                # Holds for a compressed message when it is unpacked, too.
                ("grpc.max_receive_message_length", _MESSAGE_REQUESTS_MAX * request_bytes_max),
                # Unasked, a second engine would take the same port and half of the events.
                ("grpc.so_reuseport", int(share_port)),
                # A peer that vanished without a word gives its places back after these.
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.keepalive_timeout_ms", 20_000),
                ("grpc.max_allowed_incoming_connections", _CONNECTIONS_MAX),
                # For connections that never say that they speak HTTP/2.
                ("grpc.server_handshake_timeout_ms", 10_000),
                # Calls that gRPC has read and Python not taken up yet; past them it breaks calls off without a word.
                ("grpc.server.max_pending_requests", _PENDING_CALLS_MAX),
                ("grpc.server.max_pending_requests_hard_limit", 2 * _PENDING_CALLS_MAX),
            ],
        )
        names = [*dict.fromkeys(each.service for each in operations), HEALTH_NAME]
        names += REFLECTION_NAMES if reflection else ()
        self._health = HealthService(names, is_ready)
        check, watch = _health_methods(self._health)
        methods = [
            *((each.service, each.method, method_of(each, gate), each.limits) for each in operations),
            (HEALTH_NAME, "Check", check, _CHECKS),
            (HEALTH_NAME, "Watch", watch, _WATCHES),
        ]
        if reflection:
            reflected = reflection_method(names)
            methods += [(name, REFLECTION_METHOD, reflected, _REFLECTIONS) for name in REFLECTION_NAMES]
        served = {limits: Serving(rim, Places(limits), request_bytes_max) for limits in _KINDS}
        handlers: dict[str, dict[str, RpcHandler]] = {name: {} for name in names}
        for service, name, method, limits in methods:
            handlers[service][name] = method.handler(served[limits])
        self._grpc.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(service, each) for service, each in handlers.items()]
        )
        self._watchdog = Watchdog([each.places for each in served.values()])
        self.port = self._bind(address, certificates, share_port=share_port)

    def start(self) -> None:
        self._grpc.start()
        self._watchdog.start()

    def is_moving(self) -> bool:
        """Whether the thread that ends overdue calls does its rounds."""
        return self._watchdog.is_moving()

    def stop(self, grace_s: float) -> None:
        """Refuses new calls, and gives those that run `grace_s` to end."""
        self._health.end()
        self._grpc.stop(grace_s).wait()
        self._watchdog.stop()

    def _bind(self, address: str, certificates: Certificates | None, *, share_port: bool) -> int:
        check_address(address, share_port=share_port)
        try:
            if certificates is None:
                return self._grpc.add_insecure_port(address)
            return self._grpc.add_secure_port(address, certificates.server_credentials())
        except RuntimeError as error:
            raise _cannot_listen(address, error) from error


def check_address(address: str, *, share_port: bool = False) -> None:
    """Whether HOST:PORT can be listened on, tried with a socket of its own that serves nobody.

    gRPC itself would write its own words to standard error.

    Raises:
        StartupError: it is not a HOST:PORT, not of this machine, or taken.
    """
    host, _, port = address.rpartition(":")
    # getaddrinfo would take 99999 and wrap it.
    if not host or not port.isdecimal() or int(port) > _PORT_MAX:
        raise StartupError(f"{address}: is not an address: write HOST:PORT, such as 127.0.0.1:7070")
    try:
        family, *_, where = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            # Bound but not listening: on a shared port the kernel would hand it connections.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if share_port:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            tried.bind((str(where[0]), int(where[1])))
            if not share_port:
                tried.listen()
    except OSError as error:
        raise _cannot_listen(address, error) from error


def _cannot_listen(address: str, error: Exception) -> StartupError:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return StartupError(
            f"{address}: the port is taken: stop what has it, or name another with --listen; "
            "gateways of one data directory can share it, each with --share-port"
        )
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return StartupError(
        f"{address}: can't listen there: {reason}: name an address of this machine with --listen"
    )


def _health_methods(service: HealthService) -> tuple[Method, Method]:
    request = message(HealthCheckRequest)
    return unary("Check", request, service.check), stream("Watch", request, service.watch)
