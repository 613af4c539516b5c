"""The gRPC server: which method is served by what, health and reflection beside it."""

import errno
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from engine.api.billing_service import BillingService
from engine.api.catalog_service import CatalogService
from engine.api.correction_service import CorrectionService
from engine.api.rpc import REQUEST_BYTES_MAX, RpcHandler, message, raw, stream, unary
from engine.api.spend_service import SpendService
from engine.api.usage_service import UsageService
from engine.errors import StartupError
from meterline.v1 import billing_pb2, catalog_pb2, correction_pb2, spend_pb2

# A waiting request holds a thread until its insert is durable: enough threads to fill the next insert while
# one runs. A stream holds one for as long as it is open.
_THREADS = 64
# Calls beyond this are refused with RESOURCE_EXHAUSTED: with 16 MiB a message, 2 GiB are held at most.
_CALLS_MAX = 128
_PORT_MAX = 65_535


@dataclass(frozen=True, slots=True)
class Services:
    """One object for each service of the wire contract."""

    usage: UsageService
    catalog: CatalogService
    spend: SpendService
    billing: BillingService
    correction: CorrectionService


class Server:
    """Listens on one address."""

    def __init__(self, services: Services, address: str, *, share_port: bool = False) -> None:
        """Takes the port without serving yet; `share_port`: along with other processes that share it.

        Raises:
            StartupError: the address is taken, or is none.
        """
        self._grpc = grpc.server(
            ThreadPoolExecutor(_THREADS, thread_name_prefix="meterline-rpc"),
            maximum_concurrent_rpcs=_CALLS_MAX,
            options=[
                # Above the limit of a request, so that a request over it gets a clear answer from us.
                ("grpc.max_receive_message_length", 4 * REQUEST_BYTES_MAX),
                # Unasked, a second engine would take the same port and half of the events.
                ("grpc.so_reuseport", int(share_port)),
                # A peer that vanished without a word gives its thread back after these.
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.keepalive_timeout_ms", 20_000),
            ],
        )
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        names = [reflection.SERVICE_NAME, health.SERVICE_NAME]
        for name, handlers in _handlers(services).items():
            self._grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
            names.append(name)
        self._names = names
        reflection.enable_server_reflection(names, self._grpc)
        self.port = self._bind(address, share_port=share_port)

    def start(self) -> None:
        self._grpc.start()
        for name in ("", *self._names):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    def stop(self, grace_s: float) -> None:
        """Refuses new calls, and gives those that run `grace_s` to end."""
        self._health.enter_graceful_shutdown()
        self._grpc.stop(grace_s).wait()

    def _bind(self, address: str, *, share_port: bool) -> int:
        check_address(address, share_port=share_port)
        try:
            return self._grpc.add_insecure_port(address)
        except RuntimeError as error:
            raise _cannot_listen(address, error) from error


def check_address(address: str, *, share_port: bool = False) -> None:
    """Whether HOST:PORT can be listened on, tried with a socket of its own that serves nobody.

    gRPC itself would write its own words to standard error.

    Raises:
        StartupError: it is no HOST:PORT, not of this machine, or taken.
    """
    host, _, port = address.rpartition(":")
    # getaddrinfo would take 99999 and wrap it.
    if not host or not port.isdecimal() or int(port) > _PORT_MAX:
        raise StartupError(f"{address}: is no address: write HOST:PORT, such as 127.0.0.1:7070")
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


def _handlers(services: Services) -> dict[str, dict[str, RpcHandler]]:
    usage, catalog, spend, billing = services.usage, services.catalog, services.spend, services.billing
    return {
        "meterline.v1.UsageService": {
            "RecordUsage": unary("RecordUsage", raw, usage.record_usage),
            "StreamUsage": stream("StreamUsage", raw, usage.stream_usage),
        },
        "meterline.v1.CatalogService": {
            "ApplyCatalog": unary(
                "ApplyCatalog", message(catalog_pb2.ApplyCatalogRequest), catalog.apply_catalog
            ),
            "GetCatalog": unary("GetCatalog", message(catalog_pb2.GetCatalogRequest), catalog.get_catalog),
        },
        "meterline.v1.SpendService": {
            "GetSpend": unary("GetSpend", message(spend_pb2.GetSpendRequest), spend.get_spend),
            "ListSpend": unary("ListSpend", message(spend_pb2.ListSpendRequest), spend.list_spend),
        },
        "meterline.v1.BillingService": {
            "ListLineItems": unary(
                "ListLineItems", message(billing_pb2.ListLineItemsRequest), billing.list_line_items
            ),
        },
        "meterline.v1.CorrectionService": {
            "ListConflicts": unary(
                "ListConflicts",
                message(correction_pb2.ListConflictsRequest),
                services.correction.list_conflicts,
            ),
            "ReconcileUsage": unary(
                "ReconcileUsage",
                message(correction_pb2.ReconcileUsageRequest),
                services.correction.reconcile_usage,
            ),
        },
    }
