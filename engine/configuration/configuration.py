"""The table of settings: each with its name, type, bounds, default, unit, reason, and whether it is a secret.

A setting `http_listen` is the option `--http-listen`, the variable METERLINE_HTTP_LISTEN and the field `http_listen` of the
configuration file. A new row here is all of these, and is listed in docs/reference.md and by `meterline config show`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, TypeVar

from engine.access.oidc.token_rules import TokenRules
from engine.access.tenant_limits import NUMBER_MAX, LargestRequest, Limit, TenantLimits, mistake_of
from engine.configuration.kinds import (
    Address,
    CatalogStoreUrl,
    FilePath,
    FrameOrigins,
    IngestLimits,
    IssuerUrl,
    PageUrl,
    UsageStoreUrl,
)
from engine.configuration.setting import Setting, of_tokens, pem, tenant_limit
from engine.errors import ConfigurationError
from engine.sql.catalog_address import CatalogAddress, read_catalog_address
from engine.usage.store.backends.server_address import ServerAddress, read_server_address
from engine.usage.store.tables.durability import Durability
from engine.whole_files import read_secret
from fields import Choice, Count, Flag, Problem, Record, Text, rule
from ingest import Limits

DAY_S: Final = 24 * 60 * 60
_Url = TypeVar("_Url")


@dataclass(frozen=True, kw_only=True)
class Configuration(Record):
    """How one engine runs."""

    data: Annotated[
        Path,
        FilePath(),
        Setting(
            help="Where embedded stores are kept; made if missing. With both stores elsewhere nothing is kept here.",
            metavar="DIRECTORY",
            reason="Beside whoever tries it out.",
        ),
    ] = Path("meterline-data")
    usage_store: Annotated[
        ServerAddress | None,
        UsageStoreUrl(),
        Setting(
            help="Keep events in a ClickHouse server: http://USER:PASSWORD@HOST:8123/DATABASE, or https. A URL with a "
            "password stands in the variable, or in --usage-store-file. Default: embedded, in the data directory.",
            metavar="URL",
            secret=True,
            reason="One process needs no server.",
        ),
    ] = None
    usage_store_file: Annotated[
        Path | None,
        FilePath(),
        Setting(
            help="Holds the URL of --usage-store, in one line, in its place.", metavar="FILE", must_exist=True
        ),
    ] = None
    catalog_store: Annotated[
        CatalogAddress | None,
        CatalogStoreUrl(),
        Setting(
            help="Keep the catalog, keys and the order of ingestion in PostgreSQL: "
            "postgresql://USER:PASSWORD@HOST:5432/DATABASE. A URL with a password stands in the variable, or in "
            "--catalog-store-file. Default: embedded, in the data directory.",
            metavar="URL",
            secret=True,
            reason="One process needs no server.",
        ),
    ] = None
    catalog_store_file: Annotated[
        Path | None,
        FilePath(),
        Setting(
            help="Holds the URL of --catalog-store, in one line, in its place.",
            metavar="FILE",
            must_exist=True,
        ),
    ] = None
    durability: Annotated[
        Durability,
        Setting(
            help="What an acknowledged event survives: kill -9 (process), or power loss as well (power).",
            reason="Syncing every insert costs about 2.3 times.",
        ),
    ] = Durability.PROCESS
    listen: Annotated[
        str,
        Address(),
        Setting(help="gRPC.", metavar="HOST:PORT", reason="Loopback: nobody else on the network reaches it."),
    ] = "127.0.0.1:7070"
    http_listen: Annotated[
        str | None,
        Address(),
        Setting(
            help="Serve every RPC as JSON over HTTP too, CloudEvents, and /openapi.json. Default: gRPC alone.",
            metavar="HOST:PORT",
            reason="A port that nobody asked for is one more to guard.",
        ),
    ] = None
    spend_page_url: Annotated[
        str | None,
        PageUrl(),
        Setting(
            help="Where customers reach the spend page, for links to it: https://billing.example.com/spend. Default: where "
            "HTTP is served.",
            metavar="URL",
            reason="Behind a proxy only its operator knows.",
        ),
    ] = None
    spend_page_frames: Annotated[
        str | None,
        FrameOrigins(),
        Setting(
            help="Origins of sites that may show the spend page in a frame: https://app.example.com. It must be reached by "
            "https then. Default: no site.",
            metavar="ORIGINS",
            reason="A page in a stranger's frame can be clicked on unseen.",
        ),
    ] = None
    share_port: Annotated[
        bool,
        Flag(),
        Setting(
            help="Let several gateways listen on the same port; each of them needs this.",
            reason="A second engine on a port would take half of the events.",
        ),
    ] = False
    metrics_listen: Annotated[
        str,
        Address(),
        Setting(
            help="Over HTTP: /metrics for Prometheus, and the probes /livez, /readyz and /startupz.",
            metavar="HOST:PORT",
            reason="As listen.",
        ),
    ] = "127.0.0.1:7071"
    no_metrics: Annotated[bool, Flag(), Setting(help="Serve none of them.")] = False
    event_age_max_days: Annotated[
        int,
        Count(36_525, at_least=1),
        Setting(
            help="Events older than this are rejected.",
            unit="days",
            reason="A month of billing and a few days to repair a producer.",
        ),
    ] = 35
    raw_events_days_min: Annotated[
        int,
        Count(36_525, at_least=1),
        Setting(
            help="Raw events are kept for at least so long: meterline expire refuses to delete younger ones.",
            unit="days",
            reason="A year and a month: a yearly bill can still be disputed.",
        ),
    ] = 400
    limits: Annotated[
        dict[str, int],
        IngestLimits(),
        Setting(
            help="Another bound than the default, again for each; docs/ingest.md has their names and reasons.",
            metavar="NAME=NUMBER",
            variable="METERLINE_LIMIT",
        ),
    ] = field(default_factory=dict)
    tenant_requests_per_s_max: Annotated[
        int | None,
        Count(NUMBER_MAX, at_least=1),
        tenant_limit("Calls a second, and messages of streams,", "requests a second"),
    ] = None
    tenant_events_per_s_max: Annotated[
        int | None,
        Count(NUMBER_MAX, at_least=1),
        tenant_limit("Events a second", "events a second"),
    ] = None
    tenant_bytes_per_s_max: Annotated[
        int | None,
        Count(NUMBER_MAX, at_least=1),
        tenant_limit("Bytes of messages a second", "bytes a second"),
    ] = None
    tenant_open_streams_max: Annotated[
        int | None,
        Count(NUMBER_MAX, at_least=1),
        tenant_limit("Streams open at once", "streams"),
    ] = None
    tenant_usage_groups_max: Annotated[
        int | None,
        Count(NUMBER_MAX, at_least=1),
        tenant_limit("Groups of one customer in the answer to a usage query", "groups"),
    ] = None
    backup_directory: Annotated[
        Path | None,
        FilePath(),
        Setting(
            help="Where meterline backup create writes, at the engine. Default: it makes no backups.",
            metavar="DIRECTORY",
            must_exist=True,
            reason="What a caller may write to an engine's disk, its operator says.",
        ),
    ] = None
    document_templates: Annotated[
        Path | None,
        FilePath(),
        Setting(
            help="Your own templates and texts of documents, docs/documents.md: any of invoice.typ, invoice.html, "
            "messages/LANGUAGE.yaml, fonts/. Read once, at the start. Default: those of Meterline.",
            metavar="DIRECTORY",
            must_exist=True,
            reason="An invoice looks well as it is.",
        ),
    ] = None
    admin_key_file: Annotated[
        Path | None,
        FilePath(),
        Setting(
            help="Holds the first API key (meterline keys generate). Default: the engine makes one, in DIRECTORY/admin.key.",
            metavar="FILE",
            must_exist=True,
        ),
    ] = None
    oidc_issuer: Annotated[
        str | None,
        IssuerUrl(),
        Setting(
            help="Take tokens (JWT) that this OIDC provider signed in the place of API keys. Default: none.",
            metavar="URL",
            reason="Whom an engine trusts, its operator says.",
        ),
    ] = None
    oidc_audience: Annotated[str, Text(), of_tokens("the audience that stands for this engine", "TEXT")] = (
        "meterline"
    )
    oidc_tenant_claim: Annotated[
        str, Text(), of_tokens("the claim with the tenant; one without it is refused")
    ] = "meterline_tenant"
    oidc_scopes_claim: Annotated[
        str, Text(), of_tokens("the claim with what they allow: meterline:read, meterline:bill, ...")
    ] = "scope"
    oidc_customer_claim: Annotated[
        str, Text(), of_tokens("the claim with the one customer that they may read; without it all")
    ] = "meterline_customer"
    tls_cert: Annotated[
        Path | None,
        FilePath(),
        pem(
            "TLS_CERT",
            "The engine's certificate with its chain (PEM). Read again when it changes: rotate it by replacing the files.",
        ),
    ] = None
    tls_key: Annotated[Path | None, FilePath(), pem("TLS_KEY", "Its private key (PEM).")] = None
    tls_client_ca: Annotated[
        Path | None,
        FilePath(),
        pem(
            "TLS_CLIENT_CA",
            "Every caller must show a certificate that one of these authorities (PEM) has signed.",
        ),
    ] = None
    plaintext: Annotated[
        bool,
        Flag(),
        Setting(
            help="Listen beyond loopback without TLS: for a private network, or behind a proxy that brings TLS.",
            reason="API keys would travel readable.",
        ),
    ] = False
    webhook_allow_private_networks: Annotated[
        bool,
        Flag(),
        Setting(
            help="Post webhooks to private, loopback and link-local addresses, too.",
            reason="A tenant's URL must not reach what only the engine's own network may.",
        ),
    ] = False
    reflection: Annotated[
        bool,
        Flag(),
        Setting(
            help="Tell the wire contract to whoever asks, without an API key: for grpcurl and its like.",
            reason="What answers without a key is kept small.",
        ),
    ] = False
    traces_exporter: Annotated[
        str,
        Choice(("none", "otlp")),
        Setting(
            help="Send traces of calls and batches by OpenTelemetry, as its own OTEL_ variables say where to and how many. "
            "Needs meterline[telemetry].",
            reason="Nothing leaves the engine unasked.",
            variable="OTEL_TRACES_EXPORTER",
        ),
    ] = "none"
    log_format: Annotated[
        str,
        Choice(("auto", "console", "json")),
        Setting(help="auto: console on a terminal, JSON otherwise."),
    ] = "auto"
    log_level: Annotated[
        str,
        Choice(("debug", "info", "warning", "error")),
        Setting(help="What is logged: this and what is worse."),
    ] = "info"

    @rule("tls_cert", "tls_key", "tls_client_ca")
    def _certificate_has_its_key(self) -> Iterable[Problem]:
        files = {"tls_cert": self.tls_cert, "tls_key": self.tls_key, "tls_client_ca": self.tls_client_ca}
        given = [name for name, file in files.items() if file]
        lacking = [name for name in ("tls_cert", "tls_key") if not files[name]]
        if given and lacking:
            yield Problem(
                (given[0],), f"needs {lacking[0]}: --tls-cert and --tls-key belong together: give both"
            )

    @rule("usage_store", "usage_store_file")
    def _usage_store_is_named_once(self) -> Iterable[Problem]:
        if self.usage_store and self.usage_store_file:
            yield Problem(("usage_store_file",), "stands in the place of usage_store: give one of them")

    @rule("catalog_store", "catalog_store_file")
    def _catalog_store_is_named_once(self) -> Iterable[Problem]:
        if self.catalog_store and self.catalog_store_file:
            yield Problem(("catalog_store_file",), "stands in the place of catalog_store: give one of them")

    @rule("limits", "event_age_max_days")
    def _limits_agree(self) -> Iterable[Problem]:
        try:
            self.ingest_limits()
        except ValueError as error:
            yield Problem(("limits",), f"contradict each other: {error}")

    @rule("limits", "event_age_max_days", *(f"tenant_{each.value}" for each in Limit))
    def _tenants_can_pay(self) -> Iterable[Problem]:
        try:
            largest = LargestRequest.of(self.ingest_limits())
        except ValueError:
            # Told by the rule before.
            return
        limits = self.tenant_limits()
        for limit in Limit:
            number = limits.number(limit)
            mistake = None if number is None else mistake_of(limit, number, largest)
            if mistake is not None:
                yield Problem((f"tenant_{limit.value}",), mistake)

    def tenant_limits(self) -> TenantLimits:
        """What holds for every tenant that has nothing of its own."""
        return TenantLimits().changed({limit: getattr(self, f"tenant_{limit.value}") for limit in Limit})

    def ingest_limits(self) -> Limits:
        """The bounds of ingestion, those that nobody set at their defaults."""
        return Limits(**{"event_age_max_s": self.event_age_max_days * DAY_S, **self.limits})

    def token_rules(self) -> TokenRules | None:
        """Which tokens count; None: none does."""
        if self.oidc_issuer is None:
            return None
        return TokenRules(
            issuer=self.oidc_issuer,
            audience=self.oidc_audience,
            tenant_claim=self.oidc_tenant_claim,
            scopes_claim=self.oidc_scopes_claim,
            customer_claim=self.oidc_customer_claim,
        )

    def usage_server(self) -> ServerAddress | None:
        """The ClickHouse server, from whichever setting names it; None: embedded. Raises as `_read_url`."""
        if self.usage_store_file is None:
            return self.usage_store
        return _read_url("usage_store_file", self.usage_store_file, read_server_address)

    def catalog_database(self) -> CatalogAddress | None:
        """The PostgreSQL database, from whichever setting names it; None: embedded. Raises as `_read_url`."""
        if self.catalog_store_file is None:
            return self.catalog_store
        return _read_url("catalog_store_file", self.catalog_store_file, read_catalog_address)


def _read_url(setting: str, file: Path, read: Callable[[str], _Url]) -> _Url:
    """Raises StartupError for a file that can't be read, ConfigurationError for one that does not hold such a URL."""
    try:
        return read(read_secret(file))
    except ValueError as error:
        raise ConfigurationError(f"{setting} {file} can't be used: {error}") from None
