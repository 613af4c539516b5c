"""API keys and who calls with them, on a real catalog database: made, rotated, revoked, expired, and remembered."""

import secrets

import pytest

from engine.access.access_store import AccessStore
from engine.access.api_keys import KeyHasher, key_id_of, new_key_text
from engine.access.authenticator import Authenticator
from engine.access.caller import Caller, Scope
from engine.access.first_key import FirstKeys
from engine.access.key_ring import KeyRing
from engine.cluster.data_directory import HashKeyFile
from engine.errors import (
    AlreadyExistsError,
    InvalidRequestError,
    KeyEndedError,
    NotFoundError,
    PermissionDeniedError,
    StartupError,
    UnauthenticatedError,
)

HOUR_US = 3_600_000_000


class World:
    """A key ring over a database, and a clock that the test moves."""

    def __init__(self, database, directory):
        self.now_us = 1_700_000_000_000_000
        self.elapsed_ns = 0
        self.directory = directory
        self.store = AccessStore(database)
        first = self.first_keys()
        self.hasher = first.hasher(self.store)
        self.first_file = first.make_known(self.store, self.hasher)
        self.first_text = self.first_file.read_text().strip()
        self.authenticator = self.gateway()
        self.ring = KeyRing(
            self.store, self.hasher, self.authenticator.forget, lambda: self.now_us, secrets.token_hex
        )

    def first_keys(self, admin_key_file=None):
        return FirstKeys(
            HashKeyFile(self.directory / "api_keys.key"),
            self.directory / "admin.key",
            admin_key_file,
            lambda: self.now_us,
            secrets.token_hex,
        )

    def gateway(self):
        """What one gateway knows of the keys."""
        return Authenticator(self.store, self.hasher, lambda: self.now_us, lambda: self.elapsed_ns)

    def caller(self, text):
        return self.authenticator.caller(f"Bearer {text}")

    @property
    def admin(self):
        return self.caller(self.first_text)


@pytest.fixture
def world(database, tmp_path):
    """Over a database of each kind."""
    return World(database, tmp_path)


def _reason(world, authorization):
    with pytest.raises(UnauthenticatedError) as refused:
        world.authenticator.caller(authorization)
    return refused.value.reason, str(refused.value)


def test_the_first_key_is_for_its_owner_alone_and_allows_everything(world):
    """Made once: a second start makes no other, and one after its file was removed neither."""
    assert world.first_file.stat().st_mode & 0o777 == 0o600
    assert (world.admin.tenant, world.admin.scopes) == ("default", frozenset(Scope))
    assert world.first_keys().make_known(world.store, world.hasher) == world.first_file
    world.first_file.unlink()
    assert world.first_keys().make_known(world.store, world.hasher) is None
    assert world.admin.tenant == "default"


def test_the_secret_is_not_kept(world, tmp_path):
    """Neither the text nor the secret in it is found in a file but the one for its owner."""
    made = world.ring.create(world.admin, "portal", frozenset({Scope.READ}), None, None)
    secret = made.text.rpartition("_")[2].encode()
    assert all(secret not in file.read_bytes() for file in tmp_path.iterdir() if file.is_file())


def test_a_refused_credential_says_only_that_it_is_not_valid(world):
    """The same words for each that is not missing; the reason is for the log."""
    made = world.ring.create(world.admin, "portal", frozenset({Scope.READ}), None, world.now_us + HOUR_US)
    revoked = world.ring.create(world.admin, "gone", frozenset({Scope.READ}), None, None)
    world.ring.revoke(world.admin, revoked.key.key_id)
    other_secret = f"mlk_{made.key.key_id}_{'0' * 48}"
    cases = {
        "malformed": "Bearer nonsense",
        "unknown": f"Bearer {new_key_text(secrets.token_hex)}",
        "wrong secret": f"Bearer {other_secret}",
        "revoked": f"Bearer {revoked.text}",
    }
    found = {reason: _reason(world, header) for reason, header in cases.items()}
    world.now_us += HOUR_US
    found["expired"] = _reason(world, f"Bearer {made.text}")
    found["basic"] = _reason(world, f"Basic {made.text}")
    assert {reason: said[0] for reason, said in found.items()} == {
        **{reason: reason for reason in (*cases, "expired")},
        "basic": "malformed",
    }
    assert len({said[1] for said in found.values()}) == 1
    assert _reason(world, None)[0] == _reason(world, "")[0] == "missing"


