"""Which addresses may be posted to: a tenant's URL must not reach what only the engine's own network may.

1. A URL is http or https, names a host, and has neither user nor fragment.
2. Every address that its host has is looked at, when the endpoint is made and again at each connect, and the connection is
   made to the address that was looked at: a name that changes its mind in between reaches nothing.
3. Refused are private, loopback, link-local (where clouds tell metadata), shared, reserved and multicast addresses, and
   IPv6 forms that carry an IPv4 address. `allow_private` lifts rule 3, for an operator who has receivers inside.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias
from urllib.parse import urlsplit

URL_BYTES_MAX: Final = 2_048
_PORTS: Final = {"http": 80, "https": 443}
# Translated by NAT64 to the IPv4 address in it.
_TRANSLATED: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
Resolve: TypeAlias = Callable[[str, int], Sequence[str]]


class AddressRefusedError(Exception):
    """It may not be posted to."""


def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of a host. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def host_and_port(url: str) -> tuple[str, int]:
    """Of a URL that has no problems."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS[parts.scheme]


def url_problems(url: str) -> Iterator[str]:
    """Rule 1."""
    if not (url.isascii() and url.isprintable()) or " " in url:
        yield "must be printable ASCII, without blanks"
        return
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        yield f"is no URL: {error}"
        return
    if parts.scheme not in _PORTS:
        yield "must begin with https:// or http://"
    if not parts.hostname:
        yield "names no host"
    if port == 0:
        yield "has port 0"
    if parts.username is not None or parts.password is not None:
        yield "must have neither user nor password: messages are signed"
    if parts.fragment:
        yield "must have no fragment"


def checked_addresses(url: str, look_up: Resolve, *, allow_private: bool) -> Sequence[str]:
    """The addresses of a URL's host. Raises AddressRefusedError, OSError for a host that can't be found."""
    host, port = host_and_port(url)
    try:
        found = look_up(host, port)
    except UnicodeError as error:
        raise OSError(f"no host has this name: {error}") from error
    if not allow_private:
        for each in found:
            if is_private(each):
                raise AddressRefusedError(
                    f"{host} has the address {each}, which is not on the public Internet: the engine's operator may "
                    "allow that (--webhook-allow-private-networks)"
                )
    return found


def is_private(address: str) -> bool:
    """Rule 3."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and (
        found.ipv4_mapped is not None
        or found.sixtofour is not None
        or found.teredo is not None
        or any(found in each for each in _TRANSLATED)
    ):
        return True
    return not found.is_global or found.is_multicast or found.is_reserved
