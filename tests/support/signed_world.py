"""A deployment's keys on a real catalog database, and what it signs by them."""

import secrets

import pytest

from engine.access.access_store import AccessStore
from engine.access.authenticator import Authenticator
from engine.access.caller import Scope
from engine.access.first_key import FirstKeys
from engine.access.key_ring import KeyRing
from engine.access.signed.spend_links import SpendLink, SpendLinks
from engine.cluster.data_directory import HashKeyFile
from engine.errors import UnauthenticatedError

NOW_S = 1_700_000_000
HOUR_S = 3_600


class SignedWorld:
    """Links and sessions, the keys that make them, and customers who come and go."""

    def __init__(self, database, directory):
        self.now_us = NOW_S * 1_000_000
        self.customers = {("default", "acme"), ("default", "bolt")}
        self.store = AccessStore(database)
        first = FirstKeys(
            HashKeyFile(directory / "api_keys.key"),
            directory / "admin.key",
            None,
            lambda: self.now_us,
            secrets.token_hex,
        )
        self.hasher = first.hasher(self.store)
        text = first.make_known(self.store, self.hasher).read_text().strip()
        self.links = SpendLinks(self.hasher)
        self.authenticator = self.gateway(self.hasher)
        self.ring = KeyRing(
            self.store, self.hasher, self.authenticator.forget, lambda: self.now_us, secrets.token_hex
        )
        self.admin = self.authenticator.caller(f"Bearer {text}")

    def gateway(self, hasher):
        return Authenticator(
            self.store,
            hasher,
            lambda: self.now_us,
            lambda: self.now_us * 1_000,
            None,
            lambda tenant, customer_id: (tenant, customer_id) in self.customers,
        )

    def key(self):
        return self.ring.create(self.admin, "portal", frozenset({Scope.READ, Scope.BILL}), None, None).key

    def link(self, customer_id="acme", key_id="", tenant="default", seconds=HOUR_S):
        return self.links.text(
            SpendLink(
                tenant=tenant,
                customer_id=customer_id,
                expires_at_s=self.now_us // 1_000_000 + seconds,
                key_id=key_id,
            )
        )

    def caller(self, text):
        return self.authenticator.caller(f"Bearer {text}")

    def refusal(self, text):
        """The reason for the log, and the words."""
        with pytest.raises(UnauthenticatedError) as refused:
            self.caller(text)
        return refused.value.reason, str(refused.value)