def test_a_key_that_nobody_knows_is_refused_after_the_same_work(world, monkeypatch):
    """One look for its id and one comparison with a hash of full length, as for a wrong secret, an ended key and a good one."""
    good = world.ring.create(world.admin, "portal", frozenset({Scope.READ}), None, None)
    over = world.ring.create(world.admin, "gone", frozenset({Scope.READ}), None, None)
    world.ring.revoke(world.admin, over.key.key_id)
    headers = {
        "good": f"Bearer {good.text}",
        "wrong secret": f"Bearer mlk_{good.key.key_id}_{'0' * 48}",
        "revoked": f"Bearer {over.text}",
        "unknown": f"Bearer {new_key_text(secrets.token_hex)}",
    }
    work = []
    find, compare = AccessStore.key, KeyHasher.is_hash_of
    monkeypatch.setattr(AccessStore, "key", lambda own, key_id: (work.append("find"), find(own, key_id))[1])
    monkeypatch.setattr(
        KeyHasher, "is_hash_of", lambda own, kept, text: (work.append(len(kept)), compare(own, kept, text))[1]
    )
    done = {}
    for reason, header in headers.items():
        world.authenticator = world.gateway()
        work.clear()
        if reason == "good":
            assert world.authenticator.caller(header).tenant == "default"
        else:
            assert _reason(world, header)[0] == reason
        done[reason] = list(work)
    # HMAC-SHA256 in hex has 64 characters.
    assert done == {reason: ["find", 64] for reason in headers}


def test_a_refused_key_that_is_known_is_named_for_its_tenant_alone(world):
    """In fields of the error, which no caller sees; a stranger has no tenant."""
    _, first = world.ring.create_tenant(world.admin, "globex")
    other = world.caller(first.text)
    made = world.ring.create(other, "portal", frozenset({Scope.READ}), None, world.now_us + HOUR_US)
    world.ring.revoke(other, first.key.key_id)
    world.now_us += HOUR_US
    stranger = new_key_text(secrets.token_hex)
    texts = {
        first.text: "globex",
        made.text: "globex",
        f"mlk_{made.key.key_id}_{'0' * 48}": "globex",
        stranger: "",
    }
    for text, tenant in texts.items():
        with pytest.raises(UnauthenticatedError) as refused:
            world.caller(text)
        assert (refused.value.tenant, refused.value.credential) == (tenant, f"key:{key_id_of(text)}")
        assert key_id_of(text) not in str(refused.value)
    with pytest.raises(UnauthenticatedError) as refused:
        world.caller("nonsense")
    assert (refused.value.tenant, refused.value.credential) == ("", "")


def test_a_key_expires_at_its_instant(world):
    """One microsecond before, it is valid."""
    made = world.ring.create(world.admin, "short", frozenset({Scope.READ}), None, world.now_us + 10)
    world.now_us += 9
    assert world.caller(made.text).scopes == {Scope.READ}
    world.now_us += 1
    assert _reason(world, f"Bearer {made.text}")[0] == "expired"


def test_a_rotated_key_works_on_for_the_overlap(world):
    """The new one has the name, the scopes and the customer of the older one."""
    old = world.ring.create(world.admin, "portal", frozenset({Scope.READ, Scope.BILL}), "acme", None)
    new, replaced = world.ring.rotate(world.admin, old.key.key_id, HOUR_US, None)
    assert (new.key.name, new.key.scopes, new.key.customer_id) == ("portal", old.key.scopes, "acme")
    assert replaced.expires_at_us == world.now_us + HOUR_US
    assert world.caller(old.text).customer_id == world.caller(new.text).customer_id == "acme"
    world.now_us += HOUR_US
    assert _reason(world, f"Bearer {old.text}")[0] == "expired"
    assert world.caller(new.text).customer_id == "acme"


