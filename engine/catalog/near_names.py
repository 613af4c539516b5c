"""The name that somebody may have meant. By itself, since the command line asks too and should load little."""

import difflib
from collections.abc import Collection

from engine.catalog import limits


def did_you_mean(given: str, names: Collection[str]) -> str:
    """A question to append to a message, or nothing if no name is near (or there are too many to compare)."""
    if len(names) > limits.HINT_NAMES_MAX:
        return ""
    near = difflib.get_close_matches(given[: limits.ID_BYTES_MAX], names, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
