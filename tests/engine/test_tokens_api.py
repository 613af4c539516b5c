"""People sign on: an OIDC provider's token in the place of an API key, at a real engine, on both faces."""

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import grpc
import oidc_provider_mock
import pytest

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.access_pb2 import ListAuditRecordsRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from tests.support.command_processes import run_command
from tests.support.engine.api_world import CATALOG, LATE_JUNE, api_event, record, spend_of
from tests.support.pages.operator_browser import Operator

ROOT = Path(__file__).parents[2]
AWAY = "http://localhost/callback"
USERS = {
    "ada": {
        "meterline_tenant": "default",
        "scope": ["meterline:read", "meterline:catalog", "meterline:admin"],
    },
    "bob": {"meterline_tenant": "default", "scope": ["meterline:read"], "meterline_customer": "people_acme"},
    "eve": {"meterline_tenant": "elsewhere", "scope": ["meterline:read"]},
}


class _Stays(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_, **__):
        return None


@pytest.fixture(scope="module")
def provider():
    """A provider at which people sign in by their names."""
    users = [oidc_provider_mock.User(sub=name, claims=claims) for name, claims in USERS.items()]
    with oidc_provider_mock.run_server_in_thread(user_claims=users) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture(scope="module")
def engine(provider, tmp_path_factory):
    options = ("--oidc-issuer", provider, "--http-listen", "127.0.0.1:0", "--event-age-max-days", "36525")
    with EngineProcess(tmp_path_factory.mktemp("tokens") / "data", *options) as running:
        with open_channel(running.target) as channel:
            CatalogServiceStub(channel).ApplyCatalog(
                ApplyCatalogRequest(document=CATALOG.replace("NAME", "people")), timeout=120
            )
            record(channel, api_event("people", "1", tokens="1500"))
        yield running


def _token(provider, name):
    """By the code flow, as a browser does it."""
    opener = urllib.request.build_opener(_Stays)
    asked = {
        "client_id": "meterline",
        "redirect_uri": AWAY,
        "response_type": "code",
        "scope": "openid profile",
    }
    place = f"{provider}/oauth2/authorize?{urllib.parse.urlencode(asked)}"
    try:
        opener.open(place, data=urllib.parse.urlencode({"sub": name}).encode())
    except urllib.error.HTTPError as answer:
        query = urllib.parse.urlsplit(answer.headers["Location"]).query
    code = urllib.parse.parse_qs(query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": AWAY}
    request = urllib.request.Request(f"{provider}/oauth2/token", data=urllib.parse.urlencode(form).encode())
    request.add_header("Authorization", f"Basic {base64.b64encode(b'meterline:secret').decode()}")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["id_token"]


def _spend_over_http(engine, token):
    request = urllib.request.Request(
        f"http://127.0.0.1:{engine.http_port}/meterline.v1.SpendService/GetSpend",
        data=json.dumps({"customerId": "people_acme", "at": "2025-06-20T00:00:00Z"}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def test_a_person_signs_in_and_reads_spend_on_both_faces(engine, provider):
    """What the token says is what they may: another scope is refused, and they are named in the audit log."""
    token = _token(provider, "ada")
    with open_channel(engine.target, api_key=token) as channel:
        # 20, and 1,000 at 0.01, and 500 at 0.0025, rounded half up.
        assert spend_of(channel, "people").spends[0].amount == "31.25"
        assert _spend_over_http(engine, token)["spends"][0]["amount"] == "31.25"
        with pytest.raises(grpc.RpcError) as refused:
            record(channel, api_event("people", "2"))
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        CatalogServiceStub(channel).ApplyCatalog(
            ApplyCatalogRequest(document="customers: [{id: people_new, name: New}]", file_name="by-ada.yaml"),
            timeout=120,
        )
        records = AccessServiceStub(channel).ListAuditRecords(
            ListAuditRecordsRequest(page_size=100), timeout=120
        )
    mine = [(each.operation, each.subject) for each in records.audit_records if each.credential == "oidc:ada"]
    assert ("CatalogService.ApplyCatalog", "by-ada.yaml") in mine


def test_a_person_who_is_a_customer_reads_their_own_spend_alone(engine, provider):
    """The claim binds as a customer's key does."""
    with open_channel(engine.target, api_key=_token(provider, "bob")) as channel:
        assert spend_of(channel, "people").spends[0].customer_id == "people_acme"
        with pytest.raises(grpc.RpcError) as refused:
            SpendServiceStub(channel).GetSpend(
                GetSpendRequest(customer_id="people_bolt", at=LATE_JUNE), timeout=120
            )
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_a_token_of_a_tenant_that_is_not_there_is_refused(engine, provider):
    """And so is one that was changed, in the same words; API keys go on."""
    token = _token(provider, "eve")
    head, _, signature = _token(provider, "ada").split(".")
    for wrong in (token, f"{head}.{token.split('.')[1]}.{signature}"):
        with open_channel(engine.target, api_key=wrong) as channel, pytest.raises(grpc.RpcError) as refused:
            spend_of(channel, "people")
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert refused.value.details() == (
            "the token is not valid: sign in again with the provider that the engine trusts"
        )
    with open_channel(engine.target) as channel:
        assert spend_of(channel, "people").spends[0].customer_id == "people_acme"


def test_the_command_line_takes_a_token_from_a_file(engine, provider, tmp_path):
    """As it takes an API key."""
    file = tmp_path / "token"
    file.write_text(_token(provider, "ada"), encoding="ascii")
    done = run_command("spend", "--target", engine.target, "--api-key-file", file)
    assert done.returncode == 0, done.stderr
    assert "people_acme" in done.stdout


def test_a_proxy_shows_a_person_the_operator_s_page(engine, provider):
    """By the token that it sends on with each request; a customer's is refused, and none is exchanged for a session."""
    page = Operator(engine.http_port)
    status, _, html = page.get("/operator", authorization=f"Bearer {_token(provider, 'ada')}")
    assert status == 200
    assert "signed in as oidc:ada" in html
    assert "Sign out" not in html
    assert page.get("/operator", authorization=f"Bearer {_token(provider, 'bob')}")[0] == 403
    assert page.get("/operator", authorization=f"Bearer {_token(provider, 'eve')}")[0] == 401
    status, headers, _ = page.sign_in(_token(provider, "ada"))
    assert (status, headers.get("set-cookie")) == (403, None)