def test_a_rotation_never_lets_a_key_live_longer(world):
    """One that expires within the overlap expires when it would have."""
    old = world.ring.create(world.admin, "short", frozenset({Scope.READ}), None, world.now_us + 10)
    replaced = world.ring.rotate(world.admin, old.key.key_id, HOUR_US, None)[1]
    assert replaced.expires_at_us == old.key.expires_at_us
    world.now_us += 10
    with pytest.raises(KeyEndedError):
        world.ring.rotate(world.admin, old.key.key_id, HOUR_US, None)


def test_a_revocation_holds_here_at_once_and_at_another_gateway_within_two_seconds(world):
    """Also where a call read the key just before."""
    made = world.ring.create(world.admin, "portal", frozenset({Scope.READ}), None, None)
    other = world.gateway()
    header = f"Bearer {made.text}"
    assert world.authenticator.caller(header) == other.caller(header)
    revoked = world.ring.revoke(world.admin, made.key.key_id)
    assert _reason(world, header)[0] == "revoked"
    assert other.caller(header).tenant == "default"
    world.elapsed_ns += 2_000_000_000
    with pytest.raises(UnauthenticatedError):
        other.caller(header)
    world.now_us += 5
    assert world.ring.revoke(world.admin, made.key.key_id) == revoked


def test_a_rotated_key_ends_when_the_older_one_would_have(world):
    """Unless it is given another end."""
    end_us = world.now_us + 10 * HOUR_US
    old = world.ring.create(world.admin, "portal", frozenset({Scope.READ}), None, end_us)
    new = world.ring.rotate(world.admin, old.key.key_id, HOUR_US, None)[0]
    assert new.key.expires_at_us == end_us
    assert world.ring.rotate(world.admin, new.key.key_id, 0, end_us + 1)[0].key.expires_at_us == end_us + 1


def test_who_holds_less_ends_no_stronger_key(world):
    """An admin without `operate` can't revoke the operator's key, nor bind a name in certificates."""
    weak = world.ring.create(world.admin, "weak", frozenset({Scope.ADMIN, Scope.INGEST}), None, None)
    caller = world.caller(weak.text)
    with pytest.raises(PermissionDeniedError):
        world.ring.revoke(caller, key_id_of(world.first_text))
    with pytest.raises(PermissionDeniedError, match="operate"):
        world.ring.create(caller, "chat", frozenset({Scope.INGEST}), None, None, "chat.test")
    assert world.ring.revoke(caller, weak.key.key_id).revoked_at_us is not None


def test_nobody_grants_a_scope_that_they_lack(world):
    """Neither anew nor by rotating a stronger key."""
    strong = world.ring.create(world.admin, "strong", frozenset({Scope.CORRECT, Scope.ADMIN}), None, None)
    weak = world.ring.create(world.admin, "weak", frozenset({Scope.ADMIN, Scope.READ}), None, None)
    caller = world.caller(weak.text)
    assert world.ring.create(caller, "reader", frozenset({Scope.READ}), None, None)
    with pytest.raises(PermissionDeniedError, match="correct"):
        world.ring.create(caller, "more", frozenset({Scope.READ, Scope.CORRECT}), None, None)
    with pytest.raises(PermissionDeniedError, match="correct"):
        world.ring.rotate(caller, strong.key.key_id, 0, None)


def test_a_key_of_a_customer_reads_and_does_nothing_else(world):
    """It can't be made with another scope, or for the past."""
    with pytest.raises(InvalidRequestError, match="scopes"):
        world.ring.create(world.admin, "portal", frozenset({Scope.READ, Scope.INGEST}), "acme", None)
    with pytest.raises(InvalidRequestError, match="expires_at"):
        world.ring.create(world.admin, "portal", frozenset({Scope.READ}), "acme", world.now_us)


