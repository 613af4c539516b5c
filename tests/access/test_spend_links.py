"""Signed links on a real catalog database: whose they are, and what ends them."""

import base64
import json
import secrets

import pytest

from engine.access.api_keys import HASH_KEY_BYTES, KeyHasher
from engine.access.caller import Caller, Scope
from engine.errors import UnauthenticatedError
from tests.support.signed_world import HOUR_S, SignedWorld


@pytest.fixture
def world(database, tmp_path):
    return SignedWorld(database, tmp_path)


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
