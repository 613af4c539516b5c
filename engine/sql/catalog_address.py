"""Where a catalog store is that is not in the data directory: the URL of a PostgreSQL database. Light: commands load it."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, urlsplit

_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
_PORT = 5432
# What a person may set in the URL's query: how libpq connects. The rest is set by engine.sql.postgresql.
_OPTIONS = ("host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "target_session_attrs")
_EXAMPLE = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"


@dataclass(frozen=True, slots=True)
class CatalogAddress:
    """`url` is SQLAlchemy's, and may hold a password; `shown` is for messages and logs, without user, password and
    options.
    """

    url: str = field(repr=False)
    shown: str


def read_catalog_address(text: str) -> CatalogAddress:
    """Reads postgresql://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full.

    Raises:
        ValueError: it is not such a URL; the text does not repeat it, since it may hold a password.
    """
    try:
        parts = urlsplit(text)
        port = parts.port or _PORT
        query = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ValueError(f"is not a URL like {_EXAMPLE}") from None
    if parts.scheme not in _SCHEMES or parts.fragment:
        raise ValueError(f"is not a URL like {_EXAMPLE}")
    database = parts.path.removeprefix("/")
    if not database or "/" in database:
        raise ValueError("names no database: write postgresql://HOST/DATABASE")
    if unknown := sorted(set(query) - set(_OPTIONS)):
        raise ValueError(f"may set {', '.join(_OPTIONS)} in its query, not {', '.join(unknown)}")
    host = _host(parts) or query.get("host", "localhost")
    return CatalogAddress(
        parts._replace(scheme="postgresql+psycopg").geturl(), f"postgresql://{host}:{port}/{database}"
    )


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host
