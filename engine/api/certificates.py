"""The engine's TLS certificate, read again when its files change, and the certificates that its callers show.

Rules:
1. A connection that is open keeps the certificate with which it began; the next one gets what the files hold then. So a
   certificate is rotated without a failed call: replace the files.
2. Files that don't fit together, as in the middle of a rotation, change nothing: the certificate of before is served, and
   the log says why.
3. With a file of authorities for clients, every caller must show a certificate that one of them has signed.
"""

import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import grpc
import structlog

from engine.errors import StartupError

_log = structlog.get_logger(__name__)
# What gRPC says of a caller's certificate, the more exact names first: a URI such as spiffe://..., a DNS name, then CN.
_NAMES: Final = ("x509_subject_alternative_name", "x509_common_name")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the certificate with its chain, its private key, and, if callers need one, who signs theirs."""

    certificate: Path
    private_key: Path
    client_authorities: Path | None = None

    def _all(self) -> list[Path]:
        return [each for each in (self.certificate, self.private_key, self.client_authorities) if each]

    def state(self) -> tuple[tuple[int, int], ...]:
        """What changes when a file does. Raises OSError."""
        found = [each.stat() for each in self._all()]
        return tuple((each.st_mtime_ns, each.st_ino) for each in found)

    def context(self, *, asks_client: bool = True) -> ssl.SSLContext:
        """Of a server. Raises OSError or ssl.SSLError for files that can't be used."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.load_cert_chain(self.certificate, self.private_key)
        if asks_client and self.client_authorities is not None:
            made.load_verify_locations(self.client_authorities)
            made.verify_mode = ssl.CERT_REQUIRED
        return made

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """For gRPC, which would not say what is wrong with files: `context` tries them first. Raises as `context`."""
        self.context()
        authorities = None if self.client_authorities is None else self.client_authorities.read_bytes()
        pair = (self.private_key.read_bytes(), self.certificate.read_bytes())
        return grpc.ssl_server_certificate_configuration([pair], authorities)


class Certificates:
    """The certificate that is served now. Thread-safe."""

    def __init__(self, files: TlsFiles) -> None:
        """Raises StartupError for files that can't be used."""
        self._files = files
        self._lock = threading.Lock()
        try:
            self._grpc_state = files.state()
            self._first = files.configuration()
        except (OSError, ssl.SSLError) as error:
            raise StartupError(f"{_names(files)}: can't be used for TLS: {_reason(error)}") from error

    def server_credentials(self) -> grpc.ServerCredentials:
        return grpc.dynamic_ssl_server_credentials(
            self._first,
            # gRPC takes None for "as before"; the types of its stubs don't say so.
            cast("Callable[[], grpc.ServerCertificateConfiguration]", self._if_changed),
            require_client_authentication=self._files.client_authorities is not None,
        )

    def http_context(self, *, asks_client: bool) -> ssl.SSLContext:
        """For a port of HTTP. Whoever scrapes metrics and probes has no certificate: there nobody is asked for one.

        Raises:
            StartupError: the files can't be used any more.
        """
        try:
            newest = _NewestContext(self._files, asks_client=asks_client, warn=self._warn)
            entry = self._files.context(asks_client=asks_client)
        except (OSError, ssl.SSLError) as error:
            raise StartupError(f"{_names(self._files)}: can't be used for TLS: {_reason(error)}") from error
        # Called for every handshake, also of a client that names no server.
        entry.sni_callback = lambda connection, _server_name, _context: setattr(
            connection, "context", newest.context()
        )
        return entry

    def _if_changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Before each handshake; None: as before."""
        try:
            with self._lock:
                state = self._files.state()
                if state == self._grpc_state:
                    return None
                fresh = self._files.configuration()
                self._grpc_state = state
        except (OSError, ssl.SSLError) as error:
            self._warn(error)
            return None
        _log.info("serving a new certificate", files=_names(self._files))
        return fresh

    def _warn(self, error: Exception) -> None:
        _log.warning("new certificate files can't be used", files=_names(self._files), reason=_reason(error))


class _NewestContext:
    """The context of a port, made anew when the files have changed. Thread-safe."""

    def __init__(self, files: TlsFiles, *, asks_client: bool, warn: Callable[[Exception], None]) -> None:
        self._files, self._asks_client, self._warn = files, asks_client, warn
        self._lock = threading.Lock()
        self._state = files.state()
        self._context = files.context(asks_client=asks_client)

    def context(self) -> ssl.SSLContext:
        """Of what the files hold; as before if they can't be used."""
        try:
            with self._lock:
                state = self._files.state()
                if state != self._state:
                    self._context = self._files.context(asks_client=self._asks_client)
                    self._state = state
        except (OSError, ssl.SSLError) as error:
            self._warn(error)
        return self._context


def subjects_of(auth_context: Mapping[str, Sequence[bytes]]) -> tuple[str, ...]:
    """The names in a caller's certificate, the more exact ones first; none without one."""
    return tuple(each.decode(errors="replace") for name in _NAMES for each in auth_context.get(name, ()))


def _names(files: TlsFiles) -> str:
    return f"{files.certificate} and {files.private_key}"


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
