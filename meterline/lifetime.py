"""What the process does to open clients: a fork renews them, the end of the interpreter closes them."""

import atexit
import logging
import os
from typing import Protocol


class Lifetime(Protocol):
    """An open client, as the process sees it."""

    def end_with_process(self) -> object:
        """Flush and end."""

    def renew_after_fork(self) -> None:
        """Start anew in a forked child, which has none of the parent's threads."""


_open: set[Lifetime] = set()


def begin(client: Lifetime) -> None:
    """Mind this client from now on."""
    _open.add(client)


def end(client: Lifetime) -> None:
    """The client was closed."""
    _open.discard(client)


def _renew_all() -> None:
    for client in tuple(_open):
        client.renew_after_fork()


def _close_all() -> None:
    for client in tuple(_open):
        try:
            client.end_with_process()
        except Exception:
            logging.getLogger("meterline").exception("closing a client at the end of the process failed")


os.register_at_fork(after_in_child=_renew_all)
atexit.register(_close_all)
