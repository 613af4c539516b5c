"""Builds who may call: the keys, the gate before every operation, and the audit log."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.access.access_store import AccessStore
from engine.access.audit_log import AuditLog
from engine.access.authenticator import Authenticator
from engine.access.first_key import FirstKeys
from engine.access.key_ring import KeyRing
from engine.api.gate import Gate
from engine.app.stores import Stores


@dataclass(frozen=True, slots=True)
class Access:
    """Keys, gate and audit log. `admin_key_file`: where the key to begin with stands; None if it is gone."""

    store: AccessStore
    ring: KeyRing
    audit_log: AuditLog
    gate: Gate
    admin_key_file: Path | None


def build_access(stores: Stores, admin_key_file: Path | None, now_us: Callable[[], int]) -> Access:
    """Makes the first key of a new directory.

    Raises:
        StartupError: a file with a key can't be used.
    """
    store = AccessStore(stores.database)
    first = FirstKeys(stores.directory.path, admin_key_file, now_us, secrets.token_hex)
    hasher = first.hasher(store)
    known = first.make_known(store, hasher)
    authenticator = Authenticator(store, hasher, now_us, time.monotonic_ns)
    audit_log = AuditLog(stores.database, now_us, time.monotonic_ns)
    return Access(
        store,
        KeyRing(store, hasher, authenticator.forget, now_us, secrets.token_hex),
        audit_log,
        Gate(authenticator, audit_log),
        known,
    )
