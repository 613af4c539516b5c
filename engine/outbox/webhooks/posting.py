"""One POST of a message: bounded in time and size, to an address that was checked, and nowhere else.

1. An answer of 200 to 299 is a delivery, and no other: a redirect is not followed.
2. The whole takes DEADLINE_S at most, however slowly a receiver takes or gives bytes. Of its answer only the head is read,
   which has a bound: what a receiver says may name people, and is kept nowhere.
3. The environment's proxies are not used: they would connect to what nobody has checked.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from engine.outbox.webhooks.addresses import (
    AddressRefusedError,
    Resolve,
    checked_addresses,
    host_and_port,
    resolve,
)

# Standard Webhooks advises 15 to 30 s.
DEADLINE_S: Final = 15
_CONNECT_S: Final = 5
_ERROR_CHARACTERS_MAX: Final = 256
_OK: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class PostResult:
    """`status` is None if there was no answer; `error` is why."""

    status: int | None
    error: str
    took_ms: int

    @property
    def is_delivered(self) -> bool:
        return self.status in _OK


class Post(Protocol):
    """Posts a body to a URL."""

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> PostResult: ...


@dataclass(frozen=True, slots=True)
class Poster:
    """Posts over the network. Thread-safe."""

    allow_private: bool
    look_up: Resolve = resolve
    deadline_s: float = DEADLINE_S

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> PostResult:
        began_ns = time.monotonic_ns()
        status, error = self._posted(url, headers, body)
        return PostResult(status, error, (time.monotonic_ns() - began_ns) // 1_000_000)

    def _posted(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int | None, str]:
        try:
            addresses = checked_addresses(url, self.look_up, allow_private=self.allow_private)
            return self._status(url, addresses, headers, body), ""
        except AddressRefusedError as error:
            return None, str(error)
        except (OSError, http.client.HTTPException) as error:
            return None, f"{type(error).__name__}: {error}"[:_ERROR_CHARACTERS_MAX]

    def _status(self, url: str, addresses: Sequence[str], headers: Mapping[str, str], body: bytes) -> int:
        parts = urlsplit(url)
        host, port = host_and_port(url)
        connection = http.client.HTTPConnection(host, port, timeout=self.deadline_s)
        raw = _connected(addresses, port)
        # Cuts off whoever sends a byte now and then: rule 2.
        is_late = threading.Event()
        cut_off = threading.Timer(self.deadline_s, _shut, (raw, is_late))
        cut_off.daemon = True
        cut_off.start()
        try:
            raw.settimeout(self.deadline_s)
            connection.sock = _wrapped(raw, host) if parts.scheme == "https" else raw
            connection.request("POST", (parts.path or "/") + _query(parts.query), body, dict(headers))
            status = connection.getresponse().status
            if is_late.is_set():
                # What http.client takes for a whole head was cut off within it.
                raise TimeoutError(f"no answer within {self.deadline_s:g} s")
            return status
        finally:
            cut_off.cancel()
            connection.close()
            raw.close()


def _query(query: str) -> str:
    return f"?{query}" if query else ""


def _connected(addresses: Sequence[str], port: int) -> socket.socket:
    last: OSError = OSError("the host has no address")
    for each in addresses:
        try:
            return socket.create_connection((each, port), timeout=_CONNECT_S)
        except OSError as error:
            last = error
    raise last


def _wrapped(raw: socket.socket, host: str) -> ssl.SSLSocket:
    # A duplicate of the descriptor, so that the raw one can still be shut.
    return ssl.create_default_context().wrap_socket(raw.dup(), server_hostname=host)


def _shut(raw: socket.socket, is_late: threading.Event) -> None:
    is_late.set()
    try:
        raw.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It has ended by itself.
        return
