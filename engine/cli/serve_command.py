"""`meterline serve`: the engine in this process."""

import signal
import threading
from dataclasses import fields
from pathlib import Path

import click

from engine.api.certificates import TlsFiles
from engine.app.logs import LogFormat, configure_logs
from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.credentials import LOCAL_ENGINES
from engine.cli.terminal.files import FileType
from engine.cli.terminal.options import Pair, PairType
from engine.usage.store.backends.server_address import ServerAddress, read_server_address
from engine.usage.store.tables.durability import Durability
from ingest import Limits

_DAY_S = 24 * 60 * 60


class _ServerAddressType(click.ParamType["ServerAddress"]):
    """An option's URL; what is wrong is said without repeating it, since it may hold a password."""

    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> ServerAddress:
        try:
            return read_server_address(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.option(
    "--data",
    type=FileType(path_type=Path),
    default=Path("meterline-data"),
    show_default=True,
    help="Where events and catalog are kept; made if missing.",
)
@click.option(
    "--usage-store",
    type=_ServerAddressType(),
    envvar="METERLINE_USAGE_STORE",
    show_envvar=True,
    metavar="URL",
    help="Keep events in a ClickHouse server: http://USER:PASSWORD@HOST:8123/DATABASE, or https. "
    "Default: embedded, in the data directory.",
)
@click.option(
    "--durability",
    type=click.Choice([each.value for each in Durability]),
    default=Durability.PROCESS.value,
    show_default=True,
    help="What an acknowledged event survives: kill -9 (process), or power loss as well (power).",
)
@click.option("--listen", default="127.0.0.1:7070", show_default=True, metavar="HOST:PORT", help="gRPC.")
@click.option(
    "--http-listen",
    metavar="HOST:PORT",
    help="Serve every RPC as JSON over HTTP too, CloudEvents, and /openapi.json. Default: gRPC alone.",
)
@click.option(
    "--share-port",
    is_flag=True,
    help="Let several gateways of one data directory listen on the same port; each of them needs this.",
)
@click.option(
    "--metrics-listen",
    default="127.0.0.1:7071",
    show_default=True,
    metavar="HOST:PORT",
    help="Over HTTP: /metrics for Prometheus, and the probes /livez, /readyz and /startupz.",
)
@click.option("--no-metrics", is_flag=True, help="Serve none of them.")
@click.option(
    "--event-age-max-days",
    type=click.IntRange(1, 36_525),
    default=35,
    show_default=True,
    help="Events older than this are rejected.",
)
@click.option(
    "--raw-events-days-min",
    type=click.IntRange(1, 36_525),
    default=400,
    show_default=True,
    help="Raw events are kept for at least so long: meterline expire refuses to delete younger ones.",
)
@click.option(
    "--limit",
    "limits",
    type=PairType("NAME=NUMBER"),
    multiple=True,
    metavar="NAME=NUMBER",
    help="Another bound than the default, again for each; docs/ingest.md has their names and reasons.",
)
@click.option(
    "--admin-key-file",
    type=FileType(path_type=Path),
    envvar="METERLINE_ADMIN_KEY_FILE",
    show_envvar=True,
    metavar="FILE",
    help="Holds the first API key (meterline keys generate). Default: the engine makes one, in DIR/admin.key.",
)
@click.option(
    "--tls-cert",
    type=FileType(path_type=Path),
    metavar="FILE",
    help="The engine's certificate with its chain (PEM). Read again when it changes: rotate it by replacing the files.",
)
@click.option("--tls-key", type=FileType(path_type=Path), metavar="FILE", help="Its private key (PEM).")
@click.option(
    "--tls-client-ca",
    type=FileType(path_type=Path),
    metavar="FILE",
    help="Every caller must show a certificate that one of these authorities (PEM) has signed.",
)
@click.option(
    "--plaintext",
    is_flag=True,
    help="Listen beyond loopback without TLS: for a private network, or behind a proxy that brings TLS.",
)
@click.option(
    "--reflection",
    is_flag=True,
    help="Tell the wire contract to whoever asks, without an API key: for grpcurl and its like.",
)
@click.option(
    "--log-format",
    type=click.Choice(["auto", "console", "json"]),
    default="auto",
    show_default=True,
    help="auto: console on a terminal, JSON otherwise.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
)
def serve(  # noqa: PLR0913 - an argument for each option
    *,
    data: Path,
    usage_store: ServerAddress | None,
    durability: str,
    listen: str,
    http_listen: str | None,
    share_port: bool,
    metrics_listen: str,
    no_metrics: bool,
    event_age_max_days: int,
    raw_events_days_min: int,
    limits: tuple[Pair, ...],
    admin_key_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    plaintext: bool,
    reflection: bool,
    log_format: LogFormat,
    log_level: str,
) -> None:
    """Run the engine until SIGTERM or Ctrl-C.

    Everything runs in this process on embedded stores in one directory. Whatever was acknowledged survives a
    restart and kill -9. Whoever calls needs an API key: the first start writes one with every scope to DIR/admin.key,
    which other commands of the same user on this machine find by themselves; meterline keys makes more. Beyond
    loopback it serves with TLS, or where --plaintext says that nobody else listens.

    With --usage-store, any number of engines (gateways) on one machine share the server and the data directory:

    \b
    export METERLINE_USAGE_STORE=http://meterline:PASSWORD@clickhouse:8123
    meterline serve --tls-cert tls.crt --tls-key tls.key --listen 0.0.0.0:7070 --share-port
    meterline serve --tls-cert tls.crt --tls-key tls.key --listen 0.0.0.0:7070 --share-port --metrics-listen 127.0.0.1:7072
    """  # noqa: D301 - click itself reads the mark
    from engine.app import serving  # noqa: PLC0415 - the heavy parts load for this command only

    configure_logs(log_format, log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    options = serving.Options(
        data=data,
        listen=listen,
        http_listen=http_listen,
        metrics_listen=None if no_metrics else metrics_listen,
        usage_store=usage_store,
        share_port=share_port,
        durability=Durability(durability),
        raw_events_days_min=raw_events_days_min,
        limits=_limits(event_age_max_days, limits),
        admin_key_file=admin_key_file,
        tls=_tls_files(tls_cert, tls_key, tls_client_ca),
        plaintext=plaintext,
        reflection=reflection,
        local_engines=LOCAL_ENGINES,
    )
    serving.serve(options, stop)


def _tls_files(
    certificate: Path | None, private_key: Path | None, authorities: Path | None
) -> TlsFiles | None:
    if certificate is None and private_key is None and authorities is None:
        return None
    if certificate is None or private_key is None:
        raise CommandError("--tls-cert and --tls-key belong together: give both")
    return TlsFiles(certificate, private_key, authorities)


def _limits(event_age_max_days: int, pairs: tuple[Pair, ...]) -> Limits:
    given = {"event_age_max_s": event_age_max_days * _DAY_S}
    names = [each.name for each in fields(Limits)]
    for name, number in pairs:
        if name not in names:
            raise CommandError(f"--limit: {name!r} is not a limit; there are {', '.join(names)}")
        if not number.isdecimal() or not number.isascii():
            raise CommandError(f"--limit {name}={number}: write {name}=NUMBER")
        given[name] = int(number)
    try:
        return Limits(**given)
    except ValueError as error:
        raise CommandError(f"--limit: {error}") from None
