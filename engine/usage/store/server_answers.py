"""What a ClickHouse server says of itself: its version, and its errors in one line."""

from urllib3.exceptions import TimeoutError as Urllib3TimeoutError

from engine.errors import StartupError
from engine.usage.store.server_address import ServerAddress

# The oldest release line that is still mended; nothing older was ever tried.
_SERVER_VERSION_MIN = (25, 8)
# What ClickHouse answers when user or password are wrong (REQUIRED_PASSWORD, AUTHENTICATION_FAILED and kin).
_REFUSED_USER_CODES = {192, 193, 194, 516}
_NOT_ALLOWED_CODE = 497


def start_problem(address: ServerAddress, code: int | None, error: Exception) -> StartupError:
    """Why the server of this address can't be used, by the code of its answer (None: it gave none)."""
    if code in _REFUSED_USER_CODES:
        what = f"refuses user {address.user!r}: check user and password"
    elif code == _NOT_ALLOWED_CODE:
        what = f"doesn't let user {address.user!r} do what is needed: {first_line(error)}"
    elif code is None:
        what = f"does not answer as a ClickHouse server: {first_line(error)}. Is it running, and is this its HTTP port?"
    else:
        what = f"can't be used: {first_line(error)}"
    return StartupError(f"{address.shown}: the usage store {what}")


def check_version(address: ServerAddress, version: str | None) -> None:
    if version is None or tuple(int(part) for part in version.split(".")[:2]) < _SERVER_VERSION_MIN:
        oldest = ".".join(map(str, _SERVER_VERSION_MIN))
        raise StartupError(f"{address.shown}: is ClickHouse {version}: upgrade it to {oldest} or newer")


def first_line(error: Exception) -> str:
    """What went wrong, in one line: what the server said, or else why there is no answer."""
    if error.__cause__ is None:
        return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
    causes: list[BaseException] = [error]
    while following := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(following)
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    if any(isinstance(cause, Urllib3TimeoutError | TimeoutError) for cause in causes):
        return "no answer in time"
    return f"the connection broke ({type(error.__cause__).__name__})"
