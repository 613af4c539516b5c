"""What a connection to PostgreSQL is told, and which of its errors pass.

Rules:
1. Writers of one purpose take turns by an advisory lock, which a transaction holds to its end (Writers).
2. A commit is on the server's disk before it is acknowledged, whatever the server's default is: after a crash of the
   server, gateways go on where they were.
3. A gateway that hangs in the middle of a transaction holds the others up for the time of its purpose at most; then the
   server ends its session, and undoes what it began.
4. A dead peer is noticed within half a minute at both ends.
5. Of several hosts the one is taken that takes writes; a connection whose server has become a standby is given up.
"""

from enum import Enum
from typing import Any, Final

from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import DBAPIError

_CONNECT_TIMEOUT_S: Final = 10
_KEEPALIVE: Final = {"tcp_keepalives_idle": 10, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 3}
_PEER_IS_DEAD_AFTER_MS: Final = 25_000
_READ_ONLY: Final = "25006"
# Classes of SQLSTATE, and single ones, that time or an operator mends: the connection, resources such as the disk,
# an operator's intervention, a transaction that lost against another, a time limit, and a standby that takes no writes.
_PASSING: Final = ("08", "53", "57", "58", "40", "55P03", "25P03", _READ_ONLY)


class Writers(Enum):
    """For whom a transaction writes: those of one purpose take turns, others don't wait for them. In SQLite there is
    one writer in all. The value is the key of the advisory lock: "meterlin" in ASCII, and then by one.
    """

    CATALOG = 0x6D657465726C696E
    INGEST_ORDER = 0x6D657465726C696F
    ACCESS = 0x6D657465726C6970
    RESERVATIONS = 0x6D657465726C6971

    @property
    def idle_ms_max(self) -> int:
        """How long a transaction may wait for its own gateway: an apply compares a document of 4 MiB meanwhile."""
        return 30_000 if self is Writers.CATALOG else 5_000


def connect_args(url: URL, writers: Writers, lock_timeout_ms: int) -> dict[str, Any]:
    """What psycopg is called with, besides the URL. Rule 5."""
    settings = {
        "lock_timeout": lock_timeout_ms,
        "idle_in_transaction_session_timeout": writers.idle_ms_max,
        "client_min_messages": "warning",
        **_KEEPALIVE,
    }
    of_writers = {} if "target_session_attrs" in url.query else {"target_session_attrs": "read-write"}
    return {
        **of_writers,
        "connect_timeout": _CONNECT_TIMEOUT_S,
        "application_name": "meterline",
        "keepalives_idle": _KEEPALIVE["tcp_keepalives_idle"],
        "keepalives_interval": _KEEPALIVE["tcp_keepalives_interval"],
        "keepalives_count": _KEEPALIVE["tcp_keepalives_count"],
        "tcp_user_timeout": _PEER_IS_DEAD_AFTER_MS,
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }


def set_up_session(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver is an extra
    """Rule 2: the server's own setting stays where it asks for more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
        )
    connection.commit()


def leave_standby(context: ExceptionContext) -> None:
    """Rule 5, when a server has changed under its connections."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True


def passes(error: DBAPIError) -> bool:
    """Whether the same transaction may succeed later."""
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    # Without a state the server was not reached at all.
    return state is None or str(state).startswith(_PASSING)
