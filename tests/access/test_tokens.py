"""Tokens of an OIDC provider in the place of API keys: which count, what they allow, and how the provider's keys change."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from engine.access.caller import Scope
from engine.access.oidc.signing_keys import SigningKeys
from engine.access.oidc.token_rules import TokenRules
from engine.access.oidc.tokens import Tokens
from engine.errors import StoreUnavailableError, UnauthenticatedError

NOW_S = 1_800_000_000


class Provider:
    """A provider on this machine's loopback, whose keys change when a test says so."""

    def __init__(self):
        self.keys = [ECKey.generate_key("P-256", {"kid": "first", "use": "sig"})]
        self.issuer_named = None
        self.is_there = True
        self.asked = 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider.asked += 1
                if not provider.is_there:
                    self.send_error(503)
                    return
                found = (
                    {
                        "issuer": provider.issuer_named or provider.issuer,
                        "jwks_uri": f"{provider.issuer}/keys",
                    }
                    if self.path.startswith("/.well-known/")
                    else KeySet(provider.keys).as_dict(private=False)
                )
                body = json.dumps(found).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self, key=None, algorithm="ES256", header=None, **changed):
        claims = {
            "iss": self.issuer,
            "aud": "meterline",
            "sub": "ada",
            "exp": NOW_S + 600,
            "iat": NOW_S,
            "meterline_tenant": "acme",
            "scope": "openid meterline:read meterline:bill meterline:nonsense read",
        } | changed
        claims = {name: value for name, value in claims.items() if value is not None}
        key = key or self.keys[-1]
        head = {"alg": algorithm, "kid": key.kid} | (header or {})
        return jwt.encode(head, claims, key, algorithms=[algorithm])


class World:
    def __init__(self, provider):
        self.now_s = NOW_S
        self.elapsed_ns = 10**15
        self.tenants = {"acme"}
        self.provider = provider
        rules = TokenRules(
            issuer=provider.issuer,
            audience="meterline",
            tenant_claim="meterline_tenant",
            scopes_claim="scope",
            customer_claim="meterline_customer",
        )
        self.tokens = Tokens(
            rules,
            SigningKeys(provider.issuer, lambda: self.elapsed_ns),
            lambda tenant: tenant in self.tenants,
            lambda: self.now_s * 1_000_000,
            lambda: self.elapsed_ns,
        )

    def pass_s(self, seconds):
        self.now_s += seconds
        self.elapsed_ns += seconds * 1_000_000_000

    def reason(self, token):
        with pytest.raises(UnauthenticatedError) as refused:
            self.tokens.caller(token)
        assert str(refused.value) == (
            "the token is not valid: sign in again with the provider that the engine trusts"
        )
        return refused.value.reason


@pytest.fixture
def provider():
    made = Provider()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def world(provider):
    return World(provider)


def test_a_token_stands_for_the_tenant_and_the_scopes_that_it_names(world, provider):
    """Scopes are those with our prefix that there are; the subject is named in logs and the audit log."""
    caller = world.tokens.caller(provider.token())
    assert (caller.tenant, caller.credential, caller.customer_id) == ("acme", "oidc:ada", None)
    assert caller.scopes == {Scope.READ, Scope.BILL}
    listed = world.tokens.caller(provider.token(scope=["meterline:catalog"], meterline_customer="c1"))
    assert (listed.scopes, listed.customer_id) == ({Scope.CATALOG}, "c1")
    assert world.tokens.caller(provider.token(scope=None)).scopes == frozenset()


def test_a_token_ends_when_it_says_so(world, provider):
    """Also one whose signature is known already; a clock may be off by half a minute."""
    token = provider.token(exp=NOW_S + 5)
    world.tokens.caller(token)
    world.pass_s(5 + 29)
    world.tokens.caller(token)
    world.pass_s(1)
    assert world.reason(token) == "token expired"
    assert world.reason(provider.token(exp=NOW_S)) == "token expired"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"iss": "https://elsewhere"}, "token"),
        ({"iss": None}, "token"),
        ({"aud": "another"}, "token"),
        ({"aud": None}, "token"),
        ({"exp": None}, "token"),
        ({"nbf": NOW_S + 600}, "token"),
        ({"iat": NOW_S + 600}, "token"),
        ({"sub": None}, "token"),
        ({"meterline_tenant": None}, "token claims"),
        ({"meterline_tenant": "nobody"}, "token claims"),
        ({"meterline_tenant": ["acme"]}, "token claims"),
        ({"meterline_tenant": ""}, "token claims"),
        ({"scope": {"read": True}}, "token claims"),
        ({"meterline_customer": 7}, "token claims"),
        ({"sub": "a\nb"}, "token claims"),
    ],
)
def test_a_token_that_lacks_something_is_refused_in_the_same_words(world, provider, changed, reason):
    """Which it was stands in the metrics."""
    assert world.reason(provider.token(**changed)) == reason


def test_only_the_provider_signs_tokens(world, provider):
    """Another key of the same name, a shared secret, no signature at all, a changed payload, no token at all."""
    token = provider.token()
    head, payload, signature = token.split(".")
    other = ECKey.generate_key("P-256", {"kid": "first"})
    shared = OctKey.import_key("k" * 32, {"kid": "first"})
    changed = provider.token(meterline_tenant="other").split(".")[1]
    for wrong in (
        provider.token(key=other),
        provider.token(key=shared, algorithm="HS256"),
        f"{head}.{changed}.{signature}",
        f"{head}.{payload}.",
        "eyJhbGciOiJub25lIn0.e30.",
        "a.b.c",
        "..",
        "ü.b.c",
        f"{head}.{payload}.{signature}" + "A" * 9_000,
    ):
        assert world.reason(wrong) == "token"


def test_a_provider_changes_its_keys_without_telling_anybody(world, provider):
    """A new key is looked up when a token names it, at most twice a minute; one that is withdrawn ends."""
    old = provider.token()
    world.tokens.caller(old)
    withdrawn = provider.keys[0]
    provider.keys = [RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})]
    new = provider.token(algorithm="RS256")
    asked = provider.asked
    # Just asked: whoever makes up names of keys does not make the engine ask each time.
    assert world.reason(new) == "token"
    assert provider.asked == asked
    world.pass_s(30)
    assert world.tokens.caller(new).tenant == "acme"
    assert world.reason(provider.token(key=withdrawn)) == "token"


def test_a_provider_that_is_gone_leaves_its_keys_in_use_for_a_day(world, provider):
    """Then tokens are refused for now, and never believed; also when it never answered."""
    world.tokens.caller(provider.token())
    provider.is_there = False
    world.pass_s(24 * 3_600 - 60)
    world.tokens.caller(provider.token(exp=world.now_s + 600, iat=world.now_s))
    world.pass_s(61)
    with pytest.raises(
        StoreUnavailableError, match="the provider of tokens does not answer: try again later"
    ):
        world.tokens.caller(provider.token(exp=world.now_s + 600, iat=world.now_s))
    with pytest.raises(StoreUnavailableError):
        World(provider).tokens.caller(provider.token())


def test_the_provider_must_name_itself(provider):
    """A document of another issuer is not believed."""
    provider.issuer_named = "https://elsewhere"
    with pytest.raises(StoreUnavailableError):
        World(provider).tokens.caller(provider.token())
