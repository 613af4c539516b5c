"""Which API key a command uses: of a file that it is given, of the environment, or of an engine on this machine.

A key never stands in an option: whoever lists the processes of a machine would read it.
"""

from pathlib import Path
from typing import Final

import click

from engine.access.local_engines import local_key
from engine.access.secret_files import read_secret
from meterline import api_key_metadata

# Where `meterline serve` says which key file belongs to its port.
LOCAL_ENGINES: Final = Path(click.get_app_dir("meterline")) / "engines"
_FILE: Final = "meterline.api_key_file"


def _kept(context: click.Context, _option: click.Parameter, file: Path | None) -> None:
    context.meta[_FILE] = file


api_key_file_option = click.option(
    "--api-key-file",
    type=click.Path(path_type=Path),
    envvar="METERLINE_API_KEY_FILE",
    show_envvar=True,
    metavar="FILE",
    callback=_kept,
    expose_value=False,
    help="Holds the API key to use. Default: METERLINE_API_KEY, or the first key of an engine of yours on this machine.",
)


def api_key_for(target: str) -> str | None:
    """The key for the engine at this address; None leaves it to METERLINE_API_KEY, or to the engine to refuse.

    Raises:
        StartupError: the file can't be read.
        InvalidOptionError: what the file or the environment has is not a key.
    """
    context = click.get_current_context(silent=True)
    file: Path | None = None if context is None else context.meta.get(_FILE)
    if file is not None:
        return read_secret(file)
    return None if api_key_metadata(None) else local_key(LOCAL_ENGINES, target)
