"""What a command shows of who makes it, and whether the way to the engine is encrypted.

Rules:
1. An API key comes from a file that is named, from the environment, or from an engine of the same user on this machine.
   It never stands in an option: whoever lists the processes of a machine would read it.
2. The key of an engine on this machine goes to the literal address at which that engine listens.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import grpc
from click.core import ParameterSource

from engine.access.api_keys import key_id_of
from engine.access.local_engines import local_engine
from engine.errors import StartupError
from engine.whole_files import read_secret
from meterline import InvalidOptionError, api_key_metadata

# Where `meterline serve` says which key file belongs to its port.
LOCAL_ENGINES: Final = Path(click.get_app_dir("meterline")) / "engines"
_META: Final = "meterline."
_KEY_FILE, _TLS, _CA, _CERT, _CERT_KEY = "api_key_file", "tls", "tls_ca", "tls_cert", "tls_key"


def _kept(context: click.Context, option: click.Parameter, value: object) -> None:
    context.meta[f"{_META}{option.name}"] = value


def _option(name: str, text: str, **fields: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:  # noqa: ANN401 - click's
    variable = f"METERLINE_{name.removeprefix('--').replace('-', '_').upper()}"
    return click.option(
        name, envvar=variable, show_envvar=True, callback=_kept, expose_value=False, help=text, **fields
    )


def _file_option(name: str, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return _option(name, text, type=click.Path(path_type=Path), metavar="FILE")


CREDENTIAL_OPTIONS: Final = (
    _file_option(
        "--api-key-file",
        "Holds the API key to use. Default: METERLINE_API_KEY, or the first key of an engine of yours on this machine.",
    ),
    _option(
        "--tls", "Encrypt, and check the engine's certificate by the system's authorities.", is_flag=True
    ),
    _file_option(
        "--tls-ca", "Encrypt, and check the engine's certificate by the authorities in this PEM file."
    ),
    _file_option("--tls-cert", "Show this client certificate (PEM), with --tls-key."),
    _file_option("--tls-key", "The private key of --tls-cert (PEM)."),
)


def _given(name: str) -> Any:  # noqa: ANN401 - a path, a flag or None
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(f"{_META}{name}")


def given_options() -> list[str]:
    """The words of those options that stand on the command line, for one that asks the same engine again. What a variable says,
    it says again.
    """
    context = click.get_current_context()
    words: list[str] = []
    for name in (_KEY_FILE, _TLS, _CA, _CERT, _CERT_KEY):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            words.append(f"--{name.replace('_', '-')}")
            words += [] if name == _TLS else [str(_given(name))]
    return words


def api_key_for(target: str) -> str | None:
    """The key for the engine at this address; None leaves it to METERLINE_API_KEY, or to the engine to refuse.

    Raises:
        StartupError: the file can't be read, or does not hold a key.
        InvalidOptionError: what the environment has is not a key.
    """
    file: Path | None = _given(_KEY_FILE)
    if file is not None:
        text = read_secret(file)
        try:
            api_key_metadata(text)
        except InvalidOptionError:
            raise StartupError(f"{file}: does not hold an API key, mlk_<id>_<secret>") from None
        return text
    if api_key_metadata(None):
        return None
    found = local_engine(LOCAL_ENGINES, target)
    return None if found is None else found.key


def address_of(target: str) -> str:
    """Where to connect: the engine of this user whose key would be sent, by its literal address, or the target itself.

    A name such as localhost may lead to another address of this machine, where somebody else may listen.
    """
    if _given(_KEY_FILE) is not None or api_key_metadata(None):
        return target
    found = local_engine(LOCAL_ENGINES, target)
    return target if found is None else found.address


def key_id_for(target: str) -> str | None:
    """The id of the key that a call to this address carries; None without one. Raises as `api_key_for`."""
    text = api_key_for(target)
    if text is None:
        text = "".join(value for _, value in api_key_metadata(None)).removeprefix("Bearer ")
    return key_id_of(text)


def channel_credentials() -> grpc.ChannelCredentials | None:
    """As the options say; None for plain text.

    Raises:
        StartupError: a file can't be read, or one of two that belong together is missing.
    """
    authorities, certificate, private_key = (_read(_given(name)) for name in (_CA, _CERT, _CERT_KEY))
    if (certificate is None) != (private_key is None):
        raise StartupError("--tls-cert and --tls-key belong together: give both")
    if not _given(_TLS) and authorities is None and certificate is None:
        return None
    return grpc.ssl_channel_credentials(authorities, private_key, certificate)


def _read(file: Path | None) -> bytes | None:
    try:
        return None if file is None else file.read_bytes()
    except OSError as error:
        raise StartupError(f"{file}: can't be read: {error.strerror}") from error
