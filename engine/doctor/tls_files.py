"""The engine's certificate: whether it fits its key, how long it is valid, and for which names."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509

from engine.api.certificates import Certificates, TlsFiles
from engine.doctor.finding import Finding, ok, warning, wrong

_ABOUT: Final = "certificate"
# Whoever renews by hand needs this long; ACME renews earlier.
_WARN: Final = timedelta(days=30)
_RENEW: Final = "renew it and replace both files: the engine takes them without a restart"


def check_tls_files(files: TlsFiles, now_us: int) -> Iterator[Finding]:
    """Raises StartupError if they can't be used together."""
    Certificates(files)
    yield ok(_ABOUT, f"{files.certificate} fits its key {files.private_key}")
    now = datetime.fromtimestamp(now_us // 1_000_000, UTC)
    for place, each in enumerate(x509.load_pem_x509_certificates(files.certificate.read_bytes())):
        what = (
            f"{files.certificate}" if place == 0 else f"{files.certificate}, number {place + 1} of its chain"
        )
        yield _validity(what, each, now)
        if place == 0:
            yield _names(what, each)


def _validity(what: str, certificate: x509.Certificate, now: datetime) -> Finding:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        return wrong(
            _ABOUT, f"{what}: is valid from {begin:%Y-%m-%d %H:%M} UTC only", "check this machine's clock"
        )
    if now >= end:
        return wrong(_ABOUT, f"{what}: expired on {end:%Y-%m-%d %H:%M} UTC", _RENEW)
    days = (end - now).days
    if end - now < _WARN:
        return warning(_ABOUT, f"{what}: expires in {days} days, on {end:%Y-%m-%d}", _RENEW)
    return ok(_ABOUT, f"{what}: is valid until {end:%Y-%m-%d}, {days} days")


def _names(what: str, certificate: x509.Certificate) -> Finding:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return wrong(
            _ABOUT,
            f"{what}: has no subject alternative names, so no client accepts it",
            "issue it anew for the names by which clients call the engine",
        )
    shown = [str(each.value) for each in names]
    return ok(_ABOUT, f"{what}: is for {', '.join(shown)}")
