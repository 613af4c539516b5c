"""Metrics of what is so for as long as the engine runs: its build, its bounds, its certificate, and the disk of its data."""

import importlib.metadata
import json
import os
from pathlib import Path

from cryptography import x509

from engine.api.certificates import TlsFiles
from engine.cluster.deployment import FORMAT
from engine.metrics import METRICS
from ingest import Limits

_UNKNOWN = "unknown"


def tell_standing_metrics(data: Path | None, limits: Limits) -> None:
    """Sets them; the disk is looked at whenever somebody asks. Without a data directory its sizes are 0, whose ratio no
    alert takes for a full disk.
    """
    METRICS.build_info.labels(importlib.metadata.version("meterline"), _commit(), str(FORMAT)).set(1)
    METRICS.queue_events_max.set(limits.queue_events_max)
    METRICS.queue_bytes_max.set(limits.queue_bytes_max)
    if data is None:
        return
    METRICS.data_free_bytes.set_function(lambda: _disk_bytes(data)[0])
    METRICS.data_size_bytes.set_function(lambda: _disk_bytes(data)[1])


def tell_certificate(files: TlsFiles) -> None:
    """Sets when it expires; the files are looked at whenever somebody asks, since they are replaced while the engine runs."""
    METRICS.certificate_expires_timestamp_seconds.set_function(lambda: _expires_s(files))


def _expires_s(files: TlsFiles) -> float:
    """Of the chain's first to expire; 1, long ago, of a file that can't be read: a restart would fail."""
    try:
        chain = x509.load_pem_x509_certificates(files.certificate.read_bytes())
    except (OSError, ValueError):
        return 1
    return min(each.not_valid_after_utc.timestamp() for each in chain)


def _commit() -> str:
    """What pip noted of an installation from a repository."""
    noted = importlib.metadata.distribution("meterline").read_text("direct_url.json")
    found = json.loads(noted or "{}").get("vcs_info", {}).get("commit_id", _UNKNOWN)
    return str(found)


def _disk_bytes(path: Path) -> tuple[int, int]:
    """Free and all; NaN would hide that the directory is gone, so it counts as full."""
    try:
        found = os.statvfs(path)
    except OSError:
        return 0, 0
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
