"""One engine, from its options to its end."""

import contextlib
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from threading import Event as ThreadEvent

import pyarrow as pa
import structlog

from engine.access.local_engines import announced
from engine.access.oidc.token_rules import TokenRules
from engine.access.tenant_limits import LargestRequest, TenantLimits
from engine.api.certificates import Certificates, TlsFiles
from engine.api.grpc.server import check_address
from engine.app.access import Access, open_access
from engine.app.checks import checked_stores
from engine.app.entitlements.reserving import build_reserving
from engine.app.faces import Faces, Listening, PageAddress, build_faces
from engine.app.metrics_port import serve_metrics
from engine.app.operations import Outside, build_operations
from engine.app.reading import build_reading, check_templates
from engine.app.recording import KnownEvents, build_recording
from engine.app.standing_metrics import tell_certificate, tell_standing_metrics
from engine.app.stores import Placement, Stores, open_stores
from engine.app.upkeep import build_upkeep
from engine.backup.place import check_place
from engine.billing.documents.catalog_names import CatalogNames
from engine.errors import StartupError
from engine.health.condition import Condition
from engine.sql.catalog_address import CatalogAddress
from engine.tracing import Tracing
from engine.usage.store.backends.server_address import ServerAddress
from engine.usage.store.tables.durability import Durability
from ingest import Limits

_log = structlog.get_logger(__name__)
# Running calls get this long at shutdown: several times the longest healthy insert.
_GRACE_S = 10
_STOP_POLL_S = 0.1
# Objects that a call leaves for the garbage collector are a few dozen, and small.
_GARBAGE_AFTER = 50_000


@dataclass(frozen=True, slots=True)
class Options:
    """How one engine runs. Addresses are HOST:PORT; port 0 takes a free one. Stores that are not named are embedded, in
    the directory `data`. With a usage store elsewhere, other gateways may share it and, with `share_port`, the port.
    """

    data: Path
    listen: str
    metrics_listen: str | None
    limits: Limits
    # For every tenant that has none of its own.
    tenant_limits: TenantLimits = TenantLimits()  # noqa: RUF009 - a frozen value
    usage_store: ServerAddress | None = None
    catalog_store: CatalogAddress | None = None
    share_port: bool = False
    durability: Durability = Durability.PROCESS
    raw_events_days_min: int = 400
    # The operator's own first key; None: the engine makes one.
    admin_key_file: Path | None = None
    # None: no tokens of people are taken.
    token_rules: TokenRules | None = None
    # None: no backups are made.
    backup_directory: Path | None = None
    webhook_allow_private_networks: bool = False
    # None: documents are laid out as Meterline does.
    document_templates: Path | None = None
    reflection: bool = False
    # Whether spans are sent by OpenTelemetry, whose own variables say where to.
    traces: bool = False
    # None: in plain text, which beyond loopback `plaintext` must allow.
    tls: TlsFiles | None = None
    # None: no HTTP beside gRPC.
    http_listen: str | None = None
    # Where customers reach the spend page; None: wherever HTTP is served.
    spend_page_url: str | None = None
    # In whose frames it may stand; None: in nobody's.
    spend_page_frames: str | None = None
    plaintext: bool = False
    # Where the command line of the same user looks up the key of an engine on this machine; None: nowhere.
    local_engines: Path | None = None


def serve(options: Options, stop: ThreadEvent) -> None:
    """Serves until `stop` is set, then drains: what was acknowledged is stored, what waits is stored too.

    Raises:
        StartupError: the data directory, a port or a store can't be had.
    """
    # Arrow's own allocator gives pages back at once and faults them in again for the next group: 5% of the engine's CPU.
    pa.set_memory_pool(pa.system_memory_pool())
    # Before anything is written: a port that can't be had must not leave a new directory behind.
    check_address(options.listen, share_port=options.share_port)
    for check in start_checks(options):
        check()
    certificates = None if options.tls is None else Certificates(options.tls)
    known = KnownEvents.none(options.limits)
    condition = Condition()
    with contextlib.ExitStack() as stack:
        # First in and last out: probes are answered while stores open and while what waits is stored.
        metrics_port = stack.enter_context(
            serve_metrics(
                options.metrics_listen,
                condition,
                None if certificates is None else certificates.http_context(asks_client=False),
            )
        )
        stores = stack.enter_context(
            open_stores(
                Placement(options.data, options.usage_store, options.catalog_store),
                options.durability,
                known.warming,
                _now_us,
            )
        )
        if options.tls is not None:
            tell_certificate(options.tls)
        tell_standing_metrics(stores.deployment.directory, options.limits)
        access = stack.enter_context(
            open_access(stores, options.admin_key_file, options.tenant_limits, options.token_rules, _now_us)
        )
        tracing = stack.enter_context(_traces()) if options.traces else None
        faces = stack.enter_context(
            _faces_over(stores, known, access, certificates, condition, tracing, options)
        )
        if options.local_engines is not None and access.admin_key_file is not None:
            stack.enter_context(
                announced(
                    options.local_engines,
                    options.listen.rpartition(":")[0],
                    faces.grpc.port,
                    access.admin_key_file,
                )
            )
        # What is there by now stays: looking for garbage in it, after each few calls, took 2% of the CPU.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GARBAGE_AFTER)
        _log.info(
            "serving",
            address=f"{options.listen.rpartition(':')[0]}:{faces.grpc.port}",
            http_port=None if faces.http is None else faces.http.port,
            metrics_port=metrics_port,
            data=stores.deployment.shown,
            usage_store=stores.deployment.usage_store,
            durability=options.durability.value,
            admin_key_file=None if access.admin_key_file is None else str(access.admin_key_file),
        )
        # A signal may reach any of the process's threads, and an endless wait sleeps through one that reached
        # another: look again every so often.
        while not stop.wait(_STOP_POLL_S):
            pass
        condition.drains()
        _log.info("stopping")
    _log.info("stopped")


