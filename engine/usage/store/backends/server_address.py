"""Where a ClickHouse server is, who we are there, and how long we wait for it: read from one URL.

    http://USER:PASSWORD@HOST:8123/DATABASE?insert_timeout_s=15&lease_s=60

The password is in the URL and in the connection, and nowhere else: not in texts, not in `repr`, not in errors.
"""

import re
from dataclasses import dataclass, field, fields
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_PORTS = {"http": 8123, "https": 8443}
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_WRONG = "write http://USER:PASSWORD@HOST:8123/DATABASE, or https"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a gateway waits for the store, in seconds. `NAME_s` in the URL's query sets NAME.

    Raises:
        ValueError: a time below 1, or two that contradict each other.
    """

    # A server in the same network answers a SYN in a millisecond; three lost ones are an outage.
    connect_timeout_s: int = 3
    # The server ends an insert itself after this: fifteen times what the largest takes on a slow disk.
    insert_timeout_s: int = 15
    # And a read: a month of all customers takes some seconds.
    read_timeout_s: int = 30
    # And a look through all ids, for those that were used twice: a tenth of a microsecond an event, so some billions.
    reconcile_timeout_s: int = 600
    # What it takes the server's own verdict to travel: it must come before we hang up.
    answer_margin_s: int = 5
    # A group that has been under way for so long is taken for dead by the other gateways: longer than an insert
    # may take with the one replay that the driver makes when a connection closes.
    lease_s: int = 60
    # A read waits so long for an older group of another gateway: longer than any healthy insert takes, shorter
    # than a caller's patience.
    watermark_timeout_s: int = 10

    def __post_init__(self) -> None:
        for each in fields(self):
            if getattr(self, each.name) < 1:
                raise ValueError(f"{each.name} must be at least 1, is {getattr(self, each.name)}")
        if self.insert_s_max >= self.lease_s:
            raise ValueError(
                f"lease_s must be greater than {self.insert_s_max}, the longest that an insert may take: "
                "2 * (connect_timeout_s + insert_timeout_s + answer_margin_s)"
            )

    @property
    def insert_s_max(self) -> int:
        """The longest that one insert keeps its caller waiting: the driver replays it once."""
        return 2 * (self.connect_timeout_s + self.insert_timeout_s + self.answer_margin_s)


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """One ClickHouse server (or the load balancer before its replicas) and the database that is ours there."""

    interface: str
    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    patience: Patience

    @property
    def shown(self) -> str:
        """For people and logs: without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.interface}://{host}:{self.port}/{self.database}"


def read_server_address(url: str) -> ServerAddress:
    """The address that a URL names.

    Raises:
        ValueError: it names none; the text doesn't repeat what may be a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(
            f"the URL can't be read (is '@', ':' or '/' in the password percent-encoded?): {_WRONG}"
        ) from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.fragment:
        raise ValueError(f"it is not a URL of a ClickHouse server: {_WRONG}")
    database = unquote(parts.path).strip("/") or "meterline"
    if not _DATABASE.fullmatch(database):
        raise ValueError("the database's name must be letters, digits and _, at most 64: " + _WRONG)
    return ServerAddress(
        interface=parts.scheme,
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        database=database,
        user=unquote(parts.username or "") or "default",
        password=unquote(parts.password or ""),
        patience=_patience(parts),
    )


def _patience(parts: SplitResult) -> Patience:
    known = {each.name for each in fields(Patience)}
    asked: dict[str, int] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known or not (value.isascii() and value.isdecimal()):
            raise ValueError(
                f"the URL's query has {name[:40]!r}: it may set {', '.join(sorted(known))}, in whole seconds"
            )
        asked[name] = int(value)
    return Patience(**asked)


def look_bounds(patience: Patience) -> dict[str, int]:
    """The settings of a look through the whole log."""
    # A look is nobody's any more when its gateway has gone.
    return {
        "max_execution_time": patience.reconcile_timeout_s,
        "cancel_http_readonly_queries_on_client_close": 1,
    }
