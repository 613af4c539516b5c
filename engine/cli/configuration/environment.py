"""Variables METERLINE_... that nothing reads: a misspelt one would leave a setting at its default without a word.

The one module that looks at the environment as a whole; options read their own variables.
"""

import os
import re
from collections.abc import Iterable
from typing import Final

from engine.configuration.settings import settings
from fields import did_you_mean

_PREFIX: Final = "METERLINE_"
# Of commands and clients that call an engine, on the same machine perhaps.
CLIENT_VARIABLES: Final = frozenset(
    f"{_PREFIX}{name}"
    for name in ("API_KEY", "API_KEY_FILE", "TARGET", "TLS", "TLS_CA", "TLS_CERT", "TLS_KEY", "RECORDED_BY")
)
# What Kubernetes tells every pod of a service that is called meterline, or meterline-...
_OF_A_SERVICE: Final = re.compile(
    r"METERLINE_(\w+_)?(SERVICE_HOST|SERVICE_PORT\w*|PORT|PORT_\d+_\w+)"
).fullmatch


def unread_variables(names: Iterable[str] | None = None) -> list[str]:
    """A line for each variable of the environment (or of `names`) that looks like ours and is not."""
    known = {row.variable for row in settings()} | {f"{_PREFIX}CONFIG"}
    return [
        f"{name} is set, and nothing reads it{did_you_mean(name, sorted(known))}"
        for name in sorted(os.environ if names is None else names)
        if name.startswith(_PREFIX) and name not in known | CLIENT_VARIABLES and not _OF_A_SERVICE(name)
    ]