@contextlib.contextmanager
def _faces_over(
    stores: Stores,
    known: KnownEvents,
    access: Access,
    certificates: Certificates | None,
    condition: Condition,
    tracing: Tracing | None,
    options: Options,
) -> Iterator[Faces]:
    """Everything behind the ports, and the ports, which serve. The faces stop first, then the queue drains, then upkeep
    ends.
    """
    reading = build_reading(
        stores, _now_us, options.document_templates, is_shared=options.usage_store is not None
    )
    recording = build_recording(
        stores,
        known,
        options.limits,
        access.allowances.charge_events,
        _now_us,
        tracing,
        reading.watching.watchers.tell_stored,
    )
    reserving = build_reserving(stores, recording, reading, options.limits, _now_us)
    upkeep = build_upkeep(
        stores,
        reading,
        reserving,
        options.raw_events_days_min,
        options.backup_directory,
        _now_us,
        webhook_allow_private=options.webhook_allow_private_networks,
    )
    page = PageAddress(options.spend_page_url, options.spend_page_frames)
    operations = build_operations(
        stores,
        recording,
        reading,
        upkeep,
        access,
        Outside(LargestRequest.of(options.limits), page.url),
        _now_us,
    )
    faces = build_faces(
        operations,
        access.gate,
        condition,
        Listening(
            grpc=options.listen,
            http=options.http_listen,
            certificates=certificates,
            share_port=options.share_port,
            reflection=options.reflection,
            request_bytes_max=options.limits.request_bytes_max,
            page=page,
        ),
        tracing,
        lambda tenant, customer_id: CatalogNames(stores.catalog.snapshot(tenant), customer_id),
        _now_us,
    )
    with contextlib.ExitStack() as stack:
        checks = stack.enter_context(checked_stores(stores))
        stack.enter_context(upkeep.running())
        stack.enter_context(recording.running())
        stack.enter_context(reading.watching.running())
        stack.callback(faces.stop, _GRACE_S)
        # Whoever watches would hold the faces up for all of their grace.
        stack.callback(reading.watching.stop)
        # An expiry that waits for time to pass must not hold the server up.
        stack.callback(upkeep.stopping.set)
        faces.start()
        condition.serves(checks, [*faces.moving_parts(), *recording.moving_parts()])
        yield faces


def _traces() -> contextlib.AbstractContextManager[Tracing]:
    """Raises StartupError where what sends them is not installed."""
    try:
        from engine.app.otel_tracing import exported_traces  # noqa: PLC0415 - who wants no traces has no such packages
    except ModuleNotFoundError as error:
        raise StartupError(
            f"OTEL_TRACES_EXPORTER asks for traces, and {error.name} is not installed: install meterline[telemetry], "
            "or set it to none"
        ) from error
    return exported_traces()


def start_checks(options: Options) -> Iterator[Callable[[], object]]:
    """What is judged before a start opens a store; each raises StartupError or ConfigurationError."""
    yield partial(check_plaintext, options)
    yield partial(check_templates, options.document_templates)
    if options.backup_directory is not None:
        yield partial(check_place, options.backup_directory)


def check_plaintext(options: Options) -> None:
    """API keys and usage in plain text leave this machine only where somebody has said so.

    Raises:
        StartupError: nobody has.
    """
    if options.tls is not None or options.plaintext:
        return
    for listen in (options.listen, options.http_listen):
        if listen is not None and not _is_loopback(listen):
            raise StartupError(
                f"{listen}: others on the network could read API keys there: give --tls-cert and --tls-key, or say "
                "--plaintext where the network is private or a proxy brings TLS"
            )


def _is_loopback(listen: str) -> bool:
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _now_us() -> int:
    return time.time_ns() // 1000
