"""Sessions of the operator's page on a real catalog database: whose they are, and what ends them."""

import pytest

from engine.access.caller import Caller, Scope
from engine.access.signed.operator_sessions import SESSION_S, OperatorSession, OperatorSessions
from engine.errors import PermissionDeniedError, UnauthenticatedError
from tests.support.signed_world import SignedWorld

US = 1_000_000


@pytest.fixture
def world(database, tmp_path):
    return SignedWorld(database, tmp_path)


def _signed_in(world):
    made = world.ring.create(world.admin, "people", frozenset({Scope.READ, Scope.BILL}), None, None)
    caller = world.authenticator.caller(f"Bearer {made.text}")
    return made.key, world.authenticator.new_session(caller)


def test_a_session_is_its_key_s_and_no_credential_of_a_call(world):
    """It has the key's name and scopes in the page's cookie; as a bearer it is nobody's."""
    key, session = _signed_in(world)
    caller = world.authenticator.of_session(session)
    assert (caller.tenant, caller.credential) == ("default", f"key:{key.key_id}")
    assert caller.scopes == {Scope.READ, Scope.BILL}
    with pytest.raises(UnauthenticatedError):
        world.authenticator.caller(f"Bearer {session}")


def test_a_session_ends_after_a_working_day(world):
    """At that second, whatever its key does."""
    _, session = _signed_in(world)
    world.now_us += SESSION_S * US - 1
    assert world.authenticator.of_session(session).tenant == "default"
    world.now_us += 1
    with pytest.raises(UnauthenticatedError, match="the session is over") as found:
        world.authenticator.of_session(session)
    assert found.value.reason == "expired"


def test_a_session_ends_with_its_key(world):
    """At the gateway that revoked it at once."""
    key, session = _signed_in(world)
    world.ring.revoke(world.admin, key.key_id)
    with pytest.raises(UnauthenticatedError) as found:
        world.authenticator.of_session(session)
    assert (found.value.reason, found.value.credential) == ("revoked", f"key:{key.key_id}")


def test_a_session_that_says_something_else_is_none(world):
    """Each of its characters counts, and so does its purpose; another deployment's is none."""
    key, session = _signed_in(world)
    for place in (4, len(session) // 2, len(session) - 1):
        other = "A" if session[place] != "A" else "B"
        with pytest.raises(UnauthenticatedError):
            world.authenticator.of_session(session[:place] + other + session[place + 1 :])
    for text in ("", "mlo_", session.upper(), f"{session}=", session.replace("mlo_", "mls_"), world.link()):
        with pytest.raises(UnauthenticatedError):
            world.authenticator.of_session(text)
    other = type(world.hasher)(b"\1" * 32)
    signed = OperatorSession(tenant="default", key_id=key.key_id, expires_at_s=world.now_us // US + SESSION_S)
    assert OperatorSessions(world.hasher).text(signed) == session
    with pytest.raises(UnauthenticatedError):
        world.authenticator.of_session(OperatorSessions(other).text(signed))


def test_a_session_of_another_tenant_s_key_is_none(world):
    """Whoever could sign one still needs a key of that tenant."""
    key, _ = _signed_in(world)
    signed = OperatorSession(tenant="other", key_id=key.key_id, expires_at_s=world.now_us // US + 60)
    with pytest.raises(UnauthenticatedError):
        world.authenticator.of_session(OperatorSessions(world.hasher).text(signed))


@pytest.mark.parametrize(
    "caller",
    [
        Caller("default", "key:0a0b0c0d0e0f", frozenset({Scope.READ}), "acme"),
        Caller("default", "link:x", frozenset({Scope.READ}), "acme"),
        Caller("default", "oidc:somebody", frozenset(Scope)),
    ],
    ids=["a customer's key", "a link", "a token"],
)
def test_nobody_else_gets_a_session(world, caller):
    """A customer reads its own page; who has no key would not lose the session with it."""
    with pytest.raises(PermissionDeniedError):
        world.authenticator.new_session(caller)
