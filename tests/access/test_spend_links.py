"""Signed links on a real catalog database: whose they are, and what ends them."""

import base64
import json
import secrets

import pytest

from engine.access.access_store import AccessStore
from engine.access.api_keys import HASH_KEY_BYTES, KeyHasher
from engine.access.authenticator import Authenticator
from engine.access.caller import Caller, Scope
from engine.access.first_key import FirstKeys
from engine.access.key_ring import KeyRing
from engine.access.spend_links import SpendLink, SpendLinks
from engine.cluster.data_directory import HashKeyFile
from engine.errors import UnauthenticatedError

NOW_S = 1_700_000_000
HOUR_S = 3_600


class World:
    """Links, the key that makes them, and customers who come and go."""

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


@pytest.fixture
def world(database, tmp_path):
    return World(database, tmp_path)


def test_a_link_is_a_caller_who_is_bound_to_its_customer(world):
    """With what such a key may hold, of the tenant of whoever made it; logs name a part of the signature."""
    text = world.link()
    caller = world.caller(text)
    signature = text.rpartition(".")[2]
    assert caller == Caller(
        "default", f"link:{signature[:12]}", frozenset({Scope.READ, Scope.BILL}), customer_id="acme"
    )
    assert caller.key_id == ""


def test_a_link_ends_with_its_time(world):
    """Valid to the last second, and refused in one line that says what to do."""
    text = world.link(seconds=HOUR_S)
    world.now_us += (HOUR_S - 1) * 1_000_000
    assert world.caller(text).customer_id == "acme"
    world.now_us += 1_000_000
    assert world.refusal(text) == ("expired", "the link has expired: ask for a new one")


def _changed(text, place):
    """With another letter at a place."""
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


def test_no_other_text_is_a_link(world):
    """Every single letter changed, the last bits of base64 too; another customer under the same signature; cut or longer."""
    text = world.link()
    payload, signature = text.split(".")
    said = json.loads(base64.urlsafe_b64decode(payload[4:] + "=="))
    said[2] = "bolt"
    other = base64.urlsafe_b64encode(json.dumps(said, separators=(",", ":")).encode()).decode().rstrip("=")
    forged = [_changed(text, place) for place in range(4, len(text))]
    forged += [
        f"mls_{other}.{signature}",
        text[:-1],
        text + "A",
        text.replace(".", ""),
        f"{payload}.",
        "mls_.",
    ]
    forged += [f"{payload}.{world.hasher.hash(payload)[:43]}", f"{text} ", text.replace("mls_", "MLS_")]
    # What an API key's hash is made of is no signature: another key, for this purpose alone.
    raw = base64.urlsafe_b64encode(bytes.fromhex(world.hasher.hash(payload))).decode().rstrip("=")
    forged.append(f"{payload}.{raw}")
    for each in forged:
        reason, words = world.refusal(each)
        assert reason in {"malformed", "wrong secret"}, each
        assert "\n" not in words


def test_another_deployment_and_a_new_signing_key_end_every_link(world):
    """The key of all hashes signs: whoever replaces it has no links left."""
    other = world.gateway(KeyHasher(secrets.token_bytes(HASH_KEY_BYTES)))
    with pytest.raises(UnauthenticatedError):
        other.caller(f"Bearer {world.link()}")


def test_a_link_ends_with_the_key_that_made_it(world):
    """Revoked at once; rotated when the older key ends; a key of another tenant never made it."""
    revoked, rotated = world.key(), world.key()
    links = [world.link(key_id=each.key_id) for each in (revoked, rotated)]
    assert {world.caller(each).customer_id for each in links} == {"acme"}
    world.ring.revoke(world.admin, revoked.key_id)
    assert world.refusal(links[0])[0] == "revoked"
    world.ring.rotate(world.admin, rotated.key_id, 10 * 1_000_000, None)
    assert world.caller(links[1]).customer_id == "acme"
    world.now_us += 11 * 1_000_000
    assert world.refusal(links[1])[0] == "revoked"
    world.customers.add(("other", "acme"))
    assert world.refusal(world.link(tenant="other", key_id=world.key().key_id))[0] == "revoked"


def test_a_link_ends_with_its_customer(world):
    """Archived, deleted or erased: the catalog has it no more. Of another tenant's customer of that name it says nothing."""
    text = world.link("bolt")
    assert world.caller(text).customer_id == "bolt"
    world.customers.remove(("default", "bolt"))
    assert world.refusal(text)[0] == "unknown"
    assert world.refusal(world.link(tenant="other"))[0] == "unknown"


def test_a_customer_of_any_name_has_a_link(world):
    """As long as an id may be, with letters of every script."""
    for customer_id in ("ü" * 64, "\U0001f600" * 32, 'a"b\\c/d', "x" * 128):
        world.customers.add(("default", customer_id))
        assert world.caller(world.link(customer_id)).customer_id == customer_id
