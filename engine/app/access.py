"""Builds who may call: the keys, the gate before every operation, and the audit log."""

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.access.access_store import AccessStore
from engine.access.allowances import Allowances
from engine.access.audit_log import AuditLog
from engine.access.authenticator import Authenticator
from engine.access.first_key import FirstKeys
from engine.access.key_ring import KeyRing
from engine.access.oidc.signing_keys import SigningKeys
from engine.access.oidc.token_rules import TokenRules
from engine.access.oidc.tokens import Tokens
from engine.access.signed.spend_links import HasCustomer, SpendLinks
from engine.access.tenant_limit_store import TenantLimitStore
from engine.access.tenant_limits import TenantLimits
from engine.api.gate import Gate
from engine.app.stores import Stores
from engine.cluster.locks import start_turn
from engine.sql.postgresql import Writers


@dataclass(frozen=True, slots=True)
class Access:
    """Keys, links, gate and audit log. `admin_key_file`: where the key to begin with stands; None if it is gone."""

    store: AccessStore
    ring: KeyRing
    links: SpendLinks
    has_customer: HasCustomer
    audit_log: AuditLog
    gate: Gate
    allowances: Allowances
    admin_key_file: Path | None


@contextlib.contextmanager
def open_access(
    stores: Stores,
    admin_key_file: Path | None,
    tenant_limits: TenantLimits,
    token_rules: TokenRules | None,
    now_us: Callable[[], int],
) -> Iterator[Access]:
    """Connections of its own: a catalog that is being applied keeps nobody waiting at the gate. Makes the first key of
    a new directory.

    Raises:
        StartupError: a file with a key can't be used.
    """
    deployment = stores.deployment
    with contextlib.closing(stores.database.beside(writers=Writers.ACCESS)) as database:
        store = AccessStore(database)
        first = FirstKeys(
            deployment.hash_key, deployment.admin_key_file, admin_key_file, now_us, secrets.token_hex
        )
        # Of gateways that start together one makes the keys.
        with start_turn(deployment.locks, deployment.shown):
            hasher = first.hasher(store)
            known = first.make_known(store, hasher)
        allowances = Allowances(TenantLimitStore(database), tenant_limits, time.monotonic_ns)
        tokens = (
            None
            if token_rules is None
            else Tokens(
                token_rules,
                SigningKeys(token_rules.issuer, time.monotonic_ns),
                store.has_tenant,
                now_us,
                time.monotonic_ns,
            )
        )

        def has_customer(tenant: str, customer_id: str) -> bool:
            return customer_id in stores.catalog.snapshot(tenant).customers

        authenticator = Authenticator(
            store,
            hasher,
            now_us,
            time.monotonic_ns,
            tokens,
            has_customer,
        )
        audit_log = AuditLog(database, now_us, time.monotonic_ns)
        with contextlib.closing(audit_log):
            yield Access(
                store,
                KeyRing(store, hasher, authenticator.forget, now_us, secrets.token_hex),
                SpendLinks(hasher),
                has_customer,
                audit_log,
                Gate(authenticator, audit_log, allowances),
                allowances,
                known,
            )
