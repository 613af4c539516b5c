"""`meterline serve`: the engine in this process."""

import signal
import threading
from pathlib import Path

import click

from engine.cli.connection import CommandError
from engine.errors import StartupError
from engine.logs import LogFormat, configure_logs
from ingest import Limits

_DAY_S = 24 * 60 * 60


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("meterline-data"),
    show_default=True,
    help="Where events and catalog are kept; made if missing.",
)
@click.option("--listen", default="127.0.0.1:7070", show_default=True, metavar="HOST:PORT", help="gRPC.")
@click.option(
    "--metrics-listen",
    default="127.0.0.1:7071",
    show_default=True,
    metavar="HOST:PORT",
    help="Prometheus metrics.",
)
@click.option("--no-metrics", is_flag=True, help="Serve no metrics.")
@click.option(
    "--event-age-max-days",
    type=click.IntRange(1, 36_525),
    default=35,
    show_default=True,
    help="Events older than this are rejected.",
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
def serve(
    data: Path,
    listen: str,
    metrics_listen: str,
    no_metrics: bool,
    event_age_max_days: int,
    log_format: LogFormat,
    log_level: str,
) -> None:
    """Run the engine until SIGTERM or Ctrl-C.

    Everything runs in this process on embedded stores in one directory. Whatever was acknowledged survives a
    restart and kill -9. There are no credentials yet: listen on an address that only your services can reach.
    """
    from engine import app  # noqa: PLC0415 - the heavy parts load for this command only

    configure_logs(log_format, log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    options = app.Options(
        data=data,
        listen=listen,
        metrics_listen=None if no_metrics else metrics_listen,
        limits=Limits(event_age_max_s=event_age_max_days * _DAY_S),
    )
    try:
        app.serve(options, stop)
    except StartupError as error:
        raise CommandError(str(error)) from None
