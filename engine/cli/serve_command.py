"""`meterline serve`: the engine in this process."""

import signal
import threading
from typing import TYPE_CHECKING, cast

import click
import structlog

from engine.api.certificates import TlsFiles
from engine.app.logs import LogFormat, configure_logs
from engine.cli.configuration.configuration_options import configured
from engine.cli.configuration.environment import unread_variables
from engine.cli.terminal.credentials import LOCAL_ENGINES
from engine.configuration.configuration import Configuration
from engine.configuration.effective import Effective

if TYPE_CHECKING:
    from engine.app import serving

_log = structlog.get_logger(__name__)


@click.command()
@configured()
def serve(effective: Effective) -> None:
    """Run the engine until SIGTERM or Ctrl-C.

    Everything runs in this process on embedded stores in one directory. Whatever was acknowledged survives a
    restart and kill -9. Whoever calls needs an API key: the first start writes one with every scope to DIR/admin.key,
    which other commands of the same user on this machine find by themselves; meterline keys makes more. Beyond
    loopback it serves with TLS, or where --plaintext says that nobody else listens.

    With both stores elsewhere, any number of engines (gateways) on any machines share them, and keep nothing here:

    \b
    export METERLINE_USAGE_STORE=http://meterline:PASSWORD@clickhouse:8123
    export METERLINE_CATALOG_STORE=postgresql://meterline:PASSWORD@postgres/meterline
    meterline serve --tls-cert tls.crt --tls-key tls.key --listen 0.0.0.0:7070 --admin-key-file admin.key
    """  # noqa: D301 - click itself reads the mark
    from engine.app import serving  # noqa: PLC0415 - the heavy parts load for this command only

    configuration = effective.configuration
    configure_logs(cast("LogFormat", configuration.log_format), configuration.log_level)
    for line in unread_variables():
        _log.warning("a variable is not a setting", problem=line)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    serving.serve(serving_options(configuration), stop)


def serving_options(configuration: Configuration) -> "serving.Options":
    """What the engine is told. Raises StartupError if a file that a setting names can't be used."""
    from engine.app import serving  # noqa: PLC0415 - as above

    return serving.Options(
        data=configuration.data,
        listen=configuration.listen,
        http_listen=configuration.http_listen,
        spend_page_url=configuration.spend_page_url,
        spend_page_frames=configuration.spend_page_frames,
        metrics_listen=None if configuration.no_metrics else configuration.metrics_listen,
        usage_store=configuration.usage_server(),
        catalog_store=configuration.catalog_database(),
        share_port=configuration.share_port,
        durability=configuration.durability,
        raw_events_days_min=configuration.raw_events_days_min,
        limits=configuration.ingest_limits(),
        tenant_limits=configuration.tenant_limits(),
        admin_key_file=configuration.admin_key_file,
        token_rules=configuration.token_rules(),
        backup_directory=configuration.backup_directory,
        document_templates=configuration.document_templates,
        tls=_tls_files(configuration),
        plaintext=configuration.plaintext,
        webhook_allow_private_networks=configuration.webhook_allow_private_networks,
        reflection=configuration.reflection,
        traces=configuration.traces_exporter == "otlp",
        local_engines=LOCAL_ENGINES,
    )


def _tls_files(configuration: Configuration) -> TlsFiles | None:
    if configuration.tls_cert is None or configuration.tls_key is None:
        return None
    return TlsFiles(configuration.tls_cert, configuration.tls_key, configuration.tls_client_ca)