def test_a_tenant_has_its_own_keys_and_can_make_no_tenant(world):
    """Keys of another tenant are not there for it."""
    tenant, made = world.ring.create_tenant(world.admin, "globex")
    caller = world.caller(made.text)
    assert (tenant.tenant, caller.tenant) == ("globex", "globex")
    assert caller.scopes == frozenset(Scope) - {Scope.OPERATE}
    default_id = key_id_of(world.first_text)
    for refused in (world.ring.revoke, lambda who, key: world.ring.rotate(who, key, 0, None)):
        with pytest.raises(NotFoundError, match=default_id):
            refused(caller, default_id)
    assert [key.key_id for key in world.store.keys("globex", (0, ""), 10)] == [made.key.key_id]
    assert world.admin.tenant == "default"
    with pytest.raises(AlreadyExistsError):
        world.ring.create_tenant(world.admin, "globex")


def test_keys_are_listed_in_pages_as_they_were_made(world):
    """Also those of one instant."""
    made = [world.ring.create(world.admin, f"k{i}", frozenset({Scope.READ}), None, None) for i in range(5)]
    listed, after = [], (0, "")
    while page := world.store.keys("default", after, 2):
        listed += page
        after = (page[-1].created_at_us, page[-1].key_id)
    ids = [key_id_of(world.first_text), *(each.key.key_id for each in made)]
    assert sorted(key.key_id for key in listed) == sorted(ids)
    assert [key.key_id for key in listed] == sorted(ids)


def test_an_operator_may_bring_the_first_key(world, tmp_path):
    """It is known from the next start on. Revoked once, it stays so; another secret under its id is refused."""
    file = tmp_path / "given.key"
    text = new_key_text(secrets.token_hex)
    file.write_text(f"{text}\n")
    assert world.first_keys(file).make_known(world.store, world.hasher) == file
    assert world.caller(text).scopes == frozenset(Scope)
    world.ring.revoke(world.admin, key_id_of(text))
    world.first_keys(file).make_known(world.store, world.hasher)
    assert _reason(world, f"Bearer {text}")[0] == "revoked"
    file.write_text(f"mlk_{key_id_of(text)}_{'1' * 48}")
    with pytest.raises(StartupError, match="another secret"):
        world.first_keys(file).make_known(world.store, world.hasher)
    file.write_text("secret")
    with pytest.raises(StartupError, match="does not hold an API key") as refused:
        world.first_keys(file).make_known(world.store, world.hasher)
    assert "secret" not in str(refused.value).replace("given", "")


def test_without_the_key_of_all_hashes_the_engine_does_not_start(world, tmp_path):
    """No key would be known: it says so instead of making another."""
    (tmp_path / "api_keys.key").unlink()
    with pytest.raises(StartupError, match="restore it from a backup"):
        world.first_keys().hasher(world.store)
    (tmp_path / "api_keys.key").write_text("00ff")
    with pytest.raises(StartupError, match="32 bytes"):
        world.first_keys().hasher(world.store)


def test_a_hash_depends_on_the_key_of_the_directory():
    """Who has the database alone can't make a key that it knows."""
    text = new_key_text(secrets.token_hex)
    one, other = KeyHasher(b"1" * 32), KeyHasher(b"2" * 32)
    assert one.is_hash_of(one.hash(text), text)
    assert not one.is_hash_of(other.hash(text), text)


def test_a_caller_without_a_customer_may_ask_for_all():
    """And one with a customer for that one alone."""
    anybody = Caller("t", "key:1", frozenset({Scope.READ}))
    anybody.check_customer(None)
    bound = Caller("t", "key:2", frozenset({Scope.READ}), "acme")
    bound.check_customer("acme")
    for other in ("acme ", "globex", "", None):
        with pytest.raises(PermissionDeniedError):
            bound.check_customer(other)
