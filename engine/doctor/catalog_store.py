"""The catalog store: answers, schema, damage; of PostgreSQL also version, settings, clock, and whose it is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select, text

from engine.cluster.deployment import FORMAT
from engine.cluster.deployment_database import RESTORING, kept_deployment
from engine.doctor.clocks import ClockReading, clock_finding, order_finding, read_clock
from engine.doctor.finding import Finding, ok, warning, wrong
from engine.sql.database import SchemaVersions, damage_of, looking, schema_versions
from engine.sql.schema import INGEST_ORDER

_ABOUT: Final = "catalog store"
_MIGRATE: Final = "stop engines of the version before, and run meterline migrate"
# The oldest that is still mended.
_POSTGRESQL_MIN: Final = 14


@dataclass(frozen=True, slots=True)
class PostgresqlFacts:
    """What the server says of itself."""

    version: str
    settings: dict[str, str]
    is_standby: bool
    clock: ClockReading


def check_catalog_file(url: str, shown: str) -> Iterator[Finding]:
    """SQLite's. Raises StartupError if it can't be opened."""
    with looking(url) as connection:
        damage = damage_of(connection)
    if damage is not None:
        yield wrong(_ABOUT, f"{shown}: is damaged ({damage})", "restore it from a backup")
        return
    yield ok(_ABOUT, f"{shown}: answers, and is not damaged (quick_check)")
    yield schema_finding(shown, schema_versions(url))


def check_postgresql(url: str, shown: str, now_us: Callable[[], int]) -> Iterator[Finding]:
    """Raises StartupError if it does not answer."""
    with looking(url) as connection:
        facts = _facts(connection, now_us)
    yield ok(_ABOUT, f"{shown}: answers")
    yield from postgresql_findings(facts)
    yield schema_finding(shown, schema_versions(url))


def check_owner(url: str, shown: str, usage_store: str, identity: str | None) -> Iterator[Finding]:
    """Whose a PostgreSQL is. `usage_store`: its kind here, "embedded" or "server". `identity`: of the usage store, or of
    the data directory that holds it; None if it has none yet.

    Raises:
        StartupError: it does not answer, or has another schema.
    """
    schema = schema_versions(url)
    if schema.found != schema.current:
        return
    with looking(url) as connection:
        kept = kept_deployment(connection)
    about = "deployment"
    if kept is None:
        yield warning(about, f"{shown}: belongs to no deployment yet", "start an engine")
    elif kept.format == RESTORING:
        yield wrong(
            about,
            f"{shown}: a backup is being restored there, or its restore broke off",
            "wait, or make the database anew and restore again",
        )
    elif kept.format > FORMAT:
        yield wrong(
            about, f"{shown}: has format {kept.format}; this version reads {FORMAT}", "upgrade Meterline"
        )
    elif kept.usage_store != usage_store:
        yield wrong(
            about,
            f"{shown}: belongs to a usage store that is {kept.usage_store}, and the configuration's is {usage_store}",
            "correct the configuration: usage_store, catalog_store",
        )
    elif identity != kept.identity:
        theirs = "has no owner" if identity is None else "belongs to another deployment"
        yield wrong(
            about,
            f"{shown}: belongs to a deployment, and the usage store {theirs}",
            "name the two stores that belong together: usage_store, catalog_store, data",
        )
    else:
        yield ok(about, f"{shown}: belongs to the same deployment as the usage store, format {kept.format}")


def check_shared_order(url: str, shown: str, now_us: int) -> Iterator[Finding]:
    """Of gateways that share a usage store, whose order of ingestion the catalog store has; embedded usage has its own.

    Raises:
        StartupError: it does not answer.
    """
    schema = schema_versions(url)
    if schema.found != schema.current:
        return
    with looking(url) as connection:
        latest_us = connection.execute(select(INGEST_ORDER.c.latest_us)).scalar()
    if latest_us is not None:
        yield order_finding(shown, latest_us, now_us)


def schema_finding(shown: str, schema: SchemaVersions) -> Finding:
    """A start upgrades an older schema, too."""
    if schema.found is None:
        return wrong(
            _ABOUT,
            f"{shown}: has no tables",
            "run meterline migrate, or start an engine; is it the right one?",
        )
    if schema.found != schema.current:
        return warning(
            _ABOUT, f"{shown}: has schema {schema.found}; this version's is {schema.current}", _MIGRATE
        )
    return ok(_ABOUT, f"{shown}: has this version's schema, {schema.current}")


def postgresql_findings(facts: PostgresqlFacts) -> Iterator[Finding]:
    """Of what the server says of itself."""
    about = "PostgreSQL"
    if int(facts.version.partition(".")[0]) < _POSTGRESQL_MIN:
        yield wrong(about, f"is version {facts.version}", f"upgrade it to {_POSTGRESQL_MIN} or newer")
    else:
        yield ok(about, f"is version {facts.version}")
    for name, value in facts.settings.items():
        if value == "on":
            yield ok(about, f"{name} is on")
        else:
            yield wrong(
                about,
                f"{name} is {value}: power loss can lose or damage what was committed",
                f"set {name} = on",
            )
    if facts.is_standby:
        yield wrong(
            about,
            "is a standby, which takes no writes",
            "name the primary, or target_session_attrs=read-write",
        )
    yield clock_finding(about, facts.clock)


def _facts(connection: Connection, now_us: Callable[[], int]) -> PostgresqlFacts:
    def ask(sql: str) -> str:
        return str(connection.execute(text(f"SELECT {sql}")).scalar_one())

    clock = read_clock(
        lambda: int(ask("CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)")), now_us
    )
    version = ask("current_setting('server_version')").split()[0]
    settings = {name: ask(f"current_setting('{name}')") for name in ("fsync", "full_page_writes")}
    return PostgresqlFacts(version, settings, ask("pg_is_in_recovery()") == "True", clock)
